"""A volume without a PV has one holder: the node of the open PersistAttachment run, which is begun, kept and ended by no guess."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.common import SearchAttributeKey

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.faults import Loss
from mooring.errors import BackendFailed, BackendUncertain, HeldElsewhere, MooringError
from mooring.models import Attachment, PersistInput
from tests.cluster.nodes.conftest import CSI_NODES, NodeObjects
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import PVS, Cluster
from tests.harness.details import details
from tests.harness.holds import Run, ended, hold_of, operation_of, volume
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment
from tests.harness.workers import indexed, quick, running_worker
from worker import MooringWorker

MERGE = "application/merge-patch+json"
STATE = SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)


async def recorded(cluster: Cluster, node: str) -> None:
    """Wait until the PV records the node first."""
    async with asyncio.timeout(2 * PATIENCE):
        while await cluster.holder("vol") != node:
            await asyncio.sleep(0.05)


async def begin_hold(client: Client, cluster: Cluster, publish: str, settled: Attachment | None = None) -> Run:
    """Begin a hold of node-a, as the publish of this run id does; with its word, if it is to have that from the start."""
    waiting = PersistInput(volume=volume(cluster), attachment=attachment("node-a"), operation=publish)
    run: Run = await client.start_workflow(
        names.PERSIST,
        waiting,
        id=names.unpersisted_id(waiting.volume),
        task_queue=f"mooring-{cluster.driver}",
        memo={names.ATTACHMENT_MEMO: waiting.attachment},
        start_signal="settle" if settled else None,
        start_signal_args=[settled] if settled else [],
    )
    return run


async def asked_for_its_publisher(run: Run) -> list[str]:
    """Wait until the hold has decided about the answer; return the activities it has scheduled by then."""
    async with asyncio.timeout(PATIENCE):
        while True:
            events = (await run.fetch_history()).events
            answers = [event.event_id for event in events if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED]
            tasks = [event.event_id for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
            if answers and max(tasks) > answers[0]:
                scheduled = (event.activity_task_scheduled_event_attributes.activity_type.name for event in events)
                return list(filter(None, scheduled))
            await asyncio.sleep(0.05)


FORGOTTEN = "0f8fad5b-d9cb-469f-a165-70867728950e"
"""A run that Temporal doesn't know, as it forgets each one when its retention is over."""


async def test_a_hold_whose_publish_succeeded_goes_on_though_the_publish_is_forgotten(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold = await begin_hold(temporal_client, cluster, FORGOTTEN, attachment("node-a"))
    await asked_for_its_publisher(hold)

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")
    await cluster.create("vol")
    await recorded(cluster, "node-a")


async def test_a_hold_whose_publish_is_forgotten_and_never_spoke_holds_on_and_says_so_until_an_unpublish(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold = await begin_hold(temporal_client, cluster, FORGOTTEN)
    await asked_for_its_publisher(hold)

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")
    await details(hold, FORGOTTEN, "the word of its publish")
    await mooring.unpublish("vol", "node-a")

    await ended(hold)
    assert (await mooring.publish("vol", "node-b")).node_id == "node-b"


async def test_a_hold_that_has_the_word_of_a_publish_goes_on_though_the_one_that_began_it_was_rolled_back(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.publish_errors.append(refusal())
    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")
    publish = await operation_of(temporal_client, cluster)
    await begin_hold(temporal_client, cluster, publish.run_id or "", attachment("node-a"))

    await cluster.create("vol")
    await recorded(cluster, "node-a")


async def test_a_hold_whose_publish_was_rolled_back_ends_at_once(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.publish_errors.append(refusal())
    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")
    publish = await operation_of(temporal_client, cluster)

    hold = await begin_hold(temporal_client, cluster, publish.run_id or "")

    assert "not needed" in str(await asyncio.wait_for(hold.result(), PATIENCE))


async def test_a_hold_writes_nothing_before_its_publish_has_succeeded(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    await cluster.create("vol")
    await indexed(backed_worker, "vol")

    assert await asked_for_its_publisher(await hold_of(temporal_client, cluster)) == ["check_publisher"]
    backend.publish_gate.set()
    await publish
    await recorded(cluster, "node-a")


async def test_a_hold_that_somebody_ends_takes_back_what_it_may_have_written(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    held = cluster.proxy.hold("PATCH", times=1)
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    await held.reached()
    hold = await hold_of(temporal_client, cluster)
    await hold.cancel()
    await ended(hold)

    held.release()

    assert (await held.landed(), await cluster.holder("vol")) == (422, None)


async def test_a_hold_that_somebody_ends_takes_back_what_it_has_written_though_the_answer_was_lost(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    lost = cluster.proxy.lose_answer("PATCH", loss=Loss.HANG, times=1)
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    assert await lost.landed() == 200
    hold = await hold_of(temporal_client, cluster)
    await hold.cancel()
    await ended(hold)

    assert await cluster.holder("vol") is None


async def test_a_hold_that_is_ended_takes_back_what_it_wrote_on_one_of_several_pvs_though_it_has_decided_again_since(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    first, last = names_of_pvs = sorted((cluster.pv("vol"), f"second-{cluster.pv('vol')}"))
    once = cluster.proxy.hold("PATCH", path=f"/persistentvolumes/{last}", times=1)
    unseen = cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    for name in names_of_pvs:
        await cluster.create("vol", name=name)
    unseen.stop()
    await once.reached()
    await cluster.ask("PATCH", f"{PVS}/{last}", {"metadata": {"annotations": {cluster.keys.epoch: "7"}}}, MERGE)
    again = cluster.proxy.hold("PATCH", path=f"/persistentvolumes/{first}", times=1)
    once.release()
    await again.reached()
    assert (await cluster.annotations("vol", name=first))[cluster.keys.node] == "node-a"
    hold = await hold_of(temporal_client, cluster)
    await hold.cancel()
    await ended(hold)

    again.release()

    assert await again.landed() == 422
    assert [(await cluster.annotations("vol", name=name)).get(cluster.keys.node) for name in names_of_pvs] == [None, None]


async def test_a_hold_signs_what_it_records_with_its_own_run_id(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    hold = await hold_of(temporal_client, cluster)
    await cluster.create("vol")
    await recorded(cluster, "node-a")

    assert (await cluster.annotations("vol"))[cluster.keys.operation] == hold.run_id


async def test_a_rollback_that_is_cut_off_before_the_backend_has_detached_leaves_the_volume_held(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.apply_before_error = True
    backend.publish_errors += [BackendUncertain("no answer")] * 100
    backend.unpublish_errors += [refusal("the device is busy")] * 100
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=2 * PATIENCE))
    async with asyncio.timeout(2 * PATIENCE):
        while len(backend.unpublish_errors) == 100:
            await asyncio.sleep(0.05)
    await (await operation_of(temporal_client, cluster)).terminate("an operator lost patience")
    with pytest.raises(MooringError):
        await publish

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_a_record_of_another_node_is_released_while_one_waits_for_its_pv(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")
    await cluster.create("vol", {cluster.keys.node: "node-b", cluster.keys.epoch: "4"})
    await indexed(worker, "vol")

    result = await mooring.unpublish("vol", "node-b")

    assert (result.released, result.annotation_cleared) == (("node-b",), True)
    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-c")
    await recorded(cluster, "node-a")


async def what_it_waits_for(hold: Run) -> str:
    """Wait until the hold reports what is in its way; return that."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for pending in (await hold.describe()).raw_description.pending_activities:
                if pending.last_failure.message:
                    return pending.last_failure.message
            await asyncio.sleep(0.05)


async def test_a_hold_says_who_is_in_its_way_and_records_its_node_as_soon_as_that_one_has_gone(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    await cluster.create("vol", {cluster.keys.node: "node-b"})
    hold = await hold_of(temporal_client, cluster)
    assert "held by node node-b" in await what_it_waits_for(hold)
    before = (await hold.describe()).history_length

    await cluster.annotate("vol", {cluster.keys.node: None})

    await recorded(cluster, "node-a")
    assert before < 20


async def test_a_record_that_the_index_does_not_know_is_released_while_another_node_waits(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    await recorded(cluster, "node-a")
    await mooring.unpublish("vol", "node-a")
    await cluster.delete("vol")
    await mooring.publish("vol", "node-a")
    cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    await cluster.create("vol", {cluster.keys.node: "node-b"})

    result = await mooring.unpublish("vol", "node-b")

    assert (result.released, await cluster.holder("vol")) == (("node-b",), None)


async def test_the_node_that_waits_is_released_beside_a_record_of_another(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")
    await cluster.create("vol", {cluster.keys.node: "node-b"})
    await indexed(worker, "vol")

    result = await mooring.unpublish("vol", "node-a")

    assert (result.released, await cluster.holder("vol")) == (("node-a",), "node-b")


async def recorded_by_its_own_hold(cluster: Cluster, worker: MooringWorker, client: Client, backend: JournalBackend) -> None:
    """Create the PV, and have the hold of the publish that is at the backend get its word, record the node and end."""
    await backend.entered.wait()
    await cluster.create("vol")
    await indexed(worker, "vol")
    hold = await hold_of(client, cluster)
    await hold.signal("settle", attachment("node-a"))
    await ended(hold)
    assert await cluster.holder("vol") == "node-a"


async def test_a_publish_that_fails_takes_back_what_its_own_hold_has_recorded(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
    await recorded_by_its_own_hold(cluster, backed_worker, temporal_client, backend)
    backend.apply_before_error = True
    patched = cluster.proxy.hold("PATCH", times=1)  # it acquires the record as its own
    backend.publish_gate.set()
    await patched.reached()
    backend.publish_errors.append(refusal())
    patched.release()

    with pytest.raises(BackendFailed, match="rolled back, and nothing of it is left"):
        await publish

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_a_publish_whose_own_hold_has_recorded_it_and_that_can_not_go_on_does_not_say_that_nothing_was_written(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
    await recorded_by_its_own_hold(cluster, backed_worker, temporal_client, backend)
    refused = cluster.proxy.fail("PATCH", status=403)
    backend.publish_gate.set()
    async with asyncio.timeout(PATIENCE):
        while refused.seen < 2:
            await asyncio.sleep(0.05)
    refused.stop()

    with pytest.raises(MooringError, match="rolled back"):
        await publish

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_a_failed_publish_leaves_what_the_hold_of_an_earlier_one_has_recorded(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")
    backend.publish_gate = asyncio.Event()
    backend.entered.clear()
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
    await recorded_by_its_own_hold(cluster, backed_worker, temporal_client, backend)
    backend.publish_errors.append(refusal())
    backend.publish_gate.set()

    with pytest.raises(BackendFailed):
        await publish

    assert (await cluster.holder("vol"), backend.attached["vol"]) == ("node-a", {"node-a"})


async def test_an_unpublish_ends_though_the_pv_that_has_just_appeared_may_not_be_written(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    refused = cluster.proxy.fail("PATCH", status=403, message="may not patch")
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    async with asyncio.timeout(PATIENCE):
        while not refused.seen:
            await asyncio.sleep(0.05)

    result = await mooring.unpublish("vol", "node-a", deadline=PATIENCE)

    hold = await hold_of(temporal_client, cluster)
    unpublish = await operation_of(temporal_client, cluster)
    states = [(await run.describe()).typed_search_attributes[STATE] for run in (hold, unpublish)]
    assert (result.annotation_cleared, states) == (False, ["NotCleared", "NotCleared"])
    assert "may not patch" in result.message


async def test_a_node_may_have_the_volume_when_the_hold_has_ended_since_the_publish_began(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, driver: str
) -> None:
    await NodeObjects(cluster).register("node-a")
    async with running_worker(temporal_client, quick(driver, node_check="csinode"), cluster.proxy.kubeconfig()):
        await mooring.publish("vol", "node-a")
        hold = await hold_of(temporal_client, cluster)
        asked = cluster.proxy.hold("GET", path=CSI_NODES, times=1)
        cluster.proxy.drop("WATCH", path=CSI_NODES)
        cluster.proxy.cut_watches()
        await NodeObjects(cluster).register("node-b")
        publish = asyncio.create_task(mooring.publish("vol", "node-b", deadline=PATIENCE))
        await asked.reached()
        await hold.cancel()
        await ended(hold)
        asked.release()

        assert (await publish).node_id == "node-b"


async def test_a_publish_does_not_succeed_on_a_hold_that_has_ended(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    hold = await hold_of(temporal_client, cluster)
    await hold.terminate("an operator lost patience")
    backend.publish_gate.set()
    await publish

    status = await mooring.get("vol")
    assert status.unpersisted is not None
    assert status.unpersisted.node_id == "node-a"


async def test_a_volume_is_held_until_the_backend_has_detached_it(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")
    backend.unpublish_errors.append(refusal("the device is busy"))

    with pytest.raises(BackendFailed):
        await mooring.unpublish("vol", "node-a")

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_a_publish_relies_on_no_hold_beside_which_the_record_names_another_node(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    await mooring.publish("vol", "node-b")
    await begin_hold(temporal_client, cluster, FORGOTTEN, attachment("node-a"))

    with pytest.raises(HeldElsewhere, match="node-b"):
        await mooring.publish("vol", "node-a")


async def test_a_hold_that_went_on_takes_back_what_its_former_self_had_written_though_the_answer_was_lost(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    lost = cluster.proxy.lose_answer("PATCH", loss=Loss.HANG, times=1)
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    assert await lost.landed() == 200
    held = cluster.proxy.hold("PATCH", times=1)
    former = await hold_of(temporal_client, cluster)
    await former.cancel(reason=names.asked_by(FORGOTTEN))
    await held.reached()
    assert await cluster.holder("vol") == "node-a"
    hold = await hold_of(temporal_client, cluster)
    await hold.cancel()
    await ended(hold)

    held.release()

    assert (await held.landed(), await cluster.holder("vol")) == (422, None)


async def test_a_hold_that_is_ended_with_its_first_task_takes_back_what_its_former_self_had_written(
    temporal_client: Client, cluster: Cluster, driver: str
) -> None:
    keys, held = cluster.keys, attachment("node-a")
    written = {keys.node: "node-a", keys.at: "2026-01-31T04:00:41Z", keys.epoch: "1", keys.operation: FORGOTTEN}
    await cluster.create("vol", written)
    waiting = PersistInput(volume=volume(cluster), attachment=held, operation=FORGOTTEN, settled=held, signed=(FORGOTTEN,))
    hold: Run = await temporal_client.start_workflow(
        names.PERSIST,
        waiting,
        id=names.unpersisted_id(waiting.volume),
        task_queue=f"mooring-{cluster.driver}",
        memo={names.ATTACHMENT_MEMO: held},
    )
    await hold.cancel()

    async with running_worker(temporal_client, quick(driver), cluster.proxy.kubeconfig()):
        await ended(hold)

        assert await cluster.holder("vol") is None

"""AdoptAttachment: recorded on the very record that knew nothing of it, or not at all."""

from __future__ import annotations

import asyncio
import re

import pytest
from temporalio.client import Client, WorkflowFailureError

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.faults import Hold
from mooring.errors import Contended, HeldElsewhere, KubernetesForbidden, OperationCancelled, OperationPending
from mooring.models import AdoptRequest, PublishResult, VolumeRef
from mooring.temporal.history import read_history
from tests.harness.cluster import Cluster
from tests.harness.details import details
from tests.harness.patience import PATIENCE
from tests.harness.records import SHARED, attachment
from tests.harness.resets import last_run, reset
from worker import MooringWorker


@pytest.fixture
def asked(driver: str) -> AdoptRequest:
    """A volume that nobody has written a record of is attached to node-a."""
    held = attachment("node-a", None)
    return AdoptRequest(driver=driver, volume_handle="vol", attachment=held, epoch=0, volume_attachment="csi-1")


async def test_it_says_what_it_has_done(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest
) -> None:
    await cluster.create("vol")

    result = await mooring.adopt(asked)

    assert (result.node_id, result.epoch, result.persisted, result.reclaimed) == ("node-a", 1, True, False)
    assert result.message == "Adopting volume vol on node node-a is done at epoch 1; VolumeAttachment csi-1 shows it."


async def test_a_record_that_has_moved_on_is_left_as_it_is(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")

    with pytest.raises(Contended, match="vol is at epoch 2 now"):
        await mooring.adopt(asked)

    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == (None, 2)


async def test_a_holder_without_an_epoch_keeps_the_volume(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-b"})

    with pytest.raises(HeldElsewhere, match="node-b"):
        await mooring.adopt(asked)

    assert await cluster.annotations("vol") == {cluster.keys.node: "node-b"}


async def test_a_volume_without_a_pv_is_not_adopted(worker: MooringWorker, mooring: MooringClient, asked: AdoptRequest) -> None:
    with pytest.raises(Contended, match="no PersistentVolume"):
        await mooring.adopt(asked)


async def test_a_second_node_joins_only_whom_it_may_share_the_volume_with(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest
) -> None:
    await cluster.create("vol", modes=["ReadWriteMany"])
    await mooring.publish("vol", "node-b", access_mode=SHARED)
    joining = asked.model_copy(update={"epoch": 1})

    with pytest.raises(HeldElsewhere):
        await mooring.adopt(joining)
    await mooring.adopt(joining.model_copy(update={"attachment": attachment("node-a", SHARED)}))

    assert worker.manager.nodes_of("vol") == ["node-b", "node-a"]


async def test_a_lost_answer_is_recognised(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest
) -> None:
    await cluster.create("vol")
    cluster.proxy.lose_answer("PATCH", times=1)

    assert (await mooring.adopt(asked)).epoch == 1


async def test_one_that_may_not_write_fails_and_leaves_nothing(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest
) -> None:
    await cluster.create("vol")
    cluster.proxy.fail("PATCH", status=403, times=1)

    with pytest.raises(KubernetesForbidden, match="nothing of it was written"):
        await mooring.adopt(asked)

    assert (await cluster.annotations("vol"), worker.manager.nodes_of("vol")) == ({}, [])


async def under_way(cluster: Cluster, mooring: MooringClient, asked: AdoptRequest) -> tuple[Hold, asyncio.Task[PublishResult]]:
    """Begin an adoption, and return its write, which is held back, and its answer."""
    await cluster.create("vol")
    held = cluster.proxy.hold("PATCH", times=1)
    adopting = asyncio.create_task(mooring.adopt(asked, deadline=PATIENCE))
    await held.reached()
    return held, adopting


async def test_one_that_is_cancelled_is_taken_back_in_the_record_and_nowhere_else(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest, temporal_client: Client
) -> None:
    held, adopting = await under_way(cluster, mooring, asked)
    await temporal_client.get_workflow_handle(names.volume_id(asked)).cancel()

    with pytest.raises(OperationCancelled):
        await adopting
    held.release()
    assert await held.landed() == 422

    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == (None, 1)


async def test_the_ui_shows_why_one_is_taken_back(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest, temporal_client: Client
) -> None:
    held, adopting = await under_way(cluster, mooring, asked)
    taking_back = cluster.proxy.hold("PATCH")
    run = temporal_client.get_workflow_handle(names.volume_id(asked))
    await run.cancel()
    await taking_back.reached()

    shown = await details(run, "RollingBack", "Adopting volume vol on node node-a failed")

    assert re.search("The cause: .*cancel", shown)
    taking_back.release()
    held.release()
    with pytest.raises(OperationCancelled):
        await adopting


async def test_one_that_is_reset_ends_on_what_it_has_recorded(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.adopt(asked)

    again = await reset(temporal_client, await last_run(temporal_client, cluster, "vol"), -1, PublishResult)
    result = await asyncio.wait_for(again.result(), PATIENCE)

    assert isinstance(result, PublishResult)
    assert (result.node_id, result.epoch, await cluster.epoch("vol")) == ("node-a", 1, 1)


async def test_one_that_is_reset_after_an_unpublish_does_not_bring_the_attachment_back(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.adopt(asked)
    adopted = await last_run(temporal_client, cluster, "vol")
    await mooring.unpublish("vol", "node-a")

    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for((await reset(temporal_client, adopted, -1, PublishResult)).result(), PATIENCE)

    assert await cluster.holder("vol") is None


async def test_another_operation_on_the_volume_is_not_waited_for(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest
) -> None:
    await cluster.create("vol")
    held = cluster.proxy.hold("PATCH", times=1)
    publishing = asyncio.create_task(mooring.publish("vol", "node-b", deadline=PATIENCE))
    await held.reached()

    with pytest.raises(OperationPending, match="wait for PublishVolume"):
        await mooring.adopt(asked)

    held.release()
    await publishing


async def test_the_history_tells_it_apart(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, asked: AdoptRequest, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.adopt(asked)

    [run] = (await read_history(temporal_client, VolumeRef(driver=asked.driver, volume_handle="vol"), 5)).runs

    assert (run.operation, run.node_id, run.state, run.held_by, run.epoch) == ("adopt", "node-a", "Attached", ("node-a",), 1)

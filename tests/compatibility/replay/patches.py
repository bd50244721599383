"""Operations whose histories have a marker of `workflow.patched`: for each patch a scene in which the workflow asks for it."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress

from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from mooring import names
from mooring.devstack.proxy import FaultProxy
from mooring.errors import BackendUncertain, MooringError
from mooring.models import (
    AccessMode,
    AccessType,
    BackendCall,
    PersistInput,
    PublishRequest,
    PublishResult,
    UnpublishResult,
    VolumeRef,
)
from tests.compatibility.replay.recorder import DRIVER, Recorder
from tests.compatibility.replay.reset_holds import record_reset_hold
from tests.evacuation.conftest import Stubborn
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment
from tests.harness.resets import LAST, last_run, reset
from tests.harness.unheard import end_release, unheard
from tests.harness.workers import quick, running_worker, until


class DeafBackend(JournalBackend):
    """A backend that knows nothing of the attach which it is asked to stop: to its caller, as if its worker had died."""

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, unless an error is due."""
        try:
            return await JournalBackend.publish(self, call)
        except asyncio.CancelledError:
            raise BackendUncertain("no answer") from None


async def record_patches(client: Client, cluster: Cluster) -> None:
    """Record an operation for each patch."""
    backend = DeafBackend()
    settings = quick(DRIVER, backend="in:tests", backend_timeout=30, backend_budget=60)
    async with running_worker(client, settings, cluster.proxy.kubeconfig(), backend) as worker:
        recorder = Recorder(client, cluster, worker)
        await _record_resets(recorder)
        await _record_reset_rollback(recorder, backend)
        await _record_unpublishes(recorder, cluster.proxy)
        await _record_another_mode(recorder)
        await _record_holds(recorder, backend)
        await _record_ends_of_holds(recorder)
        await record_reset_hold(recorder, backend)
        await _record_pvs_that_go(recorder, backend)
        await _record_claim_without_its_pv(recorder, cluster.proxy)
        await _record_cancellation(recorder, backend)
        await _record_sharing(recorder)
    await _record_unheard_release(client, cluster)


async def _record_resets(recorder: Recorder) -> None:
    """Record operations that are reset to their last task, with a PV and without, which is the one after a publish's attach."""
    await recorder.new("reset")
    for handle, name in (("reset", "reset"), ("reset-late", "without-pv-reset")):
        await recorder.mooring.publish(handle, "node-a")
        await _reset(recorder, f"publish-{name}", handle, PublishResult)
        await recorder.mooring.unpublish(handle, "node-a")
        await _reset(recorder, f"unpublish-{name}", handle, UnpublishResult)
    await recorder.new("attached")
    await recorder.mooring.publish("attached", "node-a")
    await _reset(recorder, "publish-reset-after-its-attach", "attached", PublishResult)


async def _record_reset_rollback(recorder: Recorder, backend: JournalBackend) -> None:
    """Record a publish that is reset to the last task of its rollback."""
    await recorder.new("undone-again")
    backend.publish_errors.append(refusal())
    with suppress(MooringError):
        await recorder.mooring.publish("undone-again", "node-a")
    with suppress(WorkflowFailureError):
        await _reset(recorder, "publish-rollback-reset", "undone-again", PublishResult)
    await recorder.save("publish-rollback-reset", names.volume_id(VolumeRef(driver=DRIVER, volume_handle="undone-again")))


async def _reset(recorder: Recorder, name: str, handle: str, result: type[object]) -> None:
    run = await reset(recorder.client, await last_run(recorder.client, recorder.cluster, handle), LAST, result)
    await asyncio.wait_for(run.result(), PATIENCE)
    await recorder.save(name, run.id)


async def _record_unpublishes(recorder: Recorder, proxy: FaultProxy) -> None:
    """Record an unpublish from every node, one by an index that is behind, and one whose write lands unheard."""
    for handle in ("everywhere", "behind"):
        await recorder.new(handle)
        await recorder.mooring.publish(handle, "node-a")
    await recorder.operation("unpublish-every-node", "everywhere", recorder.mooring.unpublish("everywhere"))
    watch = proxy.drop("WATCH")
    proxy.cut_watches()
    await recorder.cluster.annotate("behind", {recorder.cluster.keys.epoch: "40"})
    await recorder.operation("unpublish-behind", "behind", recorder.mooring.unpublish("behind", "node-a"))
    watch.stop()
    await recorder.new("unheard")
    await recorder.mooring.publish("unheard", "node-a")
    with unheard(recorder.cluster):
        unpublish = asyncio.create_task(recorder.mooring.unpublish("unheard", "node-a"))
        await end_release(recorder.client, recorder.cluster, "unheard")
    await recorder.operation("unpublish-unheard", "unheard", unpublish)


async def _record_another_mode(recorder: Recorder) -> None:
    """Record a publish in another mode that agrees with the one before."""
    await recorder.new("mode")
    await recorder.mooring.publish("mode", "node-a")
    again = recorder.mooring.publish("mode", "node-a", access_mode=AccessMode.SINGLE_NODE_MULTI_WRITER)
    await recorder.operation("publish-in-another-mode", "mode", again)


async def _record_holds(recorder: Recorder, backend: JournalBackend) -> None:
    """Record rolled-back publishes without a PV: one that began its hold, and one whose node had held the volume by a PV."""
    backend.publish_errors += [BackendUncertain("no answer"), refusal()]
    undone = recorder.mooring.publish("undone", "node-a")
    await recorder.operation("publish-without-pv-rolled-back", "undone", undone)
    await recorder.new("departed")
    await recorder.mooring.publish("departed", "node-a")
    await _delete(recorder, "departed")
    backend.publish_errors += [BackendUncertain("no answer"), refusal()]
    departed = recorder.mooring.publish("departed", "node-a")
    await recorder.operation("publish-departed-rolled-back", "departed", departed)


async def _record_ends_of_holds(recorder: Recorder) -> None:
    """Record a hold that an operation ends, a publish that finds one, and a publish that finds one which lingers at its end."""
    await recorder.mooring.publish("given-up", "node-a")
    await recorder.mooring.unpublish("given-up", "node-a")
    await recorder.save("persist-ended", names.unpersisted_id(VolumeRef(driver=DRIVER, volume_handle="given-up")))
    await recorder.mooring.publish("found", "node-a")
    await recorder.operation("publish-on-a-hold-that-was-there", "found", recorder.mooring.publish("found", "node-a"))
    volume, held = VolumeRef(driver=DRIVER, volume_handle="ending"), attachment("node-a")
    hold = await recorder.client.start_workflow(
        names.PERSIST,
        PersistInput(volume=volume, attachment=held, operation=str(uuid.uuid4())),
        id=names.unpersisted_id(volume),
        task_queue="nobody",
        memo={names.ATTACHMENT_MEMO: held},
    )
    await hold.cancel()
    publish = asyncio.create_task(recorder.mooring.publish("ending", "node-b"))
    async with asyncio.timeout(PATIENCE):
        while not await _waits_for(recorder.client, names.volume_id(volume), "outwait_unpersisted"):
            await asyncio.sleep(0.1)
    await hold.terminate()
    await recorder.operation("publish-after-a-hold-that-ends", "ending", publish)


async def _waits_for(client: Client, workflow_id: str, step: str) -> bool:
    try:
        run = await client.get_workflow_handle(workflow_id).describe()
    except RPCError:
        return False
    return any(pending.activity_type.name == step for pending in run.raw_description.pending_activities)


async def _record_pvs_that_go(recorder: Recorder, backend: JournalBackend) -> None:
    """Record a publish whose PV goes before it is rolled back."""
    await recorder.new("gone")
    backend.publish_errors.append(refusal())
    publish = await _attaching(recorder, backend, "gone")
    await _delete(recorder, "gone")
    _open(backend)
    await recorder.operation("publish-rolled-back-without-its-pv", "gone", publish)


async def _record_claim_without_its_pv(recorder: Recorder, proxy: FaultProxy) -> None:
    """Record a publish whose PV went before the index has seen it go."""
    await recorder.new("went")
    watch = proxy.drop("WATCH")
    proxy.cut_watches()
    await recorder.cluster.delete("went")
    await recorder.operation("publish-claims-a-pv-that-went", "went", recorder.mooring.publish("went", "node-a"))
    watch.stop()


async def _record_cancellation(recorder: Recorder, backend: JournalBackend) -> None:
    """Record a publish that is cancelled, and whose step doesn't report that."""
    await recorder.new("lost")
    publish = await _attaching(recorder, backend, "lost")
    run = recorder.client.get_workflow_handle(names.volume_id(VolumeRef(driver=DRIVER, volume_handle="lost")))
    await run.cancel()
    with suppress(Exception):
        await asyncio.wait_for(run.result(), PATIENCE)
    _open(backend)
    await recorder.operation("publish-cancelled-beside-a-dead-worker", "lost", publish)


async def _record_sharing(recorder: Recorder) -> None:
    """Record a publish that has a second node share a raw block volume, where nothing limits how many may."""
    await recorder.new("block")
    asked = PublishRequest(
        driver=DRIVER,
        volume_handle="block",
        node_id="node-a",
        access_mode=AccessMode.MULTI_NODE_MULTI_WRITER,
        access_type=AccessType(block=True),
    )
    await recorder.mooring.request_publish(asked)
    other = recorder.mooring.request_publish(asked.model_copy(update={"node_id": "node-b"}))
    await recorder.operation("publish-shares", "block", other)


async def _record_unheard_release(client: Client, cluster: Cluster) -> None:
    """Record an evacuation that loses a step, which has released its volume all the same."""
    backend = Stubborn()
    backend.held = {handle: asyncio.Event() for handle in ("unheard-1", "unheard-2")}
    settings = quick(DRIVER, backend="in:tests", node_check="csinode", evacuate="off", evacuate_at_once=1)
    async with running_worker(client, settings, cluster.proxy.kubeconfig(), backend) as worker:
        recorder = Recorder(client, cluster, worker)
        dead_node = DeadNode(cluster, client, recorder.mooring, "node-u", "unheard")
        await dead_node.admit(*backend.held)
        await dead_node.taint(TAINT)
        evacuation = await dead_node.evacuate()
        await asyncio.wait_for(backend.reached.wait(), PATIENCE)
        await dead_node.lose_release("unheard-1")
        backend.held["unheard-1"].set()
        async with asyncio.timeout(PATIENCE):
            while await dead_node.holders("unheard-1") != [None]:
                await asyncio.sleep(0.05)
        backend.held["unheard-2"].set()
        await ended(evacuation)
        await recorder.save("evacuate-unheard", evacuation.id)


async def _attaching(recorder: Recorder, backend: JournalBackend, handle: str) -> asyncio.Task[PublishResult]:
    """Begin a publish, which waits at the backend until that is opened again."""
    backend.publish_gate = asyncio.Event()
    backend.entered.clear()
    publish = asyncio.create_task(recorder.mooring.publish(handle, "node-a", deadline=PATIENCE))
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    return publish


def _open(backend: JournalBackend) -> None:
    if backend.publish_gate is not None:
        backend.publish_gate.set()
    backend.publish_gate = None


async def _delete(recorder: Recorder, handle: str) -> None:
    """Delete a volume's PV, and wait until the worker has seen that."""
    await recorder.cluster.delete(handle)
    await until(lambda: recorder.worker.manager.pv_name(handle) is None)

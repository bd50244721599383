"""Records the histories that test_replay.py replays and that aren't there yet:  python -m tests.compatibility.replay.record

Run it when an operation gets a step that old histories cannot have, behind `workflow.patched`, and its scene is in patches.py. The
old histories remain beside the new ones for as long as runs of that age may be open; to have one recorded again, delete it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from temporalio.client import Client

from mooring import names
from mooring.devstack.kubernetes.embedded import EmbeddedKubernetes
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.proxy import FaultProxy
from mooring.devstack.temporal import DevTemporal
from mooring.errors import MooringError
from mooring.evacuation.client import approve
from mooring.models import AccessMode, AccessType, AdoptRequest, Approval, Attachment, PublishRequest, VolumeRef
from mooring.models.reconciliation import Progress, ReconcileRequest
from mooring.states import State
from mooring.temporal.connection import register_search_attributes
from tests.compatibility.replay.at_once import record_at_once
from tests.compatibility.replay.patches import record_patches
from tests.compatibility.replay.recorder import DRIVER, Recorder
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker

BEFORE = datetime(2026, 1, 31, 4, 0, 41, tzinfo=UTC)
RWX = AccessMode.MULTI_NODE_MULTI_WRITER


async def record_publishes(recorder: Recorder, backend: JournalBackend) -> None:
    """Record publishes of every outcome."""
    mooring = recorder.mooring
    for handle in ("vol", "shared", "broken"):
        await recorder.new(handle)
    await recorder.operation("publish", "vol", mooring.publish("vol", "node-a"))
    await recorder.operation("publish-again", "vol", mooring.publish("vol", "node-a"))
    await recorder.operation("publish-refused", "vol", mooring.publish("vol", "node-b"))
    await mooring.publish("shared", "node-a", access_mode=RWX)
    await recorder.operation("publish-joins", "shared", mooring.publish("shared", "node-b", access_mode=RWX))
    backend.publish_errors.append(refusal())
    await recorder.operation("publish-rolled-back", "broken", mooring.publish("broken", "node-a"))
    recorder.cluster.proxy.lose_answer("PATCH", times=1)
    await recorder.operation("publish-answer-lost", "broken", mooring.publish("broken", "node-a"))


async def record_cancellation(recorder: Recorder) -> None:
    """Record a publish that an unpublish cancels."""
    await recorder.new("cancelled")
    held = recorder.cluster.proxy.hold("PATCH", times=1)
    publish = asyncio.create_task(recorder.mooring.publish("cancelled", "node-a"))
    await held.reached()
    run = recorder.client.get_workflow_handle(names.volume_id(VolumeRef(driver=DRIVER, volume_handle="cancelled")))
    await run.cancel()
    await recorder.operation("publish-cancelled", "cancelled", publish)
    held.release()


async def record_unpublishes(recorder: Recorder) -> None:
    """Record unpublishes of every outcome."""
    mooring = recorder.mooring
    await recorder.operation("unpublish", "vol", mooring.unpublish("vol", "node-a"))
    await recorder.operation("unpublish-idle", "vol", mooring.unpublish("vol", "node-a"))
    await recorder.operation("unpublish-all", "shared", mooring.unpublish("shared"))
    recorder.cluster.proxy.fail("PATCH", status=400, times=1)
    await recorder.operation("unpublish-not-cleared", "broken", mooring.unpublish("broken", "node-a"))


async def record_unpersisted(recorder: Recorder) -> None:
    """Record a volume that gets its PV later."""
    volume = VolumeRef(driver=DRIVER, volume_handle="late")
    await recorder.operation("publish-without-pv", "late", recorder.mooring.publish("late", "node-a"))
    await recorder.cluster.create("late")
    run = recorder.client.get_workflow_handle(names.unpersisted_id(volume))
    await asyncio.wait_for(run.result(), PATIENCE)
    await recorder.save("persist", run.id)
    await recorder.mooring.publish("never", "node-a")
    await recorder.operation("unpublish-without-pv", "never", recorder.mooring.unpublish("never", "node-a"))
    await recorder.save("persist-given-up", names.unpersisted_id(VolumeRef(driver=DRIVER, volume_handle="never")))


async def record_adoptions(recorder: Recorder) -> None:
    """Record the adoption of an attachment that was there before, and of one that has gone since."""
    await recorder.new("before")
    held = Attachment(node_id="node-a", attached_at=BEFORE, access_mode=None, publish_context={"device": "/dev/sdx"})
    asked = AdoptRequest(driver=DRIVER, volume_handle="before", attachment=held, epoch=0, volume_attachment="csi-1")
    await recorder.operation("adopt", "before", recorder.mooring.adopt(asked))
    await recorder.operation("adopt-refused", "before", recorder.mooring.adopt(asked))


async def record_migration(client: Client, cluster: Cluster) -> None:
    """Record a live migration that is overdue once before it ends."""
    async with running_worker(
        client, quick(DRIVER, migration_deadline=0.5, migration_nodes=2), cluster.proxy.kubeconfig()
    ) as worker:
        recorder = Recorder(client, cluster, worker)
        await recorder.new("vm")
        asked = PublishRequest(
            driver=DRIVER, volume_handle="vm", node_id="node-a", access_mode=RWX, access_type=AccessType(block=True)
        )
        await recorder.mooring.request_publish(asked)
        there = asked.model_copy(update={"node_id": "node-b"})
        await recorder.operation("publish-migrates", "vm", recorder.mooring.request_publish(there))
        await asyncio.sleep(1)
        await recorder.mooring.unpublish("vm", "node-a")
        watch = client.get_workflow_handle(names.migration_id(asked))
        await asyncio.wait_for(watch.result(), PATIENCE)
        await recorder.save("migrate", watch.id)


async def record_reconciliation(client: Client, cluster: Cluster) -> None:
    """Record a reconciliation that heals once it is approved, and one that finds nothing."""
    settings = quick(DRIVER, reconcile_settle=0.2, drift_guard=0)
    async with running_worker(client, settings, cluster.proxy.kubeconfig()) as worker:
        recorder = Recorder(client, cluster, worker)
        await recorder.new("attached-since")
        await ExistingCluster(cluster, real=False).attach("attached-since", "node-a")
        asked = ReconcileRequest(driver=DRIVER)
        run = await client.start_workflow(names.RECONCILE, asked, id=names.reconcile_id(DRIVER), task_queue=settings.queue)
        approval = Approval(by="jo", reason="recorded")
        async with asyncio.timeout(PATIENCE):
            while (await run.query(names.PROGRESS, result_type=Progress)).state is not State.AWAITING_APPROVAL:
                await asyncio.sleep(0.1)
        await run.execute_update(names.APPROVE, approval)
        await run.result()
        await recorder.save("reconcile", run.id)


async def record_evacuations(client: Client, cluster: Cluster) -> None:
    """Record an evacuation that an operator approves, and the last run of one that went on in another."""
    settings = quick(DRIVER, node_check="csinode", evacuate="off", evacuate_at_once=1)
    async with running_worker(client, settings, cluster.proxy.kubeconfig()) as worker:
        recorder = Recorder(client, cluster, worker)
        dead_node = DeadNode(cluster, client, recorder.mooring, "node-e")
        await dead_node.admit("held-1", "held-2")
        evacuation = await dead_node.evacuate()
        await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=2)
        await approve(evacuation, Approval(by="jo", reason="recorded"))
        await ended(evacuation)
        await recorder.save("evacuate-approved", evacuation.id)
        await dead_node.hold("held-3", "held-4")
        await dead_node.taint(TAINT)
        await ended(await dead_node.evacuate(releases_a_run=1))
        await recorder.save("evacuate-goes-on", evacuation.id)


async def record_unknown_node(client: Client, cluster: Cluster) -> None:
    """Record a publish to a node that neither memory nor the API server knows."""
    settings = quick(DRIVER, node_check="csinode")
    async with running_worker(client, settings, cluster.proxy.kubeconfig()) as worker:
        recorder = Recorder(client, cluster, worker)
        await recorder.new("nowhere")
        await recorder.operation("publish-unknown-node", "nowhere", recorder.mooring.publish("nowhere", "node-x"))


async def record_reads(recorder: Recorder) -> None:
    """Record the runs that are no operation."""
    volume = VolumeRef(driver=DRIVER, volume_handle="vol")
    await recorder.mooring.get("vol")
    await recorder.save("read", names.read_id(volume))
    [rebuilt] = await recorder.mooring.rebuild()
    assert not isinstance(rebuilt, MooringError), rebuilt
    await recorder.save("rebuild", names.rebuild_id(DRIVER, rebuilt.worker))


async def main() -> None:
    """Record the histories that are missing."""
    async with DevTemporal.start() as temporal, EmbeddedKubernetes.start() as kubernetes:
        client = await temporal.connect()
        await register_search_attributes(client)
        async with FaultProxy.start(kubernetes.kubeconfig()) as proxy:
            cluster, backend = Cluster(ApiServer(kubernetes.url), proxy, DRIVER), JournalBackend()
            settings = quick(DRIVER, backend="in:tests")
            async with running_worker(client, settings, proxy.kubeconfig(), backend) as worker:
                recorder = Recorder(client, cluster, worker)
                await record_publishes(recorder, backend)
                await record_cancellation(recorder)
                await record_unpublishes(recorder)
                await record_unpersisted(recorder)
                await record_adoptions(recorder)
                await record_reads(recorder)
            await record_migration(client, cluster)
            await record_reconciliation(client, cluster)
            await record_evacuations(client, cluster)
            await record_unknown_node(client, cluster)
            await record_patches(client, cluster)
            await record_at_once(client, cluster)


if __name__ == "__main__":
    asyncio.run(main())

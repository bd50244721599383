"""A VolumeAttachment is evidence for a holder in the mode that its PV has, which is asked for until it is known."""

from __future__ import annotations

from mooring.client import MooringClient
from mooring.models import AccessMode
from tests.evidence.conftest import Serving
from tests.harness.cluster import Cluster
from tests.harness.departed_volumes import attach_seen
from tests.harness.existing_cluster import ExistingCluster

SHARED = AccessMode.MULTI_NODE_MULTI_WRITER


async def test_a_holder_of_a_shared_volume_remains_one_though_a_question_about_its_mode_had_no_answer(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    await existing.register("node-a")
    async with serving() as worker:
        await cluster.create("vol", modes=["ReadWriteMany"])
        await attach_seen(worker, existing, "vol", "node-a")
        cluster.proxy.fail("GET", path=f"/persistentvolumes/{cluster.pv('vol')}", status=503, times=1)

        await mooring.unpublish("vol", "node-b")

        assert await cluster.holder("vol") == "node-a"
        assert not (await mooring.publish("vol", "node-b", access_mode=SHARED)).reclaimed

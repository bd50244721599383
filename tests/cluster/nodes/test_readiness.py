"""A worker is not ready before it knows the nodes, and reports why."""

from __future__ import annotations

from pathlib import Path

from mooring.devstack.temporal import DevTemporal
from tests.cluster.nodes.conftest import CSI_NODES
from tests.harness.cluster import Cluster
from tests.harness.processes import open_fleet


async def test_a_worker_is_ready_once_it_has_listed_the_nodes(temporal: DevTemporal, cluster: Cluster, tmp_path: Path) -> None:
    forbidden = cluster.proxy.fail("GET", path=CSI_NODES, status=403)
    async with open_fleet(temporal.address, cluster, tmp_path) as fleet:
        worker = await fleet.start(node_check="csinode")

        await worker.answers(503, "Could not list CSINodes")

        forbidden.stop()
        await worker.ready()

"""A node that went while no worker ran: its VolumeAttachments still name it."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.dead_node import DeadNode, ended
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.workers import quick, running_worker


@pytest.mark.parametrize(("adopt", "attached"), [(True, True), (True, False), (False, True)])
async def test_its_absence_is_proven_by_the_name_that_a_volumeattachment_keeps(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, kubernetes: Kubernetes, adopt: bool, attached: bool
) -> None:
    noted = DeadNode(cluster, temporal_client, mooring, machine="node-a")
    settings = quick(cluster.driver, node_check="csinode", node_gone=1, adopt=adopt)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await noted.admit("vol")
        await ExistingCluster(cluster, kubernetes.audit is not None).attach(
            "vol", "node-a", known=False, noted="node-a", attached=attached
        )
    await noted.go()
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        result = await ended(await noted.evacuate(automatic=True))

    assert (result.state, result.released, result.node_name) == (State.EVACUATED, 1, noted.name)

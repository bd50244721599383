"""The rights that ship in deploy/kubernetes/rbac.yaml are those that workers use. None is missing: see `open_kubernetes`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.kubernetes.account import ACCOUNT, RBAC
from mooring.devstack.kubernetes.manifests import read_manifests
from mooring.errors import HeldElsewhere, NodeNotFound
from tests.harness.audit import AuditLog, Right
from tests.harness.cluster import PVS, Cluster
from tests.harness.workers import indexed, quick, running_worker, until


def granted(manifest: Path) -> set[Right]:
    """Return the rights that the manifest's role grants."""
    [role] = [each for each in read_manifests(manifest) if each["kind"] == "ClusterRole"]
    return {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


async def keep_a_record(client: Client, cluster: Cluster, mooring: MooringClient) -> None:
    """Run a publish, one that is refused twice, which is one Event with a count, and an unpublish that can't clear the record."""
    async with running_worker(client, quick(cluster.driver), cluster.proxy.kubeconfig()) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        await mooring.publish("vol", "node-a")
        for _ in range(2):
            with pytest.raises(HeldElsewhere):
                await mooring.publish("vol", "node-b")
        cluster.proxy.fail("PATCH", path=PVS, status=400, times=1)
        await mooring.unpublish("vol", "node-a")


async def check_a_node(
    client: Client, cluster: Cluster, mooring: MooringClient, where: str, used: Callable[[], set[Right]]
) -> None:
    """Run a publish on a node that isn't known, and is looked for."""
    async with running_worker(client, quick(cluster.driver, node_check=where), cluster.proxy.kubeconfig()):
        with pytest.raises(NodeNotFound):
            await mooring.publish("vol", "nowhere")
        await until(lambda: any(right.resource == f"{where}s" and right.verb == "watch" for right in used()))


async def test_every_right_that_ships_is_used(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, audit: AuditLog
) -> None:
    start = audit.position()

    def used() -> set[Right]:
        return {entry.right for entry in audit.entries(ACCOUNT, start)}

    await keep_a_record(temporal_client, cluster, mooring)
    await check_a_node(temporal_client, cluster, mooring, "csinode", used)
    await check_a_node(temporal_client, cluster, mooring, "node", used)

    assert used() == granted(RBAC)

"""Holders whose node is asked before anything is taken from it, or is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.cluster.node_usage import unique_name
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import CSI_NODES, MERGE_PATCH, ExistingCluster
from tests.harness.workers import indexed, running_worker, until
from tests.reconciliation.conftest import Reconcile, found, settling

NODES = "/api/v1/nodes"
Describe = Callable[..., Awaitable[None]]


@pytest.fixture
def node_a(cluster: Cluster, existing: ExistingCluster) -> Describe:
    """A function that creates the Node of node-a, as its kubelet describes it."""

    async def describe(*, ready: bool = True, in_use: list[str] | None = None, taints: list[dict[str, Any]] | None = None) -> None:
        await existing.register("node-a")
        name = existing.name("node-a")
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": taints or []}}
        await cluster.ask("POST", NODES, body)
        status = {"conditions": [{"type": "Ready", "status": str(ready)}], "volumesInUse": in_use or []}
        await cluster.ask("PATCH", f"{NODES}/{name}" + ("/status" if existing.real else ""), {"status": status}, MERGE_PATCH)

    return describe


@pytest.fixture
async def reconciled(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile, tmp_path: Path
) -> Callable[[], Awaitable[list[tuple[str, str, str, str]]]]:
    """A function that returns the drift of `vol` on node-a without a VolumeAttachment, by a worker whose endpoint the CO uses."""

    async def reconciled() -> list[tuple[str, str, str, str]]:
        settings = settling(cluster.driver, csi_endpoint=f"unix://{tmp_path}/csi.sock")
        async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
            await cluster.create("vol")
            await mooring.publish("vol", "node-a")
            return found(await reconcile())

    return reconciled


async def told_of(cluster: Cluster, handle: str) -> list[str]:
    """Return the Events on the volume's PV, by reason."""
    return [event["reason"] for event in await cluster.events(cluster.pv(handle))]


async def test_a_holder_that_nobody_asks_for_is_released_where_its_node_does_not_use_it(
    cluster: Cluster, node_a: Describe, reconciled: Any
) -> None:
    await node_a(in_use=[unique_name(cluster.driver, "other")])

    assert await reconciled() == [("holder_without_volume_attachment", "vol", "node-a", "healed")]
    assert await cluster.holder("vol") is None
    assert "StaleAttachmentReleased" in await told_of(cluster, "vol")


async def test_it_stays_where_the_node_uses_it(cluster: Cluster, node_a: Describe, reconciled: Any) -> None:
    await node_a(in_use=[unique_name(cluster.driver, "vol")])

    assert await reconciled() == [("holder_without_volume_attachment", "vol", "node-a", "left")]
    assert await cluster.holder("vol") == "node-a"


async def test_it_stays_where_the_node_is_not_well(cluster: Cluster, node_a: Describe, reconciled: Any) -> None:
    await node_a(ready=False)

    assert await reconciled() == [("holder_without_volume_attachment", "vol", "node-a", "left")]


async def test_it_stays_where_there_is_no_such_node(cluster: Cluster, reconciled: Any) -> None:
    assert await reconciled() == [("holder_without_volume_attachment", "vol", "node-a", "left")]


async def test_a_node_that_is_gone_has_its_evacuation_started_once_for_all_its_volumes(
    temporal_client: Client, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    async with running_worker(
        temporal_client, settling(cluster.driver, node_check="csinode"), cluster.proxy.kubeconfig()
    ) as worker:
        await existing.register("node-a")
        await until(lambda: worker.context.clientset.nodes.find("node-a") is not None)
        for volume in ("one", "two"):
            await cluster.create(volume)
            await indexed(worker, volume)
            await mooring.publish(volume, "node-a")
        await cluster.ask("DELETE", f"{CSI_NODES}/{existing.name('node-a')}")
        await until(lambda: worker.context.clientset.nodes.find("node-a") is None)

        result = await reconcile()
        evacuation = await temporal_client.get_workflow_handle(names.evacuate_id(cluster.driver, "node-a")).describe()

    assert found(result) == [("holder_on_gone_node", volume, "node-a", "begun") for volume in ("one", "two")]
    assert evacuation.workflow_type == names.EVACUATE
    assert (await cluster.holder("one"), await cluster.holder("two")) == ("node-a", "node-a")


async def test_of_very_many_nodes_that_seem_gone_only_some_are_evacuated_at_once(
    temporal_client: Client, cluster: Cluster, reconcile: Reconcile
) -> None:
    settings = settling(cluster.driver, node_check="csinode")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as worker:
        for number in range(12):
            await cluster.create(f"vol-{number}", {cluster.keys.node: f"node-{number}"})
            await indexed(worker, f"vol-{number}")

        outcomes = [outcome for _, _, _, outcome in found(await reconcile())]

    assert (outcomes.count("begun"), outcomes.count("left")) == (10, 2)


async def test_an_attachment_that_waits_although_there_is_a_pv_is_reported(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    async with running_worker(temporal_client, settling(cluster.driver), cluster.proxy.kubeconfig()) as worker:
        assert not (await mooring.publish("late", "node-a")).persisted
        await cluster.create("late", {cluster.keys.node: "node-b"})
        await indexed(worker, "late")

        result = await reconcile()

        assert ("unpersisted", "late", "node-a", "left") in found(result)
        await mooring.unpublish("late", "node-a")

"""Volumes attached to Nodes, by the Nodes' status: read once for all volumes that ask within some seconds."""

from __future__ import annotations

import asyncio

import pytest

from mooring.cluster.node_usage import KEEP_SECONDS, ClusterNodeUsage, unique_name
from mooring.errors import KubernetesForbidden, KubernetesUnavailable
from mooring.kubernetes.api import KubernetesApi
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import MERGE_PATCH
from tests.harness.kubernetes import Kubernetes

NODES = "/api/v1/nodes"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states(api: KubernetesApi, cluster: Cluster, clock: Clock) -> ClusterNodeUsage:
    return ClusterNodeUsage(api, cluster.driver, clock)


@pytest.fixture
async def node(cluster: Cluster, kubernetes: Kubernetes) -> str:
    """A Node that has the volume `vol`; its name."""
    name = f"node-{cluster.driver.split('.')[0]}"
    await cluster.ask("POST", NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    await has(cluster, kubernetes, name, "vol")
    return name


async def has(cluster: Cluster, kubernetes: Kubernetes, node: str, *handles: str) -> None:
    """Have the Node report these volumes as attached."""
    listed = [{"name": unique_name(cluster.driver, handle), "devicePath": ""} for handle in handles]
    path = f"{NODES}/{node}" + ("/status" if kubernetes.audit is not None else "")
    await cluster.ask("PATCH", path, {"status": {"volumesAttached": listed}}, MERGE_PATCH)


async def test_many_volumes_at_once_ask_a_node_once(states: ClusterNodeUsage, cluster: Cluster, node: str) -> None:
    found = await asyncio.gather(*(states.having(handle, [node]) for handle in ("vol", *(f"vol-{n}" for n in range(50)))))

    assert [len(names) for names in found] == [1, *[0] * 50]
    assert cluster.proxy.count("GET", NODES) == 1


async def test_a_node_is_asked_again_after_some_seconds(
    states: ClusterNodeUsage, cluster: Cluster, kubernetes: Kubernetes, clock: Clock, node: str
) -> None:
    await states.having("vol", [node])
    await has(cluster, kubernetes, node, "vol", "vol-2")
    before = await states.having("vol-2", [node])
    clock.seconds += KEEP_SECONDS

    assert (before, await states.having("vol-2", [node])) == (set(), {node})


async def test_a_failure_is_not_kept(states: ClusterNodeUsage, cluster: Cluster, node: str) -> None:
    cluster.proxy.fail("GET", path=NODES, status=503, times=1)
    with pytest.raises(KubernetesUnavailable):
        await states.having("vol", [node])

    assert await states.having("vol", [node]) == {node}


async def test_a_lack_of_rights_is_kept(states: ClusterNodeUsage, cluster: Cluster, node: str) -> None:
    cluster.proxy.fail("GET", path=NODES, status=403)
    for handle in ("vol", "vol-2"):
        with pytest.raises(KubernetesForbidden):
            await states.having(handle, [node])

    assert cluster.proxy.count("GET", NODES) == 1


async def test_one_who_gives_up_takes_nothing_from_the_others(states: ClusterNodeUsage, cluster: Cluster, node: str) -> None:
    held = cluster.proxy.hold("GET", path=NODES, times=1)
    asked = [asyncio.create_task(states.having("vol", [node])) for _ in range(2)]
    await held.reached()
    asked[0].cancel()
    await asyncio.wait(asked[:1])
    held.release()

    assert await asked[1] == {node}

"""Volumes of PVs with an in-tree source, published and unpublished by the driver that serves them."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.errors import HeldElsewhere
from mooring.kubernetes.api import KubernetesApi
from mooring.process.metrics import Metrics
from tests.harness.cluster import PVS, Cluster
from tests.harness.existing_cluster import CONTEXT, MERGE_PATCH, ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.records import NOW
from tests.harness.workers import quick, running_worker
from tests.kubernetes.in_tree.cases import CASES, Case
from worker import MooringWorker

SERVED = {case.driver: case for case in reversed(CASES) if case.handle}


@pytest.fixture(params=SERVED)
def case(request: pytest.FixtureRequest) -> Case:
    """A PV of each kind, with a name of its own for the disk."""
    case, unique = SERVED[request.param], uuid.uuid4().hex[:10]
    [(kind, source)] = case.source.items()
    key = {"gcePersistentDisk": "pdName", "azureDisk": "diskURI", "azureFile": "shareName", "vsphereVolume": "volumePath"}
    named = {**source, key.get(kind, "volumeID"): f"{source[key.get(kind, 'volumeID')]}-{unique}"}
    handle = case.handle.replace("share", f"share-{unique}") if kind == "azureFile" else f"{case.handle}-{unique}"
    return replace(case, source={kind: named}, handle=handle)


@pytest.fixture
def driver(case: Case) -> str:
    """The driver that serves it."""
    return case.driver


@pytest.fixture
async def pv(case: Case, cluster: Cluster) -> str:
    """The PV's name, which no other test has."""
    name = f"pv-{uuid.uuid4().hex[:10]}"
    await cluster.ask("POST", PVS, case.pv(name))
    return name


@pytest.fixture
async def handle(case: Case, pv: str) -> str:
    """The volume's handle."""
    return case.handle.format(pv=pv)


@pytest.fixture
async def watchless(worker: MooringWorker, cluster: Cluster) -> None:
    """A worker that learns of no change any more."""
    cluster.proxy.fail("WATCH", status=503)
    cluster.proxy.cut_watches()


async def test_the_record_stands_on_the_pv_and_fences_it(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, pv: str, handle: str
) -> None:
    result = await mooring.publish(handle, "node-a")

    assert (result.persisted, result.epoch) == (True, 1)
    assert (await cluster.annotations("", name=pv))[cluster.keys.node] == "node-a"
    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish(handle, "node-b")
    assert (await mooring.unpublish(handle, "node-a")).annotation_cleared
    assert cluster.keys.node not in await cluster.annotations("", name=pv)


async def test_a_holder_is_known_to_a_worker_that_starts(
    worker: MooringWorker, temporal_client: Client, cluster: Cluster, mooring: MooringClient, handle: str
) -> None:
    await mooring.publish(handle, "node-a")

    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()) as another:
        assert another.manager.nodes_of(handle) == ["node-a"]


async def test_what_was_attached_before_is_recorded(
    temporal_client: Client, cluster: Cluster, kubernetes: Kubernetes, mooring: MooringClient, pv: str, handle: str
) -> None:
    existing = ExistingCluster(cluster, real=kubernetes.audit is not None)
    node = f"node-{uuid.uuid4().hex[:10]}"
    await existing.attach(pv, node, pv=pv)

    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()):
        record = (await mooring.get(handle)).record

    assert record is not None
    assert [(held.node_id, held.publish_context) for held in record.holders] == [(node, CONTEXT)]


@pytest.mark.usefixtures("watchless")
async def test_a_pv_that_the_index_does_not_know_yet_is_found(
    cluster: Cluster, mooring: MooringClient, pv: str, handle: str
) -> None:
    await cluster.ask("PATCH", f"{PVS}/{pv}", {"metadata": {"annotations": {cluster.keys.node: "node-a"}}}, MERGE_PATCH)

    result = await mooring.unpublish(handle, "node-a")

    assert (result.annotation_cleared, result.released) == (True, ("node-a",))
    assert cluster.keys.node not in await cluster.annotations("", name=pv)


async def test_a_pv_made_anew_under_a_known_name_is_read(api: KubernetesApi, metrics: Metrics, case: Case, pv: str) -> None:
    volumes = PersistentVolumeStore(api, case.driver, lambda: NOW, metrics)

    found = await volumes.read(case.handle.format(pv=pv), {pv: "the uid of the one before"})

    assert found is not None
    assert found.mark.pv == pv

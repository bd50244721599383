"""In-tree PVs that can't be placed, and those whose handle changes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mooring.client import MooringClient
from mooring.cluster.volume_attachments import ClusterAttachments
from mooring.errors import Disputed, UntranslatableVolume
from mooring.kubernetes.in_tree import GCE
from mooring.models import RebuildResult
from tests.harness.cluster import PVS, Cluster
from tests.harness.existing_cluster import MERGE_PATCH, ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.records import NOW
from tests.harness.workers import until
from tests.kubernetes.in_tree.cases import ZONE, Case, gce
from worker import MooringWorker


@pytest.fixture
def driver() -> str:
    return GCE


async def create(cluster: Cluster, disk: str, **labels: str) -> str:
    """Create the PV of a disk; return its name."""
    placed = gce("", **labels)
    case = Case(GCE, {"gcePersistentDisk": {"pdName": disk}}, "", placed.labels)
    await cluster.ask("POST", PVS, case.pv(f"pv-{disk}"))
    return f"pv-{disk}"


@pytest.fixture
def disk() -> str:
    """A disk that no other test has."""
    return f"disk-{uuid.uuid4().hex[:10]}"


async def test_what_cant_be_translated_is_counted_by_a_rebuild(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, disk: str
) -> None:
    name = await create(cluster, disk, zone="us-central1-a__europe-west1-b")
    await mooring.unpublish(f"none-of-{disk}", "node-a")  # so that Temporal has heard of the worker
    (answer,) = await mooring.rebuild()
    assert isinstance(answer, RebuildResult), answer
    assert answer.skipped["untranslatable_in_tree_source"] >= 1
    await cluster.ask("DELETE", f"{PVS}/{name}")


async def test_its_volume_attachments_have_no_volume_and_it_is_said_why(api: Any, cluster: Cluster, disk: str) -> None:
    name = await create(cluster, disk, zone="us-central1-a__europe-west1-b")
    with pytest.raises(UntranslatableVolume, match=f"PersistentVolume {name} .* not of one region"):
        await ClusterAttachments(api, GCE, lambda: NOW).volume(name)
    await cluster.ask("DELETE", f"{PVS}/{name}")


async def test_while_one_is_attached_no_other_node_gets_a_volume_without_a_pv_until_it_can_be_translated(
    worker: MooringWorker, cluster: Cluster, kubernetes: Kubernetes, mooring: MooringClient, disk: str
) -> None:
    existing = ExistingCluster(cluster, real=kubernetes.audit is not None)
    pv = await create(cluster, disk, zone="us-central1-a__europe-west1-b")
    attached = await existing.attach(disk, f"node-{disk}", noted=f"node-{disk}", pv=pv)
    await until(lambda: not worker.context.clientset.attachment_cache.is_gone(attached))
    late = f"projects/p/zones/us-central1-a/disks/late-{disk}"

    with pytest.raises(Disputed, match=f"VolumeAttachment {attached} attaches PersistentVolume {pv}"):
        await mooring.publish(late, "node-b")
    await cluster.ask("PATCH", f"{PVS}/{pv}", {"metadata": {"labels": {ZONE: "us-central1-a"}}}, MERGE_PATCH)
    await until(lambda: worker.manager.pv_name(f"projects/UNSPECIFIED/zones/us-central1-a/disks/{disk}") is not None)

    assert not (await mooring.publish(late, "node-b")).persisted
    await existing.remove(attached)
    await cluster.ask("DELETE", f"{PVS}/{pv}")


async def test_a_pv_whose_label_is_changed_is_one_volume_still(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, disk: str
) -> None:
    name = await create(cluster, disk, zone="us-central1-a")
    before, after = (f"projects/UNSPECIFIED/zones/{zone}/disks/{disk}" for zone in ("us-central1-a", "us-central1-b"))
    await mooring.publish(before, "node-a")

    await cluster.ask("PATCH", f"{PVS}/{name}", {"metadata": {"labels": {ZONE: "us-central1-b"}}}, MERGE_PATCH)

    await until(lambda: worker.manager.nodes_of(after) == ["node-a"])
    assert worker.manager.nodes_of(before) == []
    assert worker.manager.volumes_on("node-a") == 1
    await mooring.unpublish(after, "node-a")
    assert cluster.keys.node not in await cluster.annotations("", name=name)

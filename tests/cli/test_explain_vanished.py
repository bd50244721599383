"""`mooring explain` of a volume whose record vanished, while no worker runs that could have seen it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from temporalio.client import Client

from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from mooring.errors import MalformedRecord
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker

Held = Callable[[], Awaitable[None]]


@pytest.fixture
def existing(cluster: Cluster, kubernetes: Kubernetes) -> ExistingCluster:
    return ExistingCluster(cluster, real=kubernetes.audit is not None)


@pytest.fixture
async def held(temporal_client: Client, cluster: Cluster, mooring: MooringClient) -> None:
    """Node-a holds the volume `vol` at epoch 3, and no worker runs."""
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()):
        await cluster.create("vol")
        for _ in range(3):
            await mooring.publish("vol", "node-a")


async def until(look: Mooring, situation: str) -> Ran:
    """Return what is known of the volume, once that is its first situation: Temporal's visibility lags by a moment."""
    async with asyncio.timeout(PATIENCE):
        while True:
            ran = await look("explain", "vol", "-o", "json")
            if ran.out and ran.data["what_to_do"][0]["situation"] == situation:
                return ran
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("anew", [True, False])
async def test_a_holder_whose_pv_went_is_named_with_the_evidence_and_the_way_out(
    held: None, cluster: Cluster, look: Mooring, anew: bool
) -> None:
    await cluster.delete("vol")
    if anew:
        await cluster.create("vol")

    ran = await until(look, "departed-holder")

    [advice] = ran.data["what_to_do"]
    assert (ran.code, advice["commands"]) == (ExitCode.OK, ["mooring unpublish vol node-a"])
    assert f"PersistentVolume {cluster.pv('vol')} was deleted while its record named node node-a at epoch 3" in advice["says"]
    assert "A publish to that node is admitted" in advice["says"]
    page = (await look("explain", "vol")).out
    assert "Held by:" in page
    assert "node-a since" in page
    assert "as last known" in page


async def test_the_volume_attachment_that_speaks_for_it_is_a_way_out(
    held: None, cluster: Cluster, existing: ExistingCluster, look: Mooring
) -> None:
    name = await existing.attach("vol", "node-a", noted="node-a")
    await cluster.delete("vol")

    ran = await until(look, "departed-holder")

    assert ran.data["what_to_do"][0]["commands"] == ["mooring unpublish vol node-a", f"kubectl delete volumeattachment {name}"]
    assert [each["name"] for each in ran.data["volume_attachments"]] == [name]


@pytest.mark.parametrize("epoch", [None, "1"])
async def test_an_altered_record_is_told_with_what_it_was_and_how_it_is_put_back(
    held: None, cluster: Cluster, existing: ExistingCluster, look: Mooring, epoch: str | None
) -> None:
    keys = cluster.keys
    await existing.attach("vol", "node-a", noted="node-a")
    await cluster.annotate("vol", {**dict.fromkeys((keys.node, keys.at, keys.operation)), keys.epoch: epoch})

    ran = await until(look, "altered-record")

    [advice] = ran.data["what_to_do"]
    says = "no epoch" if epoch is None else "epoch 1"
    assert f"says {says}, and it was at epoch 3, held by node-a" in advice["says"]
    back, release = advice["commands"]
    assert back.startswith(f"kubectl annotate --overwrite pv {cluster.pv('vol')} {keys.epoch}=4 {keys.node}=node-a")
    assert release == "mooring unpublish --all-nodes vol"


@pytest.mark.parametrize("epoch", [None, "1"])
async def test_an_altered_record_is_told_by_the_refusal_that_it_met_with(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, look: Mooring, epoch: str | None
) -> None:
    keys = cluster.keys
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()):
        await cluster.create("vol")
        for _ in range(3):
            await mooring.publish("vol", "node-a")
        await cluster.annotate("vol", {**dict.fromkeys((keys.node, keys.at, keys.operation)), keys.epoch: epoch})
        with pytest.raises(MalformedRecord):
            await mooring.publish("vol", "node-b")

    [advice] = (await until(look, "altered-record")).data["what_to_do"]

    assert "it was at epoch 3, held by node-a" in advice["says"]


async def test_what_is_attached_and_can_not_be_placed_is_told_of_a_volume_without_a_pv(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster, look: Mooring
) -> None:
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()):
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
        await cluster.delete("vol")
    name = await existing.attach("strange", "node-b", noted="node-b")
    await cluster.create("other")
    await existing.attach("other", "node-c", noted="node-c")

    [advice] = (await until(look, "may-be-attached")).data["what_to_do"]

    assert (f"VolumeAttachment {name} attaches" in advice["says"], "to node node-b alone" in advice["says"]) == (True, True)


async def test_a_holder_that_was_unpublished_is_told_no_more(
    temporal_client: Client, held: None, cluster: Cluster, mooring: MooringClient, look: Mooring
) -> None:
    await cluster.delete("vol")
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()):
        await mooring.unpublish("vol", "node-a")

    ran = await until(look, "nothing-wrong")

    assert (ran.data["holders"], ran.data["lost_holders"], ran.data["holders_known"]) == ([], [], True)

"""A volume that was freed on purpose stays free, whichever worker starts while its VolumeAttachment is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.faults import Loss
from mooring.errors import Disputed, HeldElsewhere, OperationTerminated
from mooring.evacuation.client import approve
from mooring.models import Approval, UnpublishRequest, VolumeRef
from mooring.names import UNPUBLISH, volume_id
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.dead_node import DeadNode, ended
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.patience import PATIENCE
from tests.harness.retention import forget
from tests.harness.unreadable import end_unreadably
from tests.harness.workers import quick, running_worker, until
from worker import MooringWorker

WORD = Approval(by="ada", reason="the rack has no power")
APART = 1.2
"""Seconds after which two moments are told apart, since VolumeAttachments say when they were made in whole seconds."""


class Joined(Protocol):
    """A callable that starts a worker."""

    def __call__(self, **settings: float) -> AbstractAsyncContextManager[MooringWorker]:
        """See `joined`."""


@pytest.fixture
def joined(temporal_client: Client, cluster: Cluster) -> Joined:
    """`async with joined()`: a ready worker, for which clocks are equal."""

    @asynccontextmanager
    async def join(**settings: float) -> AsyncIterator[MooringWorker]:
        asked = quick(cluster.driver, **{"adopt_interval": 0.1, "clock_skew": 0.01, "evacuate": "off", **settings})
        async with running_worker(temporal_client, asked, cluster.proxy.kubeconfig()) as worker:
            yield worker

    return join


@pytest.fixture
async def attached(existing: ExistingCluster, cluster: Cluster) -> str:
    """A volume that is attached to `node-a` since a while; the VolumeAttachment's name."""
    await cluster.create("vol")
    name = await existing.attach("vol", "node-a")
    await asyncio.sleep(APART)
    return name


async def is_freed(cluster: Cluster) -> None:
    """Wait until the record names no holder."""
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder("vol") is not None:
            await asyncio.sleep(0.05)


async def test_what_an_evacuation_has_freed_is_not_adopted_again_and_goes_elsewhere(
    attached: str, cluster: Cluster, temporal_client: Client, mooring: MooringClient, joined: Joined
) -> None:
    dead = DeadNode(cluster, temporal_client, mooring)
    async with joined():
        evacuation = await dead.evacuate()
        await dead.reaches(evacuation, State.AWAITING_PROOF, total=1)
        await approve(evacuation, WORD)
        assert (await ended(evacuation)).released == 1

    async with joined():
        assert await cluster.holder("vol") is None
        await mooring.publish("vol", "node-b")
    async with joined():
        assert (await mooring.publish("vol", "node-b")).reclaimed


async def test_what_was_unpublished_by_hand_is_not_adopted_again(
    attached: str, cluster: Cluster, mooring: MooringClient, joined: Joined
) -> None:
    async with joined():
        await mooring.unpublish("vol")
        await mooring.publish("vol", "node-b")
        await mooring.unpublish("vol", "node-b")

    async with joined():
        assert await cluster.holder("vol") is None
        await mooring.publish("vol", "node-c")


async def test_what_was_unpublished_by_hand_is_not_adopted_on_a_pv_made_anew(
    attached: str, cluster: Cluster, mooring: MooringClient, joined: Joined
) -> None:
    async with joined():
        await mooring.unpublish("vol")
    await cluster.delete("vol")
    await cluster.create("vol")

    async with joined():
        assert await cluster.holder("vol") is None
        await mooring.publish("vol", "node-b")


async def test_what_a_bound_unpublish_freed_whose_answer_was_lost_is_not_adopted_again(
    attached: str, cluster: Cluster, mooring: MooringClient, joined: Joined
) -> None:
    async with joined():
        cluster.proxy.lose_answer("PATCH", path="/persistentvolumes/", times=1)
        writes = cluster.proxy.fail("PATCH", path="/persistentvolumes/", status=503)
        unpublish = asyncio.create_task(mooring.request_unpublish(await bound(cluster)))
        await is_freed(cluster)
        looks = cluster.proxy.fail("GET", path="/persistentvolumes/", status=503)
        unpublished = await unpublish
        writes.stop()
        looks.stop()
        assert (unpublished.released, unpublished.annotation_cleared) == ((), False)

    async with joined():
        assert await cluster.holder("vol") is None
        await mooring.publish("vol", "node-b")


async def test_what_a_bound_unpublish_freed_before_it_was_terminated_is_not_adopted_again(
    attached: str, cluster: Cluster, mooring: MooringClient, temporal_client: Client, joined: Joined
) -> None:
    async with joined():
        cluster.proxy.lose_answer("PATCH", path="/persistentvolumes/", loss=Loss.HANG, times=1)
        unpublish = asyncio.create_task(mooring.request_unpublish(await bound(cluster)))
        await is_freed(cluster)
        await temporal_client.get_workflow_handle(volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))).terminate()
        with pytest.raises(OperationTerminated):
            await unpublish

    async with joined():
        assert await cluster.holder("vol") is None
        await mooring.publish("vol", "node-b")


async def bound(cluster: Cluster) -> UnpublishRequest:
    """Return an evacuation's request for the volume that node-a holds now."""
    return UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a", at_epoch=await cluster.epoch("vol"))


async def test_what_was_attached_since_the_record_was_freed_is_adopted(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Joined
) -> None:
    await cluster.create("vol")
    async with joined():
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
    await asyncio.sleep(APART)
    await existing.attach("vol", "node-b")

    async with joined():
        assert await cluster.holder("vol") == "node-b"


async def test_what_was_never_unpublished_is_adopted_whoever_was_since(
    attached: str, cluster: Cluster, mooring: MooringClient, joined: Joined
) -> None:
    async with joined(adopt=False):
        await mooring.publish("vol", "node-b")
        await mooring.unpublish("vol", "node-b")

    async with joined():
        assert await cluster.holder("vol") == "node-a"


async def test_where_the_clocks_may_differ_by_more_than_the_times_nothing_is_concluded(
    attached: str, cluster: Cluster, mooring: MooringClient, joined: Joined
) -> None:
    async with joined():
        await mooring.unpublish("vol", "node-a")

    async with joined(clock_skew=60):
        with pytest.raises(Disputed, match="delete the VolumeAttachment"):
            await mooring.publish("vol", "node-b")
        assert await cluster.holder("vol") is None


async def test_what_temporal_has_forgotten_is_in_doubt(
    attached: str, cluster: Cluster, mooring: MooringClient, temporal_client: Client, joined: Joined
) -> None:
    async with joined():
        await mooring.unpublish("vol", "node-a")
    await forget(temporal_client, VolumeRef(driver=cluster.driver, volume_handle="vol"))

    async with joined() as worker:
        with pytest.raises(Disputed, match="it is unknown whether the node was unpublished after"):
            await mooring.publish("vol", "node-b")
        await mooring.unpublish("vol", "node-a")
        await until(lambda: not worker.context.doubts.refused)
        await mooring.publish("vol", "node-b")


async def test_what_an_unpublish_did_whose_input_can_not_be_read_is_in_doubt(
    attached: str, cluster: Cluster, mooring: MooringClient, temporal_client: Client, joined: Joined
) -> None:
    run = await end_unreadably(temporal_client, volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol")), UNPUBLISH)
    await cluster.annotate("vol", {cluster.keys.epoch: "2", cluster.keys.operation: run})

    async with joined():
        with pytest.raises(Disputed, match="it is unknown whether the node was unpublished after"):
            await mooring.publish("vol", "node-b")
        assert await cluster.holder("vol") is None


async def test_what_an_unpublish_has_left_as_it_was_is_no_detach(
    attached: str, cluster: Cluster, mooring: MooringClient, joined: Joined
) -> None:
    async with joined():
        await mooring.publish("vol", "node-a")
        with pytest.raises(HeldElsewhere):
            await mooring.publish("vol", "node-b")

    async with joined():
        assert await cluster.holder("vol") == "node-a"

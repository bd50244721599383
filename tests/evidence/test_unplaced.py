"""An attachment that can't be placed keeps a volume without a PV from other nodes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from mooring.errors import Disputed
from mooring.records.past import ROUNDED
from tests.harness.departed_volumes import attach_seen
from tests.harness.patience import PATIENCE
from tests.harness.workers import until

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster
    from tests.harness.existing_cluster import ExistingCluster

NEVER = 3600
"""Seconds between two adoptions."""


async def test_a_volume_without_a_pv_is_refused_until_what_is_attached_can_be_placed(
    serving: Serving, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient
) -> None:
    name = await existing.attach("strange", "node-a", noted="node-a")
    async with serving() as worker:
        with pytest.raises(Disputed, match=f"{name} attaches PersistentVolume {cluster.pv('strange')}, which is unknown"):
            await mooring.publish("vol", "node-b")

        await cluster.create("strange")
        await until(lambda: worker.manager.pv_name("strange") is not None)

        assert not (await mooring.publish("vol", "node-b")).persisted


async def test_one_that_its_refusal_could_not_place_speaks_for_its_node_once_there_is_the_pv(
    serving: Serving, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient
) -> None:
    name = await existing.attach("vol", "node-a", noted="node-a")
    async with serving(adopt_interval=NEVER) as worker:
        await asyncio.sleep(ROUNDED.total_seconds() + 0.1)  # the time after which two clocks say which was first
        with pytest.raises(Disputed, match="which is unknown"):
            await mooring.publish("vol", "node-b")
        await cluster.create("vol")
        await until(lambda: worker.manager.pv_name("vol") is not None)

        with pytest.raises(Disputed, match=f"VolumeAttachment {name} says that it is attached to node node-a"):
            await mooring.publish("vol", "node-b")


async def test_it_is_refused_until_the_volume_attachment_is_gone(
    serving: Serving, existing: ExistingCluster, mooring: MooringClient
) -> None:
    name = await existing.attach("strange", "node-a", noted="node-a")
    async with serving():
        with pytest.raises(Disputed, match=name):
            await mooring.publish("vol", "node-b")

        await existing.remove(name)

        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await mooring.publish("vol", "node-b")
                except Disputed:
                    await asyncio.sleep(0.05)
                else:
                    break


async def test_the_node_that_it_is_attached_to_may_have_it(
    serving: Serving, existing: ExistingCluster, mooring: MooringClient
) -> None:
    await existing.attach("strange", "node-a", noted="node-a")
    async with serving():
        assert not (await mooring.publish("vol", "node-a")).persisted


async def test_a_volume_with_a_pv_is_not_kept_from_anybody(
    serving: Serving, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient
) -> None:
    await existing.attach("strange", "node-a", noted="node-a")
    await cluster.create("vol")
    async with serving():
        assert (await mooring.publish("vol", "node-b")).persisted


async def test_nobody_asks_where_adoption_is_off(serving: Serving, existing: ExistingCluster, mooring: MooringClient) -> None:
    await existing.attach("strange", "node-a", noted="node-a")
    async with serving(adopt=False):
        assert not (await mooring.publish("vol", "node-b")).persisted


async def test_a_volume_attachment_of_a_pv_without_a_record_speaks_for_its_node(
    serving: Serving, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient
) -> None:
    async with serving() as worker:
        await cluster.create("vol")
        await until(lambda: worker.manager.pv_name("vol") is not None)
        name = await attach_seen(worker, existing, "vol", "node-a")

        with pytest.raises(Disputed, match=f"VolumeAttachment {name} says that it is attached to node node-a"):
            await mooring.publish("vol", "node-b")

"""A shared volume without a record, and many VolumeAttachments that speak for its nodes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from mooring.evidence.shown_attachments import MAX_CONCURRENT
from mooring.models import AccessMode
from tests.harness.departed_volumes import attach_seen
from tests.harness.existing_cluster import VOLUME_ATTACHMENTS
from tests.harness.patient import BOUNDS
from tests.harness.workers import until

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from mooring.devstack.faults import ProxiedRequest
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster
    from tests.harness.existing_cluster import ExistingCluster

MANY = 3 * MAX_CONCURRENT
NEVER = 3600
"""Seconds between two adoptions."""


def _is_about_one(under_way: set[str], request: ProxiedRequest) -> bool:
    """Return whether the request is about one VolumeAttachment, and note which.

    NB: one that is given up is made again, so requests don't count how many are under way.
    """
    one = request.query.get("fieldSelector", "")
    under_way.update([one] if one else [])
    return bool(one)


async def test_they_are_asked_about_some_at_a_time_and_each_is_heard(
    serving: Serving, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient
) -> None:
    async with serving(adopt_interval=NEVER, **BOUNDS) as worker:
        await cluster.create("vol", modes=["ReadWriteMany"])
        await until(lambda: worker.manager.pv_name("vol") is not None)
        nodes = [f"node-{number}" for number in range(MANY)]
        for node in nodes:
            await attach_seen(worker, existing, "vol", node)
        under_way = set[str]()
        held = cluster.proxy.hold("GET", path=VOLUME_ATTACHMENTS, when=partial(_is_about_one, under_way))
        publish = asyncio.create_task(mooring.publish("vol", "node-x", access_mode=AccessMode.MULTI_NODE_MULTI_WRITER))
        await until(lambda: len(under_way) == MAX_CONCURRENT)
        await asyncio.sleep(0.2)
        at_once = len(under_way)
        held.release()
        await publish
        record = (await mooring.get("vol")).record

    assert at_once == MAX_CONCURRENT
    assert record is not None
    assert sorted(each.node_id for each in record.holders) == sorted([*nodes, "node-x"])

"""The log of a worker's steps that fail."""

from __future__ import annotations

import asyncio

from mooring.client import MooringClient
from tests.harness.cluster import Cluster
from tests.harness.processes import Fleet

BOUND = 30


async def test_a_step_that_is_tried_again_is_one_line_with_the_volume_the_attempt_and_the_reason(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    async with fleet.own(publish_budget=60) as worker:
        await worker.ready()
        failing = cluster.proxy.fail("PATCH", status=500)
        publishing = asyncio.create_task(mooring.publish("vol", "node-a", deadline=60))
        await worker.child.says("attempt 2")
        failing.stop()
        await publishing
        log = worker.child.last_words()

    told = [line for line in log.splitlines() if "attempt 2" in line]
    assert all("volume/" in line and "/vol" in line and "record_attachment" in line and "500" in line for line in told), log
    assert "Traceback" not in log

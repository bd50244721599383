"""A release of what waits for its PV, beside a PV that comes at any moment of it: all of it is released, or nothing."""

from __future__ import annotations

import asyncio

from mooring.client import MooringClient
from mooring.models import UnpublishRequest
from tests.simulation.campaign import verdict
from tests.simulation.campaign.kinds import BY_NAME
from tests.simulation.campaign.world import Plan, World
from tests.simulation.clock import run
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.service import connect

VOLUME = "vol-0"
SECONDS = (-0.2, -0.1, -0.05, -0.02, 0.0, 0.02, 0.04, 0.06)
"""Seconds after the request to release at which the PV comes; before it, where they are negative."""
Left = tuple[tuple[str, ...], ...]
"""The nodes that a release has released, those that the record names then, and those that have the volume at the driver."""


def test_a_release_beside_a_pv_that_comes_releases_all_of_it_or_nothing() -> None:
    left = {run(_release(seconds)) for seconds in SECONDS}
    assert left == {(("node-a",), (), ()), ((), ("node-a",), ("node-a",))}


async def _release(seconds: float) -> Left:
    """Return what a release has left, beside a PV that came at that moment."""
    with installed():
        world = World(Plan("released", kind=BY_NAME["PVs come late"], volumes=1, workers=1, disturbed=False))
        await world.begin()
        driver = world.settings.driver
        mooring = MooringClient(connect(world.temporal, "caller"), driver=driver)
        await mooring.publish(VOLUME, "node-a", deadline=60)
        hold = world.temporal.find(f"unpersisted/{driver}/{VOLUME}")
        assert hold is not None
        asked = UnpublishRequest(driver=driver, volume_handle=VOLUME, node_id="node-a", at_run=hold.run_id)
        world.temporal.hop = lambda _: 0.01
        asyncio.get_running_loop().call_later(max(seconds, 0.0), world.create_pv, VOLUME)
        await asyncio.sleep(max(-seconds, 0.0))
        result = await mooring.request_unpublish(asked)
        await asyncio.sleep(60)
        return result.released, tuple(verdict.holders(world)[VOLUME]), tuple(world.driver.attached().get(VOLUME, ()))

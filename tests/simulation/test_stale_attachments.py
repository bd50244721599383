"""A worker whose watch of VolumeAttachments is silent takes none for gone that it has not seen come."""

from __future__ import annotations

import asyncio

import pytest

from mooring.client import MooringClient
from mooring.errors import Disputed
from tests.simulation.api_server import CALM, FaultRates
from tests.simulation.api_server.faults import End
from tests.simulation.campaign.attacher import Attachment
from tests.simulation.campaign.world import Plan, World
from tests.simulation.clock import run
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.service import connect

SILENT = FaultRates(ending_watches=1.0, ending_seconds=0.0, ends=(End.SILENCE,))
VOLUME = "vol-0"


def test_a_volume_attachment_that_came_while_the_watch_was_silent_is_not_gone() -> None:
    assert run(_published_elsewhere()) == {VOLUME: ["node-a"]}


async def _published_elsewhere() -> dict[str, list[str]]:
    with installed():
        world = World(Plan("silent", volumes=1, workers=2, disturbed=False))
        seeing, blind = world.workers
        await world.begin()
        blind.kill()
        world.kube.faults.rates = SILENT
        blind.start()
        await world.ready()
        world.kube.faults.rates = CALM
        assert blind.process is not None
        blind.process.pause()
        mooring = MooringClient(connect(world.temporal, "caller"), driver=world.settings.driver)
        await mooring.publish(VOLUME, "node-a", deadline=60)
        world.attacher.show(Attachment(VOLUME, "node-a", told=True))
        await asyncio.sleep(1)
        world.delete_pvs(VOLUME)
        await asyncio.sleep(1)
        with pytest.raises(Disputed):
            await mooring.publish(VOLUME, "node-b", deadline=60)
        world.create_pv(VOLUME)
        await asyncio.sleep(1)
        seeing.kill()
        blind.process.resume()
        with pytest.raises(Disputed):
            await mooring.publish(VOLUME, "node-b", deadline=60)
        return world.driver.attached()

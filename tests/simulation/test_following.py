"""The deployed store and reflector on the simulated server: whatever goes wrong, in the end the index says what the PVs say."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.errors import MooringError
from mooring.index.manager import AttachmentManager
from mooring.index.reflector import Reflector
from mooring.kubernetes.api import Gone, NotFound, Refused
from mooring.models import VolumeRef
from mooring.process.metrics import Metrics
from tests.devstack.contract.api import pv_body
from tests.harness.records import attach, detach
from tests.simulation.api_server import CALM, FaultRates, SimulatedKubernetes, Upsets
from tests.simulation.clock import now, run

DRIVER = "rds.csi.srvlab.io"
VOLUMES = tuple(f"vol-{number}" for number in range(8))
STORM = FaultRates(0.05, 0.1, 0.1, 60, 0.1, 20, 0.05, ending_watches=0.3, ending_seconds=60, stale_watches=0.3)


@pytest.mark.parametrize("seed", range(10))
def test_the_index_equals_the_pvs_once_the_storm_is_over(seed: int) -> None:
    random.seed(seed)  # NB: the client's pauses between tries are drawn from here
    run(_storm(seed))


async def _storm(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    metrics = Metrics(CollectorRegistry())
    kube = SimulatedKubernetes(dice, now, [])
    kube.seed(pv_body(name) for name in VOLUMES)
    volumes, manager = PersistentVolumeStore(kube.api("login"), DRIVER, now, metrics), AttachmentManager()
    reflector = Reflector(volumes, manager, metrics, asyncio.get_running_loop().time, 3)
    await reflector.rebuild(lambda _: None)
    kube.faults.rates, upsets = STORM, Upsets(kube, dice)
    keeper = asyncio.create_task(_keep(reflector))
    for number in range(200):
        await _operate(volumes, dice, str(number))
        if number % 20 == 0:
            dice.choice([upsets.delete, upsets.make_anew, upsets.double, upsets.label])(dice.choice(kube.pv_names()))
        if number % 50 == 0:
            kube.compact()
    kube.faults.rates = CALM
    await asyncio.sleep(1200)
    assert _held(manager) == _held(await _as_rebuilt(volumes))
    keeper.cancel()
    await asyncio.wait([keeper])
    await reflector.stop()


async def _keep(reflector: Reflector) -> None:
    """Rebuild whenever only that helps, as a worker does."""
    while True:
        await reflector.needs_rebuild.wait()
        with suppress(MooringError):
            await reflector.rebuild(lambda _: None)
        await asyncio.sleep(1)


async def _operate(volumes: PersistentVolumeStore, dice: random.Random, operation: str) -> None:
    """Write a record that was read a moment ago."""
    volume = VolumeRef(driver=DRIVER, volume_handle=dice.choice(VOLUMES))
    with suppress(MooringError, Gone, NotFound, Refused):
        found = await volumes.read(volume.volume_handle)
        if found is not None:
            write = detach(volume, found, operation=operation) if found.everyone else attach(volume, found, "node-a", operation)
            await volumes.compare_and_set(write)


async def _as_rebuilt(volumes: PersistentVolumeStore) -> AttachmentManager:
    """Return an index that a worker has which starts now."""
    metrics, manager = Metrics(CollectorRegistry()), AttachmentManager()
    reflector = Reflector(volumes, manager, metrics, asyncio.get_running_loop().time)
    await reflector.rebuild(lambda _: None)
    await reflector.stop()
    return manager


def _held(manager: AttachmentManager) -> list[tuple[str, str]]:
    return sorted((each.volume_handle, each.attachment.node_id) for each in manager.list_attachments())

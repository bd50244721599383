"""A publish that may have forgotten an attempt of its first workflow task leaves nothing of it, however it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.api.enums.v1 import EventType

from mooring.client import MooringClient
from mooring.errors import OperationCancelled, VolumeNotFound
from mooring.models import VolumeRef
from mooring.names import volume_id
from tests.simulation.api_server import CALM, FaultRates
from tests.simulation.campaign.kinds import Kind
from tests.simulation.campaign.workers import WorkerProcess
from tests.simulation.campaign.world import PVS, Plan, World
from tests.simulation.clock import run
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.service import Fate, Service, answered, connect

SLOW = FaultRates(slow_answers=1.0, slow_seconds=0.9)
STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
VOLUME = "vol-0"
PATIENCE = 1200
"""Seconds that a caller waits."""
LONG = 600
"""Seconds after which the first workflow task has ended, whatever it waits for."""


def test_a_refusal_for_a_pv_that_went_comes_after_a_rollback() -> None:
    run(_refused_without_a_pv())


def test_a_cancellation_is_heeded_after_a_rollback_though_memory_took_longer_than_the_first_task() -> None:
    run(_cancelled_in_a_later_task())


async def _refused_without_a_pv() -> None:
    async with _living(reject=True) as (world, mooring):
        publish = asyncio.create_task(mooring.publish(VOLUME, "node-a", deadline=PATIENCE))
        await _die_after_the_write(world)
        world.delete_pvs(VOLUME)

        with pytest.raises(VolumeNotFound):
            await publish

        world.create_pv(VOLUME)
        assert (await mooring.publish(VOLUME, "node-b", deadline=PATIENCE)).node_id == "node-b"


async def _cancelled_in_a_later_task() -> None:
    async with _living(reject=False) as (world, mooring):
        _reach_temporal(world, yes=False)
        publish = asyncio.create_task(mooring.publish(VOLUME, "node-a", deadline=PATIENCE))
        await asyncio.sleep(LONG)
        _reach_temporal(world, yes=True)
        await _die_after_the_write(world)
        volume = VolumeRef(driver=world.settings.driver, volume_handle=VOLUME)
        await connect(world.temporal, "operator").get_workflow_handle(volume_id(volume)).cancel()

        with pytest.raises(OperationCancelled):
            await publish

        assert (await mooring.publish(VOLUME, "node-b", deadline=PATIENCE)).node_id == "node-b"


@asynccontextmanager
async def _living(*, reject: bool) -> AsyncIterator[tuple[World, MooringClient]]:
    """Have a world with two workers and a caller, in which nothing goes wrong by itself."""
    kind = Kind("calm", {}, settings={"missing_pv": "reject"} if reject else {})
    with installed():
        world = World(Plan("forgotten", volumes=1, workers=2, kind=kind, disturbed=False))
        await world.begin()
        await world.ready()
        yield world, MooringClient(connect(world.temporal, "caller"), driver=world.settings.driver)


def _reach_temporal(world: World, *, yes: bool) -> None:
    for each in world.workers:
        assert each.worker is not None
        service = each.worker.context.client.service_client
        assert isinstance(service, Service)
        service.fate = answered if yes else lambda _: Fate.LOST


async def _die_after_the_write(world: World) -> None:
    """Kill the worker that has written the record, before it learns that."""
    world.kube.faults.rates = SLOW
    while "node-a" not in _annotations(world).values():
        await asyncio.sleep(0.001)
    (await _writer(world)).kill()
    world.kube.faults.rates = CALM


def _annotations(world: World) -> dict[str, str]:
    found: dict[str, str] = world.kube.ask("GET", f"{PVS}/{world.pv_name(VOLUME)}")["metadata"].get("annotations", {})
    return found


async def _writer(world: World) -> WorkerProcess:
    """Return the worker that had the last workflow task of the volume's run."""
    volume = VolumeRef(driver=world.settings.driver, volume_handle=VOLUME)
    events = (await connect(world.temporal, "watcher").get_workflow_handle(volume_id(volume)).fetch_history()).events
    name = [event.workflow_task_started_event_attributes.identity for event in events if event.event_type == STARTED][-1]
    return next(each for each in world.workers if each.process is not None and each.process.name == name)

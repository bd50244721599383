"""Scenarios with Mooring's own workflows, activities and client, as they are deployed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

from temporalio.client import WorkflowHandle

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailed, BackendUncertain, MooringError
from mooring.kubernetes.connection import CLOCK
from mooring.models import VolumeRef
from tests.harness.backend import JournalBackend
from tests.simulation.deployed import memory, serving
from tests.simulation.faithful.scenario import Scenario
from tests.simulation.faithful.world import World

DEADLINE: Final = 60.0


@asynccontextmanager
async def _mooring(world: World, backend: JournalBackend | None = None) -> AsyncIterator[MooringClient]:
    world.hidden.append(_driver(world))
    async with serving(world.client, _driver(world), memory(lambda: str(uuid4())), backend=backend, now=CLOCK.now):
        yield MooringClient(world.client, driver=_driver(world))


def _driver(world: World) -> str:
    return f"d{zlib.crc32(world.name.encode())}.csi.test"


def _run(world: World) -> WorkflowHandle[Any, Any]:
    """Return the volume's last run."""
    return world.client.get_workflow_handle(names.volume_id(VolumeRef(driver=_driver(world), volume_handle="vol")))


async def _ask(world: World, call: Awaitable[Any]) -> None:
    try:
        await call
        world.said.append("done")
    except MooringError as error:
        world.said.append(f"{error.type_name()}: {error}")
    described = await _run(world).describe()
    world.note(described.id, described.run_id)


async def a_volume_is_published_and_unpublished(world: World) -> None:
    async with _mooring(world) as mooring:
        await _ask(world, mooring.publish("vol", "node-a", deadline=DEADLINE))
        await _ask(world, mooring.unpublish("vol", "node-a", deadline=DEADLINE))


async def a_volume_is_published_again(world: World) -> None:
    async with _mooring(world) as mooring:
        for _ in range(2):
            await _ask(world, mooring.publish("vol", "node-a", deadline=DEADLINE))


async def a_volume_is_refused_to_a_second_node(world: World) -> None:
    async with _mooring(world) as mooring:
        for node in ("node-a", "node-b"):
            await _ask(world, mooring.publish("vol", node, deadline=DEADLINE))


async def a_volume_that_nobody_holds_is_unpublished(world: World) -> None:
    async with _mooring(world) as mooring:
        await _ask(world, mooring.unpublish("vol", deadline=DEADLINE))


async def a_backend_attaches_and_detaches(world: World) -> None:
    async with _mooring(world, JournalBackend()) as mooring:
        await _ask(world, mooring.publish("vol", "node-a", deadline=DEADLINE))
        await _ask(world, mooring.unpublish("vol", "node-a", deadline=DEADLINE))


async def a_backend_refuses_and_all_is_rolled_back(world: World) -> None:
    backend = JournalBackend(publish_errors=[BackendFailed("The backend will not.")])
    async with _mooring(world, backend) as mooring:
        await _ask(world, mooring.publish("vol", "node-a", deadline=DEADLINE))


async def a_backend_is_uncertain_once(world: World) -> None:
    backend = JournalBackend(publish_errors=[BackendUncertain("no answer")])
    async with _mooring(world, backend) as mooring:
        await _ask(world, mooring.publish("vol", "node-a", deadline=DEADLINE))


async def a_publish_is_cancelled_while_the_backend_attaches(world: World) -> None:
    backend = JournalBackend(publish_gate=asyncio.Event())
    async with _mooring(world, backend) as mooring:
        publishing = asyncio.create_task(mooring.publish("vol", "node-a", deadline=DEADLINE))
        await asyncio.wait_for(backend.entered.wait(), DEADLINE)
        await _run(world).cancel()
        await world.reaches(_run(world), "ACTIVITY_TASK_CANCEL_REQUESTED")
        assert backend.publish_gate is not None
        backend.publish_gate.set()
        await _ask(world, publishing)


MOORING_SCENARIOS: Final[list[Scenario]] = [
    a_volume_is_published_and_unpublished,
    a_volume_is_published_again,
    a_volume_is_refused_to_a_second_node,
    a_volume_that_nobody_holds_is_unpublished,
    a_backend_attaches_and_detaches,
    a_backend_refuses_and_all_is_rolled_back,
    a_backend_is_uncertain_once,
    a_publish_is_cancelled_while_the_backend_attaches,
]

"""The simulated Temporal leaves the same events as the real one, scenario by scenario."""

from __future__ import annotations

import asyncio
import random

import pytest
from temporalio.client import Client

from tests.simulation.clock import run
from tests.simulation.faithful.mooring_scenarios import MOORING_SCENARIOS
from tests.simulation.faithful.scenario import Scenario
from tests.simulation.faithful.scenarios import SCENARIOS as MADE
from tests.simulation.faithful.world import World
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.server import Server
from tests.simulation.temporal_server.service import connect

pytestmark = pytest.mark.timeout(600)
SCENARIOS = [*MADE, *MOORING_SCENARIOS]
AT_ONCE = 8
PATIENCE = 120.0
Traces = dict[str, list[str]]


@pytest.fixture(scope="module")
async def real(temporal_client: Client) -> dict[str, Traces | str]:
    """The traces of all scenarios on the real server, which play at once."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def play(scenario: Scenario) -> Traces | str:
        async with turns:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await played(scenario, temporal_client)
            except Exception as error:
                return f"{type(error).__name__}: {error}"

    found = await asyncio.gather(*map(play, SCENARIOS))
    return {scenario.__name__: traces for scenario, traces in zip(SCENARIOS, found, strict=True)}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_simulated_server_leaves_the_same_events(scenario: Scenario, real: dict[str, Traces | str]) -> None:
    assert run(simulated(scenario)) == real[scenario.__name__]


async def played(scenario: Scenario, client: Client) -> Traces:
    """Play a scenario, and return what it left."""
    world = World(client, scenario.__name__)
    await scenario(world)
    return await world.traces()


async def simulated(scenario: Scenario) -> Traces:
    """Play a scenario on a simulated server."""
    with installed():
        async with asyncio.timeout(PATIENCE):
            return await played(scenario, connect(Server(random.Random(1))))  # noqa: S311 - a seed is the point

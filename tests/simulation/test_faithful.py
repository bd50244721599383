"""The simulated Temporal leaves the same events as the real one, scenario by scenario.

On the real server the scenarios play a few at a time, on whatever machine this is. Where something there is slower than a scenario
allows for, its events are others: an attempt more, a timeout in place of a result. So one whose events differ plays again, alone,
and that time counts. A fault of the simulation differs both times; where more than a few scenarios differ, it isn't the load.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable

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
MOST_REPEATED = 8
Traces = dict[str, list[str]]


@pytest.fixture(scope="module")
def simulated() -> dict[str, Traces | str]:
    """The traces of all scenarios on simulated servers."""
    return {scenario.__name__: run(_tried(_simulated(scenario), "simulated")) for scenario in SCENARIOS}


@pytest.fixture(scope="module")
async def real(simulated: dict[str, Traces | str], temporal_client: Client) -> dict[str, Traces | str]:
    """The traces of all scenarios on the real server: of those that differ when several play at once, the ones they leave alone."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def play(scenario: Scenario) -> Traces | str:
        async with turns:
            return await _tried(_played(scenario, temporal_client), "real")

    found = dict(zip(simulated, await asyncio.gather(*map(play, SCENARIOS)), strict=True))
    differing = [scenario for scenario in SCENARIOS if found[scenario.__name__] != simulated[scenario.__name__]]
    for scenario in differing if len(differing) <= MOST_REPEATED else ():
        found[scenario.__name__] = await _tried(_played(scenario, temporal_client, "again"), "real")
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_simulated_server_leaves_the_same_events(
    scenario: Scenario, simulated: dict[str, Traces | str], real: dict[str, Traces | str]
) -> None:
    assert simulated[scenario.__name__] == real[scenario.__name__]


async def _tried(playing: Awaitable[Traces], server: str) -> Traces | str:
    """Wait for a scenario's traces, and return them or why there are none."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await playing
    except Exception as error:
        return f"On the {server} server: {type(error).__name__}: {error}"


async def _played(scenario: Scenario, client: Client, time: str = "") -> Traces:
    """Play a scenario, and return what it left."""
    world = World(client, f"{scenario.__name__}{time and ' '}{time}")
    await scenario(world)
    return await world.traces()


async def _simulated(scenario: Scenario) -> Traces:
    """Play a scenario on a simulated server."""
    with installed():
        return await _played(scenario, connect(Server(random.Random(1))))  # noqa: S311 - a seed is the point

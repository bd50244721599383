"""Scenarios with workflows made for them, by subject."""

from __future__ import annotations

from typing import Final

from tests.simulation.faithful.scenario import Scenario
from tests.simulation.faithful.scenarios import activities, cancellations, relations, resets, runs, services

SCENARIOS: Final[list[Scenario]] = [
    *runs.SCENARIOS,
    *activities.SCENARIOS,
    *cancellations.SCENARIOS,
    *relations.SCENARIOS,
    *resets.SCENARIOS,
    *services.SCENARIOS,
]

"""A scenario: what is done in a world, on whichever server."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.simulation.faithful.world import World

Scenario = Callable[[World], Awaitable[None]]


def collect(names: Mapping[str, Any]) -> list[Scenario]:
    """Return the scenarios of a module."""
    own = [each for name, each in names.items() if not name.startswith("_") and inspect.iscoroutinefunction(each)]
    return [each for each in own if each.__module__ == names["__name__"]]

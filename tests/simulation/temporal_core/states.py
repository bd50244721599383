"""The states of what a run waits for: one for each activity and child, by the number that the code gave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from temporalio.api.command.v1 import Command


class NondeterminismError(Exception):
    """The code decides otherwise than its history says."""


@dataclass(slots=True)
class ActivityState:
    """An activity that isn't resolved."""

    seq: int
    activity_id: str
    activity_type: str
    cancellation: int
    scheduled_id: int = 0


@dataclass(slots=True)
class ChildState:
    """A child that isn't resolved."""

    seq: int
    workflow_id: str
    workflow_type: str
    cancellation: int
    initiated_id: int = 0
    run_id: str = ""


@dataclass(slots=True)
class Outgoing:
    """A command that is to become an event; `kind` is the event's type, `name` tells one of a kind from another."""

    kind: str
    name: str
    command: Command | None
    state: Any = None


@dataclass(slots=True)
class Foreseen:
    """What the history says of a task's commands, in a replay: the code is told before it decides."""

    patches: list[str] = field(default_factory=list)
    locals: dict[int, Any] = field(default_factory=dict)
    """Markers of local activities, by number."""
    updates: list[Any] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)

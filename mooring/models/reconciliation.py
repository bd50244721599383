"""Reconciliations: their requests and options, the outcomes of heals, and their results.

Contract: these are models: they travel, and remain in the history.

Not kept here: the drifts themselves (drift.py), and healing them (mooring/reconciliation/healer.py).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from mooring.models.base import DriverName, Model
from mooring.models.drift import Drift
from mooring.models.operations import Approval
from mooring.states import State

MAX_REPORTED: Final = 200
"""Drifts that a report shows in full."""


class Outcome(StrEnum):
    """Outcome of a drift: unchanged, healed, being healed elsewhere; refused because things had moved on; or failed."""

    LEFT = "left"
    HEALED = "healed"
    BEGUN = "begun"
    REFUSED = "refused"
    FAILED = "failed"


class ReconcileOptions(Model):
    """The worker's settings that a reconciliation runs under; durations are in seconds, `guard` is a number of heals."""

    settle: float
    guard: int
    approval_wait: float
    heal: bool
    search_attributes: bool


class ReconcileRequest(Model):
    """A request for the reconciliation of one driver."""

    driver: DriverName


class HealResult(Model):
    """Outcome of one heal, the message about it, and the record's epoch after it, None if unknown."""

    outcome: Outcome
    said: str
    epoch: int | None = None


class DriftOutcome(Drift):
    """A drift, and its outcome."""

    outcome: Outcome = Outcome.LEFT
    said: str = ""
    advice: str = ""


class Progress(Model):
    """Progress of a reconciliation. `due`: heals that wait for an operator's approval, or are being made."""

    driver: str
    state: State
    counts: dict[str, int] = Field(default_factory=dict)
    due: int = 0
    done: int = 0
    drifts: tuple[Drift, ...] = ()


class ReconcileResult(Model):
    """Findings and heals of a reconciliation.

    `counts`: drifts by kind; `left`: those that remain, by kind; `drifts` in full, those that remain first. `approval`: the
    operator's, if one was needed and given.
    """

    driver: str
    state: State
    counts: dict[str, int] = Field(default_factory=dict)
    left: dict[str, int] = Field(default_factory=dict)
    healed: int = 0
    begun: int = 0
    refused: int = 0
    failed: int = 0
    drifts: tuple[DriftOutcome, ...] = ()
    compared: int = 0
    not_compared: tuple[str, ...] = ()
    approval: Approval | None = None
    seconds: float = 0
    message: str

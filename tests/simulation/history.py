"""The history of a simulated world: the changes of its PVs and the journal of its driver, in the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tests.harness.driver.journal import Entry


@dataclass(frozen=True, slots=True)
class PvChange:
    """One event of a watch of all PVs, at seconds of the event loop, with the PV after it (of a deleted one the last)."""

    at: float
    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    pv: dict[str, Any]


History: TypeAlias = list[PvChange | Entry]

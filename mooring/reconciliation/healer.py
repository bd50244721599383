"""The healing of one drift, by an operation under the volume's lock like any other.

Contract: nothing is done on an observation alone. An unpublish is bound to the epoch that was seen, a stray's and an
adoption look at the live record; if things have moved on, nothing is changed and the outcome is REFUSED. Each heal may
be repeated.

Not kept here: the choice of heals (comparison.py), their number at once and their approval (workflows/reconcile.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mooring.adoption.adopter import carry_out
from mooring.adoption.survey import Survey
from mooring.client import MooringClient
from mooring.csi.co_secrets import CoCalls
from mooring.errors import MooringError, OperationPending
from mooring.models import UnpublishRequest
from mooring.models.adoption import Verdict
from mooring.models.drift import Drift, DriftKind, Heal, advice
from mooring.models.reconciliation import HealResult, Outcome

DEADLINE: Final = 120.0
"""Seconds that one heal may take before the next attempt joins it."""


@dataclass(frozen=True, slots=True)
class Healer:
    """The healer of one driver's drift. `evacuate` starts, or joins, the evacuation of a node id."""

    driver: str
    mooring: MooringClient
    adoptions: Survey
    evacuate: Callable[[str], Awaitable[str]]
    co_calls: CoCalls

    async def heal(self, drift: Drift) -> HealResult:
        """Heal the drift.

        Raises:
            OperationPending: it takes longer than `DEADLINE`; try again.

        """
        try:
            return await self._heal(drift)
        except OperationPending:
            raise
        except MooringError as error:
            return HealResult(outcome=Outcome.FAILED, said=str(error))

    async def _heal(self, drift: Drift) -> HealResult:
        match drift.heal:
            case Heal.UNPUBLISH:
                return await self._unpublish(drift, at_epoch=drift.epoch)
            case Heal.UNPUBLISH_STRAY:
                return await self._unpublish(drift, stray=True)
            case Heal.ADOPT:
                return await self._adopt(drift)
            case Heal.EVACUATE:
                return HealResult(outcome=Outcome.BEGUN, said=await self.evacuate(drift.node_id))
            case Heal.REBUILD:
                return HealResult(outcome=Outcome.BEGUN, said="The worker rebuilds its index.")
            case Heal.NONE:
                return HealResult(outcome=Outcome.LEFT, said=advice(drift))

    async def _unpublish(self, drift: Drift, *, stray: bool = False, at_epoch: int | None = None) -> HealResult:
        # NB: where the driver has detached already, what needs its secrets can be cleared without asking it again.
        detached = drift.kind is DriftKind.NOT_CLEARED and not stray and await self.co_calls.awaits(drift.volume_handle)
        if not detached:
            await self.co_calls.check(drift.volume_handle, drift.node_id)
        asked = UnpublishRequest(
            driver=self.driver,
            volume_handle=drift.volume_handle,
            node_id=drift.node_id,
            stray=stray,
            at_epoch=at_epoch,
            detached=detached,
        )
        result = await self.mooring.request_unpublish(asked, deadline=DEADLINE)
        if not result.annotation_cleared:
            return HealResult(outcome=Outcome.FAILED, said=result.message)
        done = bool(result.released) or (stray and result.epoch == drift.epoch + 1)
        return HealResult(outcome=Outcome.HEALED if done else Outcome.REFUSED, said=result.message, epoch=result.epoch)

    async def _adopt(self, drift: Drift) -> HealResult:
        surveyed = await self.adoptions.look({drift.volume_handle})
        findings = await carry_out(surveyed.findings, self.mooring.adopt)
        if any(finding.verdict is Verdict.ADOPTED for finding in findings):
            return HealResult(outcome=Outcome.HEALED, said=f"Volume {drift.volume_handle} is recorded as it is attached.")
        why = " ".join(finding.why or finding.verdict for finding in findings) or "It is recorded, or not attached any more."
        return HealResult(outcome=Outcome.REFUSED, said=why)

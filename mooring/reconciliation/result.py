"""The result of a reconciliation: pure, from the findings and the outcome of each heal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mooring.models import Approval
from mooring.models.drift import Drift, Key, SurveyResult, advice, within
from mooring.models.reconciliation import MAX_REPORTED, DriftOutcome, HealResult, Outcome, ReconcileResult
from mooring.process.words import counted
from mooring.states import State


def conclude(
    driver: str,
    found: SurveyResult,
    results: Mapping[Key, HealResult],
    *,
    seconds: float,
    approval: Approval | None,
    unapproved: str,
) -> ReconcileResult:
    """Make the result; `results` by the drift's key. `unapproved`: the reason why nothing was healed although it was due, "" for
    none."""
    settled = sorted((_settled(drift, results.get(drift.key)) for drift in found.drifts), key=_is_healed)
    left = Counter(found.counts) - Counter(drift.kind.value for drift in settled if _is_healed(drift))
    outcomes = Counter(drift.outcome for drift in settled)
    return ReconcileResult(
        driver=driver,
        state=State.DRIFTED if left else State.HEALED if found.counts else State.IN_STEP,
        counts=found.counts,
        left=dict(left),
        healed=outcomes[Outcome.HEALED],
        begun=outcomes[Outcome.BEGUN],
        refused=outcomes[Outcome.REFUSED],
        failed=outcomes[Outcome.FAILED],
        drifts=tuple(within(settled[:MAX_REPORTED])),
        compared=found.compared,
        not_compared=found.not_compared,
        approval=approval,
        seconds=seconds,
        message=" ".join(filter(None, (_counted(found, outcomes, left.total()), unapproved, _missing(found)))),
    )


def _settled(drift: Drift, result: HealResult | None) -> DriftOutcome:
    became = result or HealResult(outcome=Outcome.LEFT, said="")
    return DriftOutcome(**drift.model_dump(), outcome=became.outcome, said=became.said, advice=advice(drift))


def _is_healed(drift: DriftOutcome) -> bool:
    return drift.outcome is Outcome.HEALED


def _counted(found: SurveyResult, outcomes: Mapping[Outcome, int], left: int) -> str:
    told = (outcome for outcome in Outcome if outcomes[outcome] and outcome is not Outcome.LEFT)
    done = "".join(f", {outcomes[outcome]} {outcome}" for outcome in told)
    compared, drifts = counted(found.compared, "PersistentVolume"), counted(sum(found.counts.values()), "drift")
    return f"{compared} compared: {drifts}{done}, {left} left."


def _missing(found: SurveyResult) -> str:
    return " ".join(f"Not compared: {why}" for why in found.not_compared)

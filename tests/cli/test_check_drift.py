"""The last reconciliation, as `mooring check` reports it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mooring.checks.drift import judge_drift, judge_schedule
from mooring.models.drift import VANISHED, DriftKind
from mooring.models.reconciliation import DriftOutcome, ReconcileResult
from mooring.reconciliation.report import ReconciliationReport
from mooring.states import State

NOW = datetime(2026, 1, 31, 4, 0, tzinfo=UTC)


def ended(**fields: Any) -> ReconciliationReport:
    """Return a reconciliation that ended three minutes ago."""
    result = ReconcileResult(driver="d.csi.test", state=State.IN_STEP, message="", **fields)
    return ReconciliationReport(result=result, ended_at=NOW - timedelta(minutes=3))


@pytest.mark.parametrize(
    ("report", "result", "told"),
    [
        (None, "warning", "No Schedule reconciles driver d.csi.test"),
        (ReconciliationReport(), "skipped", "mooring drift --now"),
        (ReconciliationReport(awaits_approval=True), "failed", "MOORING_DRIFT_GUARD"),
        (ReconciliationReport(failed="It ended as FAILED."), "warning", "ended as FAILED"),
        (ended(left={"unpersisted": 2}), "failed", "unpersisted: 2"),
        (ended(not_compared=("The backend did not answer.",)), "warning", "The backend did not answer."),
        (ended(compared=7, healed=1), "ok", "7 compared 3 min ago, 1 healed"),
    ],
)
def test_each_end_of_a_reconciliation_has_its_answer(report: ReconciliationReport | None, result: str, told: str) -> None:
    answer = judge_drift(report, "d.csi.test", NOW)
    assert (answer.result, told in answer.cause + answer.detail) == (result, True)
    assert bool(answer.fix) == (result in ("warning", "failed"))


@pytest.mark.parametrize("kind", VANISHED)
def test_a_record_that_vanished_is_to_be_explained_first(kind: DriftKind) -> None:
    lost = DriftOutcome(kind=kind, volume_handle="my vol", node_id="node-a", why="")
    answer = judge_drift(ended(left={kind.value: 3}, drifts=(lost,)), "d.csi.test", NOW)
    assert (answer.result, answer.command) == ("failed", "mooring explain 'my vol'")
    assert (f"{kind.value}: 3" in answer.cause, "mooring drift -o wide" in answer.fix) == (True, True)


@pytest.mark.parametrize(
    ("named", "by", "result", "told"),
    [
        ("", set(), "skipped", "there is no Schedule reconcile/d.csi.test"),
        ("mine", set(), "failed", "names task queue mine, which no worker has polled"),
        ("others", set(), "failed", "names task queue others, which no worker has polled"),
        ("others", {"worker-2", "worker-1"}, "warning", "names task queue others, not mine, so worker-1, worker-2 carry out"),
        ("mine", {"worker-1"}, "ok", "mine"),
    ],
)
def test_the_schedule_is_judged_by_who_polls_the_queue_it_names(named: str, by: set[str], result: str, told: str) -> None:
    answer = judge_schedule("d.csi.test", "mine", named, by)
    assert (answer.result, told in answer.cause + answer.detail) == (result, True)
    assert bool(answer.fix) == (result in ("warning", "failed"))

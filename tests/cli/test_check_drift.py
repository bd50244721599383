"""The last reconciliation, as `mooring check` reports it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mooring.checks.drift import judge_drift, judge_schedule
from mooring.models.drift import VANISHED, DriftKind
from mooring.models.reconciliation import DriftOutcome, ReconcileResult
from mooring.reconciliation.report import ReconciliationReport, Run
from mooring.states import State
from mooring.temporal.queues import QueueWorkers, Version

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


def late(**fields: Any) -> ReconciliationReport:
    """Return a reconciliation that ended 36 minutes ago, where one is due every five."""
    return ended(compared=7).model_copy(update={"interval": 300, "ended_at": NOW - timedelta(minutes=36), **fields})


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (late(), "completed 36 min ago"),
        (late(ended_at=None, result=None, begun_at=NOW - timedelta(hours=1)), "has yet to complete"),
        (late(paused="for the move"), "is paused (for the move)"),
        (late(failed="It ended as FAILED."), "ended as FAILED"),
    ],
)
def test_reconciliations_that_have_ceased_are_a_failure(report: ReconciliationReport, told: str) -> None:
    answer = judge_drift(report, "d.csi.test", NOW)
    assert (answer.result, told in answer.cause) == ("failed", True)
    assert answer.fix


def test_a_reconciliation_that_no_worker_polls_for_is_a_failure_that_names_its_task_queue() -> None:
    run = Run(workflow_id="reconcile/d.csi.test-2026", run_id="r")
    answer = judge_drift(
        ended(compared=7).model_copy(update={"running": run, "running_queue": "q1"}), "d.csi.test", NOW, polled("q1")
    )
    assert (answer.result, "task queue q1" in answer.cause, "MOORING_TASK_QUEUE=q1" in answer.fix) == ("failed", True, True)
    assert answer.command.endswith("reconcile/d.csi.test-2026")


def test_a_reconciliation_that_waits_for_a_version_names_it_and_the_command_that_lets_it_go_on() -> None:
    idle = polled("q1", idle={"w": Version("mooring", "7")})
    report = ended(compared=7).model_copy(update={"running": Run(workflow_id="reconcile/d", run_id="r"), "running_queue": "q1"})
    for answer in (judge_drift(report, "d.csi.test", NOW, idle), judge_schedule("d.csi.test", "q1", "q1", idle)):
        assert (answer.result, "polled by w (build 7 of mooring)" in answer.cause) == ("failed", True)
        assert answer.command.endswith("--deployment-name mooring --build-id 7")


def polled(queue: str, by: Iterable[str] = (), idle: dict[str, Version] | None = None) -> QueueWorkers:
    """Return the workers of a queue, where no version is current."""
    return QueueWorkers("default", queue, frozenset(by), idle or {}, Version())


def test_a_reconciliation_is_not_late_before_three_were_missed() -> None:
    assert judge_drift(late(ended_at=NOW - timedelta(minutes=15)), "d.csi.test", NOW).result == "ok"


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
        ("others", {"worker-2", "worker-1"}, "failed", "names task queue others, not mine, so worker-1, worker-2 carry out"),
        ("mine", {"worker-1"}, "ok", "mine"),
    ],
)
def test_the_schedule_is_judged_by_who_polls_the_queue_it_names(named: str, by: set[str], result: str, told: str) -> None:
    answer = judge_schedule("d.csi.test", "mine", named, polled(named, by) if named else None)
    assert (answer.result, told in answer.cause + answer.detail) == (result, True)
    assert bool(answer.fix) == (result in ("warning", "failed"))

"""ReconcileAttachments: find differences between records, cluster and backend, heal safe ones, and report the rest.

Contract: a drift counts when two looks show it, a settling pause apart. If more heals are due than the drift guard permits,
nothing is healed until an operator approves of it (update `approve`), and only drifts that a look after that still shows. A heal
that fails prevents no other. It ends with a result that counts everything.

Not kept here: drifts and their remedies (mooring/reconciliation/comparison.py), healing (mooring/reconciliation/healer.py), the
times of runs (mooring/reconciliation/schedule.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

from mooring.process.words import counted

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import ReconcileActivities
    from mooring import names
    from mooring.errors import NothingToApprove
    from mooring.events.reasons import EventNote, Reason
    from mooring.models import Approval
    from mooring.models.drift import Drift, DriftKind, Heal, Key, SurveyResult
    from mooring.models.reconciliation import (
        MAX_REPORTED,
        HealResult,
        Outcome,
        Progress,
        ReconcileOptions,
        ReconcileRequest,
        ReconcileResult,
    )
    from mooring.reconciliation.result import conclude
    from mooring.states import State
    from workflows.common.details import RunDetails
    from workflows.common.events import record_event
    from workflows.common.failures import STOPPED, cause, ended, failed_step, failure, reason, stopped
    from workflows.common.payloads import NOTHING, read_request
    from workflows.common.visibility import count, show_driver

_ATTEMPT = timedelta(minutes=10)
_BUDGET = timedelta(minutes=30)
_SILENCE = timedelta(seconds=30)
_RETRY_AT_MOST = timedelta(seconds=30)
_HEAL_ATTEMPTS = 3
_MAX_CONCURRENT = 16
"""Volumes that are healed at once."""
_MAX_NODES = 10
"""Nodes whose evacuation one run begins: each looks at its node for as long as it waits, and a list may have lost them all."""
_RELEASED = (DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT, DriftKind.UNKNOWN_TO_RECORD)


@workflow.defn(name=names.RECONCILE)
class ReconcileAttachments:
    """The workflow that the Schedule `reconcile/<driver>` starts; takes a ReconcileRequest, returns a ReconcileResult."""

    def __init__(self) -> None:
        self._driver = ""
        self._options: ReconcileOptions
        self._state = State.RECONCILING
        self._found = SurveyResult()
        self._results: dict[Key, HealResult] = {}
        self._approval: Approval | None = None
        self._details = RunDetails()

    @workflow.query(name=names.PROGRESS)
    def progress(self) -> Progress:
        """Return the progress."""
        found = self._found
        return Progress(
            driver=self._driver,
            state=self._state,
            counts=found.counts,
            due=found.due,
            done=len(self._results),
            drifts=found.drifts[:MAX_REPORTED],
        )

    @workflow.update(name=names.APPROVE)
    def approve(self, approval: Approval) -> str:
        """Let the due heals be made."""
        self._approval = approval
        return f"Approved by {approval.by}: those of {self._due()} that another look still shows are made."

    @approve.validator
    def _awaits(self, approval: Approval) -> None:  # noqa: ARG002 - whoever it is, it is too late or too early
        if self._state is not State.AWAITING_APPROVAL or self._approval is not None:
            raise failure(NothingToApprove(f"The reconciliation of driver {self._driver} doesn't wait for an approval."))

    @workflow.run
    async def run(self, request: RawValue = NOTHING) -> ReconcileResult:
        """Reconcile; see the module."""
        asked = read_request(ReconcileRequest, request)
        self._driver = asked.driver
        try:
            self._options = await self._begin(asked)
            self._show(State.RECONCILING)
            self._found = await self._confirmed()
            if self._options.heal and await self._may_heal():
                await self._heal()
        except STOPPED as error:
            what = f"The reconciliation of driver {self._driver} did not complete"
            raise ended(stopped(error), what) from failed_step(error)
        return self._end()

    async def _begin(self, asked: ReconcileRequest) -> ReconcileOptions:
        try:
            return await workflow.execute_local_activity_method(
                ReconcileActivities.begin, asked, start_to_close_timeout=timedelta(seconds=10)
            )
        except ActivityError as error:
            raise cause(error) or error from None

    async def _confirmed(self) -> SurveyResult:
        """Return the drifts that two looks show."""
        first = await self._look("look for drift")
        if not first.drifts:
            return first
        with self._details.step("let what is under way settle"):
            await workflow.sleep(self._options.settle, summary="let what is under way settle")
        return first.confirmed_by(await self._look("look again"))

    async def _may_heal(self) -> bool:
        """Return whether the drift guard, or an operator, permits the due heals."""
        if self._found.due <= self._options.guard:
            return True
        guard = self._options.guard
        self._show(
            State.AWAITING_APPROVAL, f"{self._due()} are due, and MOORING_DRIFT_GUARD lets {guard} be made without an approval."
        )
        workflow.logger.warning("%s wait for an operator's approval.", self._due())
        with self._details.step("an operator's approval"), suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._approval is not None,
                timeout=self._options.approval_wait,
                timeout_summary=names.summary(f"{self._due()} wait for an operator's approval"),
            )
        if self._approval is None:
            return False
        self._show(State.RECONCILING, f"{self._approval.by} has approved of {self._due()}: {self._approval.reason}")
        self._found = self._found.confirmed_by(await self._look("look again, as approved"))
        return True

    async def _look(self, summary: str) -> SurveyResult:
        with self._details.step(summary):
            return await workflow.execute_activity_method(
                ReconcileActivities.survey,
                start_to_close_timeout=_ATTEMPT,
                schedule_to_close_timeout=_BUDGET,
                heartbeat_timeout=_SILENCE,
                retry_policy=RetryPolicy(maximum_interval=_RETRY_AT_MOST),
                summary=summary,
            )

    async def _heal(self) -> None:
        """Make the due heals: volumes side by side, the drifts of one in turn, of some nodes the evacuation once."""
        self._details.enter(self._state, f"{self._due()} are being made.")
        volumes: dict[str, list[Drift]] = {}
        for drift in self._found.drifts:
            if drift.heal:
                volumes.setdefault(_turn(drift), []).append(drift)
        nodes = [turn for turn, drifts in volumes.items() if drifts[0].heal is Heal.EVACUATE]
        for turn in workflow.random().sample(nodes, max(0, len(nodes) - _MAX_NODES)):
            del volumes[turn]
        turns = asyncio.Semaphore(_MAX_CONCURRENT)

        async def heal(drifts: list[Drift]) -> None:
            async with turns:
                await self._heal_in_turn(drifts)

        await asyncio.gather(*(heal(drifts) for drifts in volumes.values()))

    async def _heal_in_turn(self, drifts: list[Drift]) -> None:
        """Heal drifts in turn. NB: a heal moves the epoch that the next of its volume was seen at."""
        epoch: int | None = None
        result: HealResult | None = None
        for drift in drifts:
            if drift.heal is not Heal.EVACUATE or result is None:
                result = await self._heal_one(drift if epoch is None else drift.model_copy(update={"epoch": epoch}))
            self._results[drift.key] = result
            epoch = result.epoch if result.outcome is Outcome.HEALED else epoch
            if result.outcome is Outcome.HEALED:
                self._tell(drift)

    async def _heal_one(self, drift: Drift) -> HealResult:
        summary = names.summary(f"{drift.heal}: {drift.volume_handle} on {drift.node_id}")
        try:
            with self._details.step(summary):
                return await workflow.execute_activity_method(
                    ReconcileActivities.heal,
                    drift,
                    task_queue=names.waiting_queue(workflow.info().task_queue),
                    start_to_close_timeout=_ATTEMPT,
                    heartbeat_timeout=_SILENCE,
                    retry_policy=RetryPolicy(maximum_interval=_RETRY_AT_MOST, maximum_attempts=_HEAL_ATTEMPTS),
                    summary=summary,
                )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return HealResult(outcome=Outcome.FAILED, said=reason(error))

    def _tell(self, drift: Drift) -> None:
        meter = workflow.metric_meter().with_additional_attributes({"kind": drift.kind.value})
        meter.create_counter("mooring_drift_healed", "Drifts that were healed.").add(1)
        if drift.kind in _RELEASED:
            why = f"{drift.why} It is detached."
            record_event(EventNote(Reason.STALE_ATTACHMENT_RELEASED, drift.volume_handle, drift.node_id, drift.mark, why))

    def _end(self) -> ReconcileResult:
        took = workflow.now() - workflow.info().workflow_start_time
        result = conclude(
            self._driver,
            self._found,
            self._results,
            seconds=round(took.total_seconds(), 3),
            approval=self._approval,
            unapproved=self._unapproved(),
        )
        self._show(result.state, result.message)
        count("reconcile", result.state)
        return result

    def _unapproved(self) -> str:
        if not self._options.heal or self._found.due <= self._options.guard or self._approval is not None:
            return ""
        return f"Nothing is healed: {self._due()} exceed the drift guard of {self._options.guard}, and nobody has approved them."

    def _due(self) -> str:
        return f"{counted(self._found.due, 'heal')} of driver {self._driver}"

    def _show(self, state: State, cause: str = "") -> None:
        self._state = state
        self._details.enter(state, cause)
        show_driver(self._driver, state, search_attributes=self._options.search_attributes)


def _turn(drift: Drift) -> str:
    """Return the name of the turn that the drift is healed in: that of its volume or, for an evacuation, of its node."""
    return f"node {drift.node_id}" if drift.heal is Heal.EVACUATE else f"volume {drift.volume_handle}"

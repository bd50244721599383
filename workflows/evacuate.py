"""EvacuateNode: release the volumes of a node that is dead, once that is proven.

Contract: nothing is released before there is proof (workflows/evacuation/proof.py), and nothing on a look at the node that is older
than `_FRESH`: if the node is back, the evacuation stops. Each release is an unpublish under the volume's lock, bound to the
epoch at which it was listed. It ends once a fresh list shows that the node holds nothing. The approval and the evidence are in the
history and in the result. Cancelled, it stops where it is; released volumes remain so.

Not kept here: the rounds of releases (workflows/evacuation/releases.py), and the retries of a step (workflows/evacuation/steps.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from mooring.errors import NothingToApprove
    from mooring.events.reasons import EventNote, Reason
    from mooring.models import Approval
    from mooring.models.evacuation import CarriedOver, EvacuateRequest, EvacuationProgress, EvacuationResult, ReadNodeResult
    from mooring.names import APPROVE, EVACUATE, PROGRESS
    from mooring.states import State
    from workflows.common.cancellation import stop_if_cancelled
    from workflows.common.events import record_event
    from workflows.common.failures import STOPPED, ended, failed_step, failure, stopped
    from workflows.common.payloads import NOTHING, read_request
    from workflows.common.visibility import count, show_node
    from workflows.evacuation.proof import Proof, is_back
    from workflows.evacuation.releases import Releases
    from workflows.evacuation.steps import EvacuationSteps

_FRESH = timedelta(seconds=5)


@workflow.defn(name=EVACUATE)
class EvacuateNode:
    """The workflow with the id `evacuate/<driver>/<node id>`; takes an EvacuateRequest, returns an EvacuationResult."""

    def __init__(self) -> None:
        self._asked: EvacuateRequest
        self._steps: EvacuationSteps
        self._proof: Proof
        self._releases: Releases | None = None
        self._state = State.AWAITING_PROOF
        self._node = workflow.info().workflow_id.split("/", 2)[-1]
        self._name = ""
        self._names: dict[str, None] = {}
        """Names of all Nodes known to have had the node id: a forgotten one would not have to be dead."""
        self._seen: set[str] = set()
        """Names of the Nodes that were looked at."""
        self._automatic = True
        self._woken = False
        self._since = workflow.now()
        self._looked_at: datetime | None = None
        self._looking = asyncio.Lock()
        self._held = 0
        self._waits_for = ""
        self._approval: Approval | None = None
        self._evidence = ""
        self._back = ""

    @workflow.run
    async def run(self, request: RawValue = NOTHING) -> EvacuationResult:
        """Evacuate; see the module."""
        self._asked = read_request(EvacuateRequest, request)
        self._node = self._asked.node_id
        self._join(self._asked)
        self._steps = await EvacuationSteps.begin(self._node)
        self._proof = Proof(self._steps.options.node_gone, self._steps.options.limits.attempt_timeout)
        self._releases = self._go_on(self._asked.so_far or CarriedOver(since=self._since))
        try:
            why_not = "" if self._evidence else await self._prove(self._releases)
            return self._end(State.NOT_NEEDED, why_not) if why_not else await self._evacuate(self._releases)
        except STOPPED as error:
            raise ended(stopped(error), f"{self._what()} was stopped: {self._counts()}") from failed_step(error)

    @workflow.signal(name=EVACUATE)
    def asked_again(self, request: EvacuateRequest) -> None:
        """Join another request for this evacuation: take in its knowledge of the node, and look at that once more."""
        self._join(request)

    @workflow.query(name=PROGRESS)
    def progress(self) -> EvacuationProgress:
        """Return the progress."""
        return EvacuationProgress(
            state=self._state,
            waits_for=self._waits_for,
            total=self._released + self._left,
            released=self._released,
            failing=len(self._releases.failed) if self._releases else 0,
            failed=self._releases.told if self._releases else {},
            evidence=self._evidence,
            since=self._since,
            departed=self._releases.departed if self._releases else (),
        )

    @workflow.update(name=APPROVE)
    def approve(self, approval: RawValue) -> str:
        """Take an operator's approval that the node is off."""
        self._approval = read_request(Approval, approval)
        self._woken = True
        return f"{self._what()} goes on, approved by {self._approval.by}."

    @approve.validator
    def _check(self, approval: RawValue) -> None:
        read_request(Approval, approval)
        if self._evidence or self._approval:
            raise failure(NothingToApprove(f"{self._what()} doesn't wait for an approval: {self._evidence or 'it has one'}."))

    async def _prove(self, releases: Releases) -> str:
        """Wait for proof and return "", or the reason why there is nothing to be done."""
        while True:
            seen = await self._look()
            self._evidence = self._proof.weigh(seen, self._approval, workflow.now())
            if self._evidence:
                return ""
            if not seen.holds and not (await releases.relist()).total:
                return f"no volume is recorded as held by it ({seen.words})"
            if self._automatic and is_back(seen) and not self._woken:
                return f"{seen.words}, and nobody has confirmed that it is off"
            self._wait(seen)
            with self._steps.details.step(f"proof that node {self._node} is dead", self._since), suppress(asyncio.TimeoutError):
                await workflow.wait_condition(lambda: self._woken, timeout=self._proof.pause)
            if workflow.info().is_continue_as_new_suggested():
                self._continue()

    async def _evacuate(self, releases: Releases) -> EvacuationResult:
        self._waits_for = ""
        self._enter(State.EVACUATING, self._goes_on())
        for pause in self._steps.pauses():
            moved = await releases.round()
            if self._back and not self._woken:
                return self._end(State.NOT_NEEDED, self._back)
            if self._back:  # and asked for again since
                self._evidence, self._approval = "", None
                self._continue()
            if not releases.held and not moved:
                return self._end(State.EVACUATED, self._evidence)
            self._steps.details.enter(State.EVACUATING, self._goes_on())
            if not moved or releases.failed:
                with self._steps.details.step(f"pause before the next round of releases ({pause.total_seconds():g} s)"):
                    await workflow.sleep(pause, summary="before the next round")
            if releases.full:
                self._continue()
        raise AssertionError("there is always another round")

    async def _is_still_dead(self) -> bool:
        """Return whether a fresh enough look doesn't show the node alive."""
        self._steps.details.enter(State.EVACUATING, self._goes_on())
        async with self._looking:
            if not self._back and not self._is_fresh():
                self._back = self._proof.refuted(await self._look(), self._approval)
            return not self._back

    def _is_fresh(self) -> bool:
        return self._looked_at is not None and workflow.now() - self._looked_at <= min(_FRESH, self._proof.pause)

    async def _look(self) -> ReadNodeResult:
        self._woken = False
        seen, self._looked_at = await self._steps.look(list(self._names)), workflow.now()
        stop_if_cancelled()
        self._name = seen.node_name or self._name
        if not self._seen >= set(seen.names):
            self._proof.absence = None  # a Node that was not looked at before may have been there
        self._seen.update(seen.names)
        self._names.update(dict.fromkeys(seen.names))
        self._held = seen.holds
        return seen

    def _continue(self) -> NoReturn:
        so_far = CarriedOver(
            since=self._since,
            approval=self._approval,
            evidence=self._evidence,
            absence=self._proof.absence,
            ailing=self._proof.ailing,
            released=self._released,
            node_names=tuple(self._names) if len(self._names) > 1 else (),
        )
        known = {"node_name": self._name, "automatic": self._automatic, "so_far": so_far}
        workflow.continue_as_new(self._asked.model_copy(update=known))

    def _go_on(self, so_far: CarriedOver) -> Releases:
        self._since, self._evidence = so_far.since, so_far.evidence
        self._names.update(dict.fromkeys(so_far.node_names))
        self._seen.update(so_far.node_names or ([self._asked.node_name] if self._asked.so_far else []))
        self._proof.absence, self._proof.ailing = so_far.absence, so_far.ailing
        self._approval = self._approval or so_far.approval
        return Releases(self._steps, self._is_still_dead, so_far.released, self._asked.releases_a_run)

    def _join(self, request: EvacuateRequest) -> None:
        self._name = self._name or request.node_name
        self._names.update(dict.fromkeys([request.node_name] if request.node_name else []))
        self._automatic, self._woken = self._automatic and request.automatic, True

    def _wait(self, seen: ReadNodeResult) -> None:
        begins = not self._waits_for
        self._waits_for = self._proof.missing(seen, self._node)
        self._steps.details.enter(State.AWAITING_PROOF, self._waits_for)
        if begins:
            self._enter(State.AWAITING_PROOF, self._waits_for)
        if begins and self._asked.so_far is None:
            self._tell(Reason.EVACUATION_WAITS, f"{self._what()} waits for proof that it is dead. {self._waits_for}")

    def _end(self, state: State, why: str) -> EvacuationResult:
        count("evacuate", state)
        is_done = state is State.EVACUATED
        how = "is done" if is_done else "has stopped" if self._released else "is not needed"
        message = f"{self._what()} {how}, because {why}: {self._counts()}."
        self._waits_for = ""
        self._enter(state, message)
        if is_done or self._released:
            self._tell(Reason.EVACUATION_COMPLETED if is_done else Reason.EVACUATION_STOPPED, message)
        return self._result(state, message)

    def _result(self, state: State, message: str) -> EvacuationResult:
        return EvacuationResult(
            driver=self._asked.driver,
            node_id=self._node,
            node_name=self._name,
            state=state,
            asked_by=self._asked.asked_by,
            released=self._released,
            left=self._left,
            evidence=self._evidence,
            approval=self._approval,
            message=message,
            departed=self._releases.departed if self._releases else (),
        )

    def _enter(self, state: State, cause: str) -> None:
        self._state = state
        self._steps.details.enter(state, cause)
        show_node(self._steps.options.limits, self._asked.driver, self._node, state)

    def _tell(self, about: Reason, note: str) -> None:
        record_event(EventNote(about, "", self._node, None, note, node_name=self._name))

    @property
    def _released(self) -> int:
        return self._releases.released if self._releases else 0

    @property
    def _left(self) -> int:
        """The volumes still held: by the last list of a round, before that by the index."""
        return self._releases.held if self._releases and self._evidence else self._held

    def _goes_on(self) -> str:
        done = f" So far: {self._counts()}." if self._released or self._left else ""
        return f"{self._what()} goes on, because {self._evidence}.{done}{self._releases.obstacle if self._releases else ''}"

    def _counts(self) -> str:
        return self._releases.counted(self._left) if self._releases else ""

    def _what(self) -> str:
        return f"The evacuation of node {self._node}"

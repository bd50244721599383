"""The judge of operations that end, by made-up histories: of a run that was reset, what is its own, and what its former self's."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field

from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes, WorkflowTaskFailedEventAttributes

from tests.simulation.campaign.endings import PUBLISH, Endings
from tests.simulation.checker import Checker
from tests.simulation.history import PvChange
from tests.simulation.temporal_server.run import FAILED, TERMINATED, Run
from tests.simulation.temporal_server.server import Server
from tests.simulation.test_checker import DRIVER, NOW, Story

FORMER = "run-1"
RESET = "run-9"


@dataclass
class Judged:
    """What the judge says of a story; `by`: the run that makes all calls."""

    by: str = FORMER
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        checker = Checker(DRIVER)
        self.endings = Endings(
            checker, lambda rule, *_: self.said.append(rule), lambda _: frozenset(), lambda *_: False, lambda _: self.by
        )

    def see(self, story: Story) -> None:
        """Have the judge see what happened."""
        for event in story.history:
            if isinstance(event, PvChange):
                self.endings.see(event)
            elif event.event == "call":
                self.endings.called(event.call)
            self.endings.checker.see(event)

    def fail(self, base: str = FORMER) -> None:
        """Have a publish of node a be terminated, and fail after it was reset from `base`."""
        for run_id, status in ((FORMER, TERMINATED), (RESET, FAILED)):
            asked = Payloads(payloads=[Payload(data=json.dumps({"node_id": "a"}).encode())])
            started = WorkflowExecutionStartedEventAttributes(workflow_type=WorkflowType(name=PUBLISH), input=asked)
            server = Server(random.Random(1))  # noqa: S311 - a seed is the point
            run = Run(server, "volume/vol", run_id, started, status=status, started_at=NOW)
            if run_id == RESET:
                failed = WorkflowTaskFailedEventAttributes(base_run_id=base, new_run_id=RESET)
                run.events.append(HistoryEvent(workflow_task_failed_event_attributes=failed))
            self.endings.ended(run, "vol")


def test_a_publish_that_failed_is_blamed_for_what_it_attached() -> None:
    judged = Judged(by=RESET)
    judged.see(Story().pv(kind="ADDED").call("publish", "a", None, "attach"))
    judged.fail()
    assert judged.said == ["nothing left"]


def test_it_is_not_blamed_for_what_the_run_attached_that_it_was_reset_from() -> None:
    judged = Judged(by=FORMER)
    judged.see(Story().pv(kind="ADDED").call("publish", "a", None, "attach"))
    judged.fail()
    assert judged.said == []


def test_a_write_of_the_run_that_it_was_reset_from_lands_no_more_after_it_has_failed() -> None:
    judged = Judged()
    judged.see(Story().pv(kind="ADDED"))
    judged.fail()
    judged.see(Story().pv("a", epoch=1))
    assert judged.said == ["nothing lands"]


def test_a_write_of_another_run_that_was_reset_from_the_same_one_may_land() -> None:
    judged = Judged()
    judged.see(Story().pv(kind="ADDED"))
    judged.fail(base="run-0")
    judged.see(Story().pv("a", epoch=1))
    assert judged.said == []


def test_an_operation_is_blamed_for_an_epoch_below_one_at_which_it_had_the_driver_called() -> None:
    judged = Judged(by="run-1")
    judged.see(Story().pv(kind="ADDED").pv("a", epoch=2).call("publish", "a", 4, "attach").pv(kind="DELETED"))
    judged.see(Story().pv(kind="ADDED", uid="u2").pv("a", epoch=1, uid="u2"))
    assert judged.said == ["epochs are known"]


def test_another_operation_is_not_blamed_for_an_epoch_that_it_does_not_know() -> None:
    judged = Judged(by="run-2")
    judged.see(Story().pv(kind="ADDED").pv("a", epoch=2).call("publish", "a", 4, "attach").pv(kind="DELETED"))
    judged.see(Story().pv(kind="ADDED", uid="u2").pv("a", epoch=1, uid="u2"))
    assert judged.said == []

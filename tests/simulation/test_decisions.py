"""Decisions of the code that the simulated core takes in as the real one does, where no scenario meets them for sure."""

from __future__ import annotations

from temporalio.bridge.proto.workflow_commands import CancelSignalWorkflow, WorkflowCommand

from tests.simulation.temporal_core.decisions import Decisions


def test_a_signal_that_was_sent_is_not_taken_back_for_a_cancellation() -> None:
    decisions = Decisions("volume/a/b", "default", "a-queue")

    decisions.decide(WorkflowCommand(cancel_signal_workflow=CancelSignalWorkflow(seq=1)))

    assert (decisions.send(), decisions.jobs) == ([], [])

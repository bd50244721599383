"""The starts of runs: by callers, parents, predecessors and schedules, under the policies of workflow ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Memo, SearchAttributes, WorkflowExecution
from temporalio.api.enums.v1 import ContinueAsNewInitiator, WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from tests.simulation.temporal_server import run as runs
from tests.simulation.temporal_server.commands import merge_fields
from tests.simulation.temporal_server.defaults import DEFAULT_TIMEOUT
from tests.simulation.temporal_server.errors import already_started
from tests.simulation.temporal_server.history import duration, seconds
from tests.simulation.temporal_server.run import Parent, Run

if TYPE_CHECKING:
    from tests.simulation.temporal_server.server import Server

_REUSE: Final = WorkflowIdReusePolicy
_CONFLICT: Final = WorkflowIdConflictPolicy
_DID_WELL: Final = (runs.COMPLETED,)


@dataclass(frozen=True, slots=True)
class Started:
    """The answer to a start: the run, and whether it was started now."""

    run: Run
    now: bool


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of all runs."""

    server: Server

    def start(self, asked: Any, signal: Mapping[str, Any] | None = None, **more: Any) -> Started:
        """Start a run for a caller, or join the one that is open, as the policies of its id say.

        Raises:
            RPCError: the id is taken.

        """
        last = self.server.find(asked.workflow_id)
        if last is not None:
            if asked.request_id and asked.request_id in last.requests:
                return Started(last, now=False)
            if self._joins(last, asked.workflow_id_conflict_policy, asked.workflow_id_reuse_policy):
                return Started(last, now=False)
        run_id = self.server.new_id()
        started = self._attributes(asked, run_id, **more)
        run = self._make(asked.workflow_id, run_id, started, None, asked)
        run.requests.add(asked.request_id)
        delay = seconds(getattr(asked, "workflow_start_delay", duration(0)))
        self._begin(run, asked.user_metadata if asked.HasField("user_metadata") else None, delay, signal)
        return Started(run, now=True)

    def start_child(self, parent: Run, initiated_id: int, asked: Any, metadata: Any) -> Run:
        """Start a child.

        Raises:
            RPCError: the id is taken.

        """
        last = self.server.find(asked.workflow_id)
        if last is not None:
            self._joins(last, _CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_FAIL, asked.workflow_id_reuse_policy)
        run_id = self.server.new_id()
        root = parent.started.root_workflow_execution
        execution = WorkflowExecution(workflow_id=parent.workflow_id, run_id=parent.run_id)
        started = self._attributes(
            asked,
            run_id,
            parent_workflow_namespace=self.server.namespace,
            parent_workflow_execution=execution,
            parent_initiated_event_id=initiated_id,
            root_workflow_execution=root if root.workflow_id else execution,
        )
        run = self._make(asked.workflow_id, run_id, started, Parent(parent, initiated_id), asked)
        self._begin(run, metadata, 0)
        return run

    def continue_as_new(self, before: Run, asked: Any, run_id: str, pause: float) -> Run:
        """Start the run that goes on in another's place, which ends now."""
        was = before.started
        started = self._attributes(
            asked,
            run_id,
            first_execution_run_id=was.first_execution_run_id,
            continued_execution_run_id=before.run_id,
            initiator=ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW,
            workflow_execution_timeout=was.workflow_execution_timeout,
            workflow_execution_expiration_time=_set(was, "workflow_execution_expiration_time"),
            parent_workflow_namespace=was.parent_workflow_namespace,
            parent_workflow_execution=_set(was, "parent_workflow_execution"),
            parent_initiated_event_id=was.parent_initiated_event_id,
            root_workflow_execution=_set(was, "root_workflow_execution"),
            first_workflow_task_backoff=duration(pause),
        )
        run = self._make(before.workflow_id, run_id, started, before.parent, asked, before)
        if before.parent is not None:
            child = before.parent.run.children.get(before.parent.initiated_id)
            if child is not None:
                child.run = run
        metadata = before.events[0].user_metadata if before.events[0].HasField("user_metadata") else None
        self._begin(run, metadata, pause)
        return run

    def _joins(self, last: Run, conflict: Any, reuse: Any) -> bool:
        """Return whether the open run is joined instead.

        Raises:
            RPCError: the id is taken.

        """
        if last.open:
            if conflict == _CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING:
                return True
            ends = conflict == _CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
            if not ends and reuse != _REUSE.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING:
                raise self._taken(last)
            self.server.terminate(last, "TerminateIfRunning WorkflowIdReusePolicy", "history-service")
        elif reuse == _REUSE.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE or (
            reuse == _REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY and last.status in _DID_WELL
        ):
            raise self._taken(last)
        return False

    def _taken(self, last: Run) -> Exception:
        return already_started(last.run_id, last.started.first_execution_run_id, "")

    def _attributes(self, asked: Any, run_id: str, **more: Any) -> WorkflowExecutionStartedEventAttributes:
        named = {
            "workflow_type": asked.workflow_type,
            "task_queue": asked.task_queue,
            "input": _set(asked, "input"),
            "workflow_run_timeout": asked.workflow_run_timeout,
            "workflow_execution_timeout": getattr(asked, "workflow_execution_timeout", None),
            "workflow_task_timeout": _task_timeout(asked),
            "identity": getattr(asked, "identity", ""),
            "memo": _set(asked, "memo"),
            "search_attributes": _set(asked, "search_attributes"),
            "header": _set(asked, "header"),
            "original_execution_run_id": run_id,
            "first_execution_run_id": run_id,
            "attempt": 1,
        }
        fields = {**named, **more}
        limit = seconds(fields["workflow_execution_timeout"]) if fields["workflow_execution_timeout"] is not None else 0
        if limit and not seconds(fields["workflow_run_timeout"]):
            fields["workflow_run_timeout"] = fields["workflow_execution_timeout"]
        longest = seconds(fields["workflow_run_timeout"])
        if longest:
            fields["workflow_task_timeout"] = duration(min(longest, seconds(fields["workflow_task_timeout"])))
        return WorkflowExecutionStartedEventAttributes(**{name: value for name, value in fields.items() if value is not None})

    def _make(
        self, workflow_id: str, run_id: str, started: Any, parent: Parent | None, asked: Any, before: Run | None = None
    ) -> Run:
        started.workflow_id = workflow_id
        memo, attributes = Memo(), SearchAttributes()
        memo.CopyFrom(asked.memo)
        attributes.CopyFrom(asked.search_attributes)
        run = Run(self.server, workflow_id, run_id, started, parent, memo=memo)
        if before is not None:
            run.search_attributes.CopyFrom(before.search_attributes)
            run.search_attributes.indexed_fields.pop("TemporalChangeVersion", None)
        merge_fields(run.search_attributes.indexed_fields, attributes.indexed_fields)
        self.server.add(run)
        return run

    def _begin(self, run: Run, metadata: Any, delay: float, signal: Mapping[str, Any] | None = None) -> None:
        fields = {field.name: value for field, value in run.started.ListFields()}
        run.write("WORKFLOW_EXECUTION_STARTED", metadata, **fields)
        run.started = run.events[0].workflow_execution_started_event_attributes
        if signal is not None:
            run.write("WORKFLOW_EXECUTION_SIGNALED", **signal)
        limit = seconds(run.started.workflow_run_timeout)
        if limit:
            run.deadline(limit, lambda: self.server.time_out(run))
        if delay > 0:
            run.deadline(delay, lambda: self.server.tasks.schedule(run))
        else:
            self.server.tasks.schedule(run)
        self.server.visibility.note(run)


def _task_timeout(asked: Any) -> Any:
    return asked.workflow_task_timeout if seconds(asked.workflow_task_timeout) else duration(DEFAULT_TIMEOUT)


def _set(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None

"""The log entries of operations: which run, step and attempt they are about, and a line for each step that fails.

Contract: every entry that a step or a workflow logs, be it Mooring's or the SDK's, names the volume or the node, the operation, its
run and the attempt in fields. An expected failure, which Temporal tries again or the operation answers for, is one line with the
reason. A failure that nobody expected keeps its traceback.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, Interceptor

from mooring.process.logs import note_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from temporalio.worker import ExecuteActivityInput

_ABOUT: Final = {"volume": "volume", "unpersisted": "volume", "read": "volume", "migration": "volume", "evacuate": "node"}
"""What the last part of a workflow id names, by its first part."""


def run_fields() -> Mapping[str, str | int]:
    """Return the fields of the run that logs, none if no run does."""
    if activity.in_activity():
        return _step_fields()
    if not workflow.in_workflow():
        return {}
    info = workflow.info()
    return _fields(info.workflow_type, info.workflow_id, info.run_id, attempt=info.attempt)


def _step_fields() -> Mapping[str, str | int]:
    info = activity.info()
    step: dict[str, str | int] = {"step": info.activity_type, "attempt": info.attempt}
    return _fields(info.workflow_type or "", info.workflow_id or "", info.workflow_run_id or "", **step)


def _fields(operation: str, workflow_id: str, run_id: str, **step: str | int) -> Mapping[str, str | int]:
    kind, _, rest = workflow_id.partition("/")
    subject = {_ABOUT[kind]: rest.partition("/")[2]} if kind in _ABOUT else {}
    return {**subject, "operation": operation, **step, "workflow_id": workflow_id, "run_id": run_id}


class StepFields(Interceptor):
    """An interceptor that notes volume and node of a step, by their full names, and its trace, for its log entries."""

    def __init__(self, trace: Callable[[], Mapping[str, str]]) -> None:
        self._trace = trace

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """See `Interceptor`."""
        return _NotedStep(next, self._trace)


class _NotedStep(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, trace: Callable[[], Mapping[str, str]]) -> None:  # noqa: A002
        super().__init__(next)
        self._trace = trace

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        """Note the fields and carry on. They remain for the SDK's entry about the step's end, which the same task logs."""
        note_fields(**self._trace())
        for argument in input.args:
            note_fields(volume=_handle(argument), node=_text(argument, "node_id"))
        return await super().execute_activity(input)


def _handle(argument: object) -> str:
    return _text(argument, "volume_handle") or _text(getattr(argument, "volume", None), "volume_handle")


def _text(argument: object, name: str) -> str:
    value = getattr(argument, name, "")
    return value if isinstance(value, str) else ""


class ExpectedFailures(logging.Filter):
    """A filter that makes one line of an expected failure of a step, as the SDK logs it with a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every entry pass."""
        step = getattr(record, "temporal_activity", None)
        error = record.exc_info[1] if record.exc_info else None
        if step and isinstance(error, ApplicationError):
            record.msg, record.args = "Step %s failed at attempt %s: %s", (step["activity_type"], step["attempt"], error.message)
            record.exc_info = None
        return True


def shorten_sdk_entries() -> None:
    """Have expected failures of this process's steps logged in one line each, and no entry repeat its fields in its message."""
    activity.logger.logger.addFilter(ExpectedFailures())
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False

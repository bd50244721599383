"""The log entries of steps that fail: an expected failure, which Temporal tries again or the operation answers for, is one line.

Contract: the line names the step, its attempt, the workflow id (and so the volume), the run and the reason. A failure that nobody
expected keeps its traceback.
"""

from __future__ import annotations

import logging

from temporalio import activity
from temporalio.exceptions import ApplicationError


class ExpectedFailures(logging.Filter):
    """A filter that makes one line of an expected failure of a step, as the SDK logs it with a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every entry pass."""
        step = getattr(record, "temporal_activity", None)
        error = record.exc_info[1] if record.exc_info else None
        if step and isinstance(error, ApplicationError):
            place = (step["activity_type"], step["workflow_id"], step["workflow_run_id"], step["attempt"])
            record.msg, record.args = "Step %s of %s, run %s, failed at attempt %s: %s", (*place, error.message)
            record.exc_info = None
        return True


def shorten_expected_failures() -> None:
    """Have expected failures of this process's steps logged in one line each."""
    activity.logger.logger.addFilter(ExpectedFailures())

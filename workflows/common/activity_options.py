"""The execution of a step: an activity that is retried until it succeeds, and cancelled only once it has really stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

with workflow.unsafe.imports_passed_through():
    from mooring import names

if TYPE_CHECKING:
    from mooring.models import OperationLimits


def patient(limits: OperationLimits, summary: str, attempt: float) -> ActivityConfig:
    """Return the options of a step whose attempts may take `attempt` seconds each; there is no last one."""
    return {
        "start_to_close_timeout": timedelta(seconds=attempt),
        "heartbeat_timeout": timedelta(seconds=limits.heartbeat_timeout),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(milliseconds=200),
            maximum_interval=timedelta(seconds=limits.retry_interval_max),
        ),
        # NB: any other type starts the rollback while the step is still running, and what it then does stays.
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        "summary": names.summary(summary),
    }

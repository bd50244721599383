"""An interceptor that lends a worker's recorder to workflow code, which can't reach out of its sandbox otherwise.

Not kept here: the Events of workflow code (workflows/common/events.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.worker import Interceptor

from mooring.events.reasons import RECORD_EVENT

if TYPE_CHECKING:
    from temporalio.worker import WorkflowInterceptorClassInput

    from mooring.events.reasons import RecordEvent


class RecorderInterceptor(Interceptor):
    """An interceptor of nothing; workflow code finds `take` among its external functions."""

    def __init__(self, take: RecordEvent) -> None:
        self._take = take

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> None:  # noqa: A002
        """See `Interceptor`."""
        input.unsafe_extern_functions[RECORD_EVENT] = self._take

"""The bare workflows that a publish is measured beside: what anybody would write by hand.

NB: the SDK's sandbox imports this file anew for each run, as it would theirs.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring.models import Write, WriteResult

WRITE = "bare_write"


@workflow.defn
class BareWrite:
    """One activity, which makes the write of a publish."""

    @workflow.run
    async def run(self, write: Write) -> WriteResult:
        """Make the write."""
        written: WriteResult = await workflow.execute_activity(
            WRITE,
            write,
            result_type=WriteResult,
            start_to_close_timeout=timedelta(seconds=10),
            heartbeat_timeout=timedelta(seconds=3),
        )
        return written


@workflow.defn
class Nothing:
    """No activity."""

    @workflow.run
    async def run(self) -> None:
        """Return at once."""

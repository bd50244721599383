"""The open operations, as a check's answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mooring.checks.results import Answer, failed, ok
from mooring.commands import arguments, code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mooring.temporal.under_way import UnderWay

MAX_REPORTED: Final = 10
"""Operations that the check names one by one."""
_LIST: Final = "mooring list --open"


def judge_operations(open_runs: Sequence[UnderWay], now: datetime) -> Answer:
    """Return the answer to whether an operation is stuck; `open_runs` are all that are under way, the oldest first."""
    stuck = [run for run in open_runs if run.is_stuck(now)]
    if not stuck:
        return ok(f"{len(open_runs)} under way" if open_runs else "")
    named = " ".join(_named(run, now) for run in stuck[:MAX_REPORTED])
    more = f" {len(stuck) - MAX_REPORTED} more are in the list." if len(stuck) > MAX_REPORTED else ""
    return failed(f"{len(stuck)} under way for over ten minutes. {named}{more}", "See what each waits for, and all others:", _LIST)


def _named(run: UnderWay, now: datetime) -> str:
    where = f" for node {run.node_id}" if run.node_id else ""
    minutes = (now - run.started_at) / timedelta(minutes=1)
    explain = code(f"mooring explain {arguments(run.volume_handle)}")
    return f"The {run.kind} of volume {run.volume_handle}{where} is {run.state} since {minutes:.0f} min: {explain}."

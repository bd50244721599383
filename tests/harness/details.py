"""The details of a run, as the Temporal UI asks for them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio.client import WorkflowHandle

from tests.harness.patience import PATIENCE

SINCE: Final = r"[Ss]ince [-\d]+ [:\d]+ UTC"


async def details(run: WorkflowHandle[Any, Any], *told: str) -> str:
    """Return the run's details, once all of this is in them."""
    shown = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (shown and all(each in shown for each in told)):
                shown = str((await run.query("__temporal_workflow_metadata")).current_details)
    except TimeoutError:
        raise AssertionError(f"{told} are not all in {shown!r}") from None
    return shown

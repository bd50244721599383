"""A volume's runs, as Temporal remembers them: the requests, the holders of the volume afterwards, and the outcomes.

Contract: the list of runs is from the namespace's visibility, the facts of each from its own history; no worker is asked.

Not kept here: runs older than the namespace's retention, looks at volumes, and reading a history (run_reader.py).
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from mooring import names
from mooring.models import Model, VolumeRef
from mooring.process.at_once import ask_each
from mooring.temporal.run_reader import VolumeRun, read_events
from mooring.temporal.runs import describe

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution

__all__ = ["VolumeHistory", "VolumeRun", "read_history"]

_MAX_CONCURRENT: Final = 16

_Key: TypeAlias = tuple[datetime, str, str]
"""The time of a run's start, its workflow's id and its own."""


class VolumeHistory(Model):
    """A volume's runs, newest first. `more`: there are older ones. `lagging`: visibility did not list the newest one yet."""

    runs: tuple[VolumeRun, ...]
    more: bool
    lagging: bool


async def read_history(client: Client, volume: VolumeRef, limit: int) -> VolumeHistory:
    """Read the volume's newest runs, at most `limit`.

    Raises:
        UnreadableHistory: a run's history can't be read by this process.
        RPCError: Temporal didn't answer.

    """
    ids = (names.volume_id(volume), names.unpersisted_id(volume))
    listed = [_key(run) async for run in client.list_workflows(names.runs_of(*ids), limit=limit + 1)]
    newest = [_key(run) for workflow_id in ids if (run := await describe(client, workflow_id))]
    unlisted = [key for key in newest if key not in listed] if len(listed) <= limit else []
    found = sorted({*listed, *unlisted}, reverse=True)
    runs = await ask_each(partial(_read_run, client), found[:limit], _MAX_CONCURRENT)
    return VolumeHistory(runs=tuple(run for run in runs if run), more=len(found) > limit, lagging=bool(unlisted))


def _key(run: WorkflowExecution) -> _Key:
    return run.start_time, run.id, run.run_id


async def _read_run(client: Client, key: _Key) -> VolumeRun | None:
    """Read the run; return None if its history is gone."""
    _, workflow_id, run_id = key
    reader = await read_events(client, workflow_id, run_id)
    if reader is not None and reader.ended_at is None:
        await reader.read_pending(await describe(client, workflow_id, run_id))
    return reader.run(workflow_id, run_id) if reader is not None else None

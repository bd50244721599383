"""The operations of a volume, as Temporal lists them and by their histories, read until they name its last holders.

Contract: the operations have ended, and none is the one that asks. Visibility may lag: an operation that ended a moment ago may not
be listed yet.

Not kept here: combining the operations (operations.py), conclusions from them (evidence.py), and reading a history
(mooring/temporal/run_reader.py).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.errors import TemporalUnavailable
from mooring.evidence.operations import PUBLISH, UNPUBLISH, LastRun, OperationsRead
from mooring.models import AccessMode, Attachment, VolumeRecord, VolumeRef
from mooring.temporal.reasons import in_words
from mooring.temporal.run_reader import RunReader, read_events
from mooring.temporal.runs import is_run_id, legible, look_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container
    from datetime import datetime, timedelta

    from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription

PAGE: Final = 30
"""Number of runs of one volume that are listed at once; mostly the first of them knew something."""
UNASKED: Final = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)
"""Answers of a namespace that lists no runs at all."""

logger = logging.getLogger(__name__)


async def last_run(client: Client, volume: VolumeRef, asking: str, skew: timedelta, newest: str = "") -> LastRun | None:
    """Return the newest operation but the run `asking`, or None if there is none, or the namespace lists no runs.

    `newest`: the run that is known to be the newest, though visibility may not list it yet.

    Raises:
        TemporalUnavailable: Temporal didn't answer.
        UnreadableHistory: its answer can't be read here.

    """
    workflow_id, read, known = names.volume_id(volume), OperationsRead(skew), {asking}
    try:
        async for run_id in _newest_first(client, names.runs_of(workflow_id), newest):
            reader = None if run_id in known else await _read(client, workflow_id, run_id)
            known.add(run_id)
            if reader is not None and read.take(_left(reader, run_id), reader.known.highest):
                break
        if read.heard is not None:
            await _read_behind(client, volume, read, read.heard, known)
    except RPCError as error:
        if error.status not in UNASKED:
            raise TemporalUnavailable(f"Temporal did not return the last run of {workflow_id}: {in_words(error)}.") from error
        logger.warning("The namespace lists no runs, so a record that has vanished may go unnoticed: %s", error)
    return read.left


async def is_listed(client: Client, volume: VolumeRef, run_id: str) -> bool:
    """Return whether visibility lists the run, and so those before it; True, too, if the namespace lists no runs at all.

    Raises:
        TemporalUnavailable: Temporal didn't answer.

    """
    query = f"{names.runs_of(names.volume_id(volume))} AND RunId = {names.quoted(run_id)}"
    try:
        return bool([run async for run in client.list_workflows(query, page_size=1)])
    except RPCError as error:
        if error.status in UNASKED:
            return True
        raise TemporalUnavailable(f"Temporal did not report whether it lists run {run_id}: {in_words(error)}.") from error


async def _read_behind(client: Client, volume: VolumeRef, read: OperationsRead, heard: LastRun, known: Container[str]) -> None:
    """Read the operations between the one that relied on others' records, and the one that it cites; `known` have been read.

    NB: those that failed are omitted: they were refused, which is repeated any number of times, or rolled back.
    """
    workflow_id, cited = names.volume_id(volume), heard.record.operation
    writer = await _writer(client, volume, cited) if is_run_id(cited) else None
    began = f" AND StartTime >= {names.quoted(writer.start_time.isoformat())}" if writer else ""
    async for run_id in _newest_first(client, f"{names.runs_of(workflow_id)} AND ExecutionStatus != 'Failed'{began}"):
        reader = None if run_id in known else await _read(client, workflow_id, run_id)
        if run_id == cited or (reader is not None and read.take_older(_left(reader, run_id))):
            return


async def newer(client: Client, volume: VolumeRef, last: LastRun, seen: VolumeRecord, skew: timedelta) -> list[LastRun]:
    """Return those of the runs that began after the operation that wrote the record; one that Temporal has forgotten is older.

    NB: a record that no operation wrote may be unknown to all. Newer are then runs that took the volume from its holders since.

    Raises:
        TemporalUnavailable: Temporal didn't answer.
        UnreadableHistory: its answer can't be read here.

    """
    runs = [run for run in (last, *last.since) if run.run_id != seen.operation]
    if not is_run_id(seen.operation):
        return [run for run in runs if all(run.frees(on) and run.outdates(on, at, skew) for on, at in _since(seen))]
    wrote = await _writer(client, volume, seen.operation) if runs else None
    return [run for run in runs if wrote is None or run.started_at > wrote.start_time]


async def _writer(client: Client, volume: VolumeRef, run_id: str) -> WorkflowExecutionDescription | None:
    """Return the run that wrote a record, an operation or a hold, or None if Temporal has forgotten it."""
    return await look_up(client, names.volume_id(volume), run_id) or await look_up(client, names.unpersisted_id(volume), run_id)


async def let_go_without_pv(client: Client, volume: VolumeRef, last: LastRun, asking: str) -> str:
    """Return the node that a run of PersistAttachment alone was left to hold the volume for, or "" for none.

    An open run holds the volume for it; one that began after the operation and was cancelled has released it.
    NB: such a run releases what it gave, and no more: a node that was a holder before it has not been released with it, as is one
    that the run `asking` has found, and has begun a hold for.

    Raises:
        TemporalUnavailable: Temporal didn't answer.
        UnreadableHistory: its answer can't be read here.

    """
    hold = await look_up(client, names.unpersisted_id(volume)) if last.unrecorded else None
    if hold is None or hold.status not in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CANCELED):
        return ""
    if asking and hold.parent_run_id == asking:
        return ""
    if hold.status is WorkflowExecutionStatus.CANCELED and hold.start_time < (last.asked_at or last.started_at):
        return ""
    with legible(hold.id, hold.run_id):
        node_id = (await hold.memo_value(names.ATTACHMENT_MEMO, type_hint=Attachment)).node_id
    return node_id if node_id in last.unrecorded else ""


async def left_by_hold(client: Client, volume: VolumeRef, hold: WorkflowExecutionDescription | None) -> Attachment | None:
    """Return the attachment of the volume's newest hold if it was terminated and Temporal has forgotten its publish, else None.

    NB: a hold may outlive the retention of its publish, as long as there is no PV. Of one whose publish is known that has the word.

    Raises:
        TemporalUnavailable: Temporal didn't answer.
        UnreadableHistory: its answer can't be read here.

    """
    if hold is None or hold.status is not WorkflowExecutionStatus.TERMINATED:
        return None
    if hold.parent_run_id and await look_up(client, names.volume_id(volume), hold.parent_run_id) is not None:
        return None
    with legible(hold.id, hold.run_id):
        held: Attachment = await hold.memo_value(names.ATTACHMENT_MEMO, type_hint=Attachment)
    return held


def _since(seen: VolumeRecord) -> list[tuple[str, datetime]]:
    return [(held.node_id, held.attached_at) for held in seen.holders]


async def _newest_first(client: Client, query: str, newest: str = "") -> AsyncIterator[str]:
    """Yield the ids of all these runs: those that failed before they looked say nothing, however many they are.

    NB: visibility lists the latest first, but for a run that it takes for open though it has ended.
    """
    if newest:
        yield newest
    page: list[WorkflowExecution] = []
    async for run in client.list_workflows(query, page_size=PAGE):
        page += [run] if run.run_id != newest else []
        if len(page) == PAGE:
            for each in _sorted(page):
                yield each
            page = []
    for each in _sorted(page):
        yield each


def _sorted(page: list[WorkflowExecution]) -> list[str]:
    return [run.run_id for run in sorted(page, key=lambda run: run.start_time, reverse=True)]


async def _read(client: Client, workflow_id: str, run_id: str) -> RunReader | None:
    """Read the run; return None if it is open, or its history is gone."""
    reader = await read_events(client, workflow_id, run_id)
    return reader if reader is not None and reader.ended_at is not None else None


def _left(reader: RunReader, run_id: str) -> LastRun | None:
    """Return the holders that the run left, or None if it knew none, or of a record of another version that can't be read here."""
    knew, held_by = reader.known, reader.known.held_by
    if held_by is None:
        return None
    try:
        record = VolumeRecord.model_validate(knew.record or {"mark": {"pv": "", "uid": ""}})
        known = {held.node_id: held for held in record.everyone}
        holders = tuple(known.get(node) or _unpersisted(reader, node) for node in held_by)
    except ValidationError:
        return None
    shown = {node: record.shown[node] for node in held_by if node in record.shown}
    left = record.model_copy(update={"holders": holders, "shown": shown})
    unrecorded = frozenset(held_by) - set(known)
    attached = reader.node_id if reader.operation == PUBLISH and reader.result else ""
    started_at, went = reader.started_at, knew.let_go
    informed = knew.looked and (knew.record is not None or reader.operation != UNPUBLISH)
    return LastRun(
        *(run_id, reader.operation, reader.node_id, started_at, left, unrecorded, went, reader.frees, informed, attached),
        *(knew.highest, knew.unplaced, reader.asked_at),
    )


def _unpersisted(reader: RunReader, node_id: str) -> Attachment:
    """Return the attachment that a publish made without a record, or that the run found waiting for one."""
    asked, result = reader.known.waited.get(node_id, reader.asked), reader.result
    return Attachment(
        node_id=node_id,
        attached_at=result.get("attached_at", reader.started_at),
        access_mode=asked.get("access_mode", AccessMode.SINGLE_NODE_WRITER),
        readonly=asked.get("readonly", False),
        publish_context=result.get("publish_context", {}),
    )

"""What the newest operation of a volume that knew its holders left them as, by its history, and what unpublishes took away since.

Contract: it is one that has ended, and not the one that asks. An operation that was refused says what it was refused for, so what
is known of a volume outlasts the run that attached it for as long as somebody asks. An unpublish that knew no record of the volume
is the last word on the nodes that it took it from, and on no other. Visibility may lag: an operation that ended a moment ago may
not be listed yet.

Not kept here: what follows from it (evidence.py), and how a history is read (mooring/temporal/run_reader.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.errors import TemporalUnavailable
from mooring.models import AccessMode, Attachment, VolumeRecord, VolumeRef
from mooring.records.past import Past, conclude
from mooring.temporal.run_reader import OPERATIONS, RunReader, read_events
from mooring.temporal.runs import legible, look_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime, timedelta

    from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription

PAGE: Final = 30
"""How many runs of one volume are listed at once; mostly the first of them knew something."""
UNPUBLISH: Final = OPERATIONS[names.UNPUBLISH]
_UNASKED: Final = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LastRun:
    """An operation that has ended, and what it left: `record` is the last that it knew, with the holders that it left.

    `unrecorded`: the nodes among these that nothing but a run of PersistAttachment spoke for. `let_go`: the node that it took back,
    where the PV that it had claimed it on had gone. `frees` says whether it took the volume from a node. `knew`: it is the last
    word on every node, as it knew what there was to know. `since`: the unpublishes after it, which didn't.
    """

    run_id: str
    operation: str
    node_id: str
    started_at: datetime
    record: VolumeRecord
    unrecorded: frozenset[str]
    let_go: str
    frees: Callable[[str], bool]
    knew: bool
    since: tuple[LastRun, ...] = ()

    @property
    def epoch(self) -> int:
        """The highest epoch that it knew."""
        return max(self.record.epoch, self.record.floor)

    @property
    def words(self) -> str:
        """What it says, as a sentence."""
        nodes = " and ".join(held.node_id for held in self.record.holders) or "nobody"
        at = f" at epoch {self.epoch}" if self.epoch else ""
        where = f" for node {self.node_id}" if self.node_id else ""
        return (
            f"the last operation that knew its holders, the {self.operation}{where} of run {self.run_id}, left it with {nodes}{at}."
        )

    def lets_go(self, node_id: str) -> bool:
        """Return whether a node that held the volume before it holds it no longer."""
        return self.frees(node_id) if not self.knew else self.record.holder(node_id) is None

    def outdates(self, node_id: str, noted: datetime, skew: timedelta) -> bool:
        """Return whether it says more of the node than what another clock noted then: in doubt it doesn't."""
        newer = conclude(noted, None, [self.started_at], skew) is Past.DETACHED
        return newer and (self.knew or self.frees(node_id))

    def followed_by(self, since: Sequence[LastRun]) -> LastRun:
        """Return the same, less what these unpublishes took away."""
        left = tuple(held for held in self.record.holders if not any(run.frees(held.node_id) for run in since))
        return replace(self, record=self.record.model_copy(update={"holders": left}), since=tuple(since))


@dataclass(slots=True)
class Reading:
    """The operations of one volume as they are read, the newest first: what they say together."""

    _since: list[LastRun] = field(default_factory=list)
    _waits: LastRun | None = None

    def take(self, run: LastRun) -> LastRun | None:
        """Take in the next; return what the volume was left as, once one knew its holders."""
        if run.knew:
            return run.followed_by(self._since)
        if run.operation == UNPUBLISH:
            self._since.append(run)
        else:
            self._waits = self._waits or run
        return None

    @property
    def rest(self) -> LastRun | None:
        """What is known where none did: which node waited for a PV, else what the newest unpublish took away."""
        return self._waits or (self._since[0].followed_by(self._since[1:]) if self._since else None)


async def last_run(client: Client, volume: VolumeRef, asking: str, newest: str = "") -> LastRun | None:
    """Return what the newest operation but the run `asking` left; None where there is none, or the namespace lists no runs.

    `newest`: the run that is known to be the newest, though visibility may not list it yet.

    Raises:
        TemporalUnavailable: Temporal does not say.
        UnreadableHistory: what it says can't be read here.

    """
    workflow_id, reading = names.volume_id(volume), Reading()
    try:
        async for run_id in _newest_first(client, workflow_id, newest):
            found = None if run_id == asking else await _read(client, workflow_id, run_id)
            left = reading.take(found) if found is not None else None
            if left is not None:
                return left
    except RPCError as error:
        if error.status not in _UNASKED:
            raise TemporalUnavailable(f"Temporal did not say what became of {workflow_id}: {error}.") from error
        logger.warning("The namespace lists no runs, so a record that has vanished may go unnoticed: %s", error)
    return reading.rest


async def newer(client: Client, volume: VolumeRef, last: LastRun, seen: VolumeRecord, skew: timedelta) -> list[LastRun]:
    """Return those of the runs that began after the operation that wrote the record; one that Temporal has forgotten is older.

    NB: of a record that no operation wrote, none need know. Newer is only one that took the volume from its holders since.

    Raises:
        TemporalUnavailable: Temporal does not say.
        UnreadableHistory: what it says can't be read here.

    """
    runs = [run for run in (last, *last.since) if run.run_id != seen.operation]
    if not seen.operation:
        return [run for run in runs if all(run.frees(on) and run.outdates(on, at, skew) for on, at in _since(seen))]
    wrote = await _writer(client, volume, seen.operation) if runs else None
    return [run for run in runs if wrote is None or run.started_at > wrote.start_time]


async def _writer(client: Client, volume: VolumeRef, run_id: str) -> WorkflowExecutionDescription | None:
    """Return the run that wrote a record, an operation or a hold, None where Temporal has forgotten it."""
    return await look_up(client, names.volume_id(volume), run_id) or await look_up(client, names.unpersisted_id(volume), run_id)


async def let_go_without_pv(client: Client, volume: VolumeRef, last: LastRun) -> str:
    """Return the node that the operation left on a run of PersistAttachment alone, and which is that run's to keep; "" for none.

    An open run holds the volume for it; one that began after the operation and was cancelled has let go.
    NB: such a run takes away what it gave, and no more: a node that was a holder before it has not let go with it.

    Raises:
        TemporalUnavailable: Temporal does not say.
        UnreadableHistory: what it says can't be read here.

    """
    hold = await look_up(client, names.unpersisted_id(volume)) if last.unrecorded else None
    if hold is None or hold.status not in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CANCELED):
        return ""
    if hold.status is WorkflowExecutionStatus.CANCELED and hold.start_time < last.started_at:
        return ""
    with legible(hold.id, hold.run_id):
        node_id = (await hold.memo_value(names.ATTACHMENT_MEMO, type_hint=Attachment)).node_id
    return node_id if node_id in last.unrecorded else ""


def _since(seen: VolumeRecord) -> list[tuple[str, datetime]]:
    return [(held.node_id, held.attached_at) for held in seen.holders]


async def _newest_first(client: Client, workflow_id: str, newest: str) -> AsyncIterator[str]:
    """The ids of all runs: those that failed before they looked say nothing, however many they are.

    NB: visibility lists the latest first, but for a run that it takes for open though it has ended.
    """
    if newest:
        yield newest
    page: list[WorkflowExecution] = []
    async for run in client.list_workflows(names.runs_of(workflow_id), page_size=PAGE):
        page += [run] if run.run_id != newest else []
        if len(page) == PAGE:
            for each in _sorted(page):
                yield each
            page = []
    for each in _sorted(page):
        yield each


def _sorted(page: list[WorkflowExecution]) -> list[str]:
    return [run.run_id for run in sorted(page, key=lambda run: run.start_time, reverse=True)]


async def _read(client: Client, workflow_id: str, run_id: str) -> LastRun | None:
    """The run; None where it is open, knew nothing, or its history is gone."""
    reader = await read_events(client, workflow_id, run_id)
    return _left(reader, run_id) if reader and reader.ended_at is not None and reader.held_by is not None else None


def _left(reader: RunReader, run_id: str) -> LastRun | None:
    """What the run left; None where another version of Mooring wrote what this one can't read."""
    held_by = reader.held_by or ()
    try:
        record = VolumeRecord.model_validate(reader.record or {"mark": {"pv": "", "uid": ""}})
        known = {held.node_id: held for held in record.everyone}
        holders = tuple(known.get(node) or _unpersisted(reader, node) for node in held_by)
    except ValidationError:
        return None
    shown = {node: record.shown[node] for node in held_by if node in record.shown}
    left = record.model_copy(update={"holders": holders, "shown": shown})
    unrecorded = frozenset(held_by) - set(known)
    started_at, went = reader.started_at, reader.let_go
    knew = reader.looked and (reader.record is not None or reader.operation != UNPUBLISH)
    return LastRun(run_id, reader.operation, reader.node_id, started_at, left, unrecorded, went, reader.frees, knew)


def _unpersisted(reader: RunReader, node_id: str) -> Attachment:
    """The attachment that a publish made without a record."""
    asked, result = reader.asked, reader.result
    return Attachment(
        node_id=node_id,
        attached_at=result.get("attached_at", reader.started_at),
        access_mode=asked.get("access_mode", AccessMode.SINGLE_NODE_WRITER),
        readonly=asked.get("readonly", False),
        publish_context=result.get("publish_context", {}),
    )

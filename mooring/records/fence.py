"""The fence: from the record seen and the request, a decision to write, refuse or do nothing. Pure, and the only one to decide.

Contract: each function takes a `VolumeRecord` as some observer saw it (an index may be stale) and answers with a `Write`, which
the API server applies only if the PV still is as that record says, or with a refusal. A refusal decided on the index must be
decided again on the live PV before it is reported. Success is only reported by a `Write` that landed.

Invariants, each searched exhaustively in tests/records/fence:

1. A write is decided before it is attempted, never inside the attempt: an attempt that lands late changes nothing.
2. An operation moves the epoch before it ends (`release` and `undo` write even if there is nothing to take away), so that every
   attempt still under way is dead before the outcome is reported. Only a refusal writes nothing.
3. A node that holds the volume already *renews* it: same holder, same time, one epoch later. A renewal is never undone.
4. `undo` takes away only the acquisition of the run that looked, whatever the node and the epoch. An acquisition of the run that it
   was reset from remains: that one may have reported success.
5. Evidence about a volume counts beside its PV (`VolumeRecord.evidence`): a holder whose PV is gone, or whose annotations
   were removed, holds until it is released, and the next write names it again, above every epoch that is known.
6. A run ends only on a record that bears its own id (`is_current`), or on a look of its own. One that was reset finds neither in
   its replayed history, so it writes or looks again, and with that kills every attempt of its former self. No other decision
   may depend on the run's own id, or a reset run could not replay its history.
7. A write goes to every PV of the volume, and a holder holds by any of them: two observers, one of whom doesn't know the newest
   PV yet, still meet on the one that both know.
8. Of two calls of the backend for one volume the later bears the higher token (`attach_token`, `detach_token`), given that each
   is decided at the record's epoch and every following one at a later one.
9. An acquisition that is no renewal, or a release, may be attempted where no history knows of it yet (`may_be_local`). A publish
   that may have forgotten one decides on a live look, and moves the epoch before it reports any refusal: another worker may have
   attempted what this one refuses.

Not kept here: the rules of who is refused, and their words (refusals.py), the transport of a write
(mooring/cluster/persistent_volumes.py), and the order of the steps (workflows/).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from mooring.errors import Contended, MooringError
from mooring.models import AdoptRequest, Attachment, Copy, Part, PublishRequest, VolumeRecord, VolumeRef, Write
from mooring.records import refusals

Change = Callable[[tuple[Attachment, ...]], tuple[Attachment, ...]]
"""A change of the holders: a function from those before it to those after it."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """A decision to write this to hold the volume. `renews`: the node holds it already, and keeps it in a later failure."""

    write: Write
    renews: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """A decision to refuse the caller and write nothing."""

    error: MooringError


def acquire(
    seen: VolumeRecord,
    asked: PublishRequest,
    operation: str,
    now: datetime,
    context: dict[str, str] | None = None,
    migration_nodes: int = 0,
) -> Acquire | Refuse:
    """Decide a publish on the record it saw; `context` is the publish context, if it is known already.

    `migration_nodes` is the number of nodes that may hold the volume at once if that means a live migration, 0 for any number.
    """
    refusal = refusals.bar(seen, asked, operation) or refusals.crowd(seen.everyone, asked, migration_nodes)
    if refusal is not None:
        return Refuse(refusal)
    held = seen.holder(asked.node_id)
    mine = _attachment(asked, now, held, context)
    return Acquire(_write(seen, asked, asked.node_id, operation, _adding(mine)), renews=held is not None)


def adopt(seen: VolumeRecord, asked: AdoptRequest, operation: str) -> Acquire | Refuse:
    """Decide an adoption on the record it saw: an acquisition, but on no other record than the one that knew nothing of it.

    NB: every operation that ended has moved the epoch, so the volume may have been detached since.
    """
    held = asked.attachment
    request = PublishRequest.of(asked, held)
    if seen.altered and (altered := refusals.bar(seen, request, operation)) is not None:
        return Refuse(altered)  # NB: to try again helps nobody, and a worker waits for its adoptions
    known = seen.holder(held.node_id)
    if seen.epoch != asked.epoch or (known is not None and not seen.evidence):
        what = f"Volume {asked.volume_handle} is at epoch {seen.epoch} now, and node {held.node_id} was to be adopted at epoch"
        return Refuse(Contended(f"{what} {asked.epoch}."))
    refusal = refusals.bar(seen, request, operation)
    if refusal is not None:
        return Refuse(refusal)
    return Acquire(_write(seen, asked, held.node_id, operation, _adding(held)), renews=known is not None)


def describe(seen: VolumeRecord, node_id: str, operation: str, volume: VolumeRef, context: dict[str, str]) -> Write | None:
    """Return the write that keeps the backend's publish context with the node's attachment, or None if it is kept already."""
    held = seen.holder(node_id)
    if held is None or held.publish_context == context:
        return None
    told = held.model_copy(update={"publish_context": context})
    return _write(seen, volume, node_id, operation, _adding(told))


def release(seen: VolumeRecord, volume: VolumeRef, node_id: str, operation: str) -> Write:
    """Return the write of an unpublish: the record without the node (without any for ""), one epoch later in any case."""
    return _write(seen, volume, node_id, operation, lambda holders: _without(holders, node_id))


def undo(
    seen: VolumeRecord, volume: VolumeRef, node_id: str, operation: str, *, renews: bool, mine: Collection[str] = ()
) -> Write | None:
    """Return the write that undoes a failed or cancelled publish before it reports so, or None if nothing of it remains to undo.

    A node that isn't a holder may still become one by an attempt under way: the epoch is burned. A node that is one by this
    operation, or by a run that is `mine` as well (holds.py), is released. A node that holds by another one, or held before this
    one, remains.
    """
    if seen.holder(node_id) is None:
        return None if is_current(seen, operation) else release(seen, volume, node_id, operation)
    if renews or not holds_by(seen, node_id, operation, *mine):
        return None
    return release(seen, volume, node_id, operation)


def holds_by(seen: VolumeRecord, node_id: str, *operations: str) -> bool:
    """Return whether every PV that names the node as holder bears the id of one of these operations."""
    return all(copy.operation in operations for copy in seen.copies if copy.holder(node_id) is not None)


def attach_token(epoch: int) -> int | None:
    """Return the token of an attach that was decided at this epoch, or None for a record without one."""
    return 2 * epoch or None


def detach_token(epoch: int) -> int | None:
    """Return the token of a detach that was decided at this epoch, or None for a record without one.

    It is above that of an attach at the same epoch, which a rollback undoes, and below those of the next.
    """
    return 2 * epoch + 1 if epoch else None


def landed(write: Write, found: VolumeRecord) -> bool:
    """Return whether `write` made the record `found`, on every PV: recognised by operation, never by node or epoch alone."""
    copies = {copy.mark.uid: copy for copy in found.copies}
    return all(part.mark.uid in copies and made(write, part, copies[part.mark.uid]) for part in write.parts)


def made(write: Write, part: Part, found: VolumeRecord) -> bool:
    """Return whether this part of the write made the record `found` on its PV."""
    return (
        found.mark.uid == part.mark.uid
        and found.operation == write.operation
        and found.mark.epoch == write.epoch
        and _nodes(found.holders) == _nodes(part.holders)
    )


def is_current(record: VolumeRecord, operation: str) -> bool:
    """Return whether this very run wrote the record.

    If not, the run was reset after the write, and attempts of its former self may still be alive.
    """
    return all(copy.operation == operation for copy in record.copies)


def stays(acquire: Acquire, seen: VolumeRecord, *mine: str, stayed: bool) -> bool:
    """Return whether the node keeps the volume if the run that makes this acquisition fails: somebody else had made it a holder.

    `mine` are the run that saw the record and those that write for it (holds.py). A record that these signed, on each PV that names
    the node, is its own acquisition, unless that was one on what `stayed` already.
    """
    return acquire.renews and (stayed or not holds_by(seen, acquire.write.node_id, *mine))


def is_plain(record: VolumeRecord) -> bool:
    """Return whether one PV, which can be read, says all that is known of the volume."""
    return not (record.others or record.floor or record.evidence or record.altered or record.unreadable)


def may_be_local(seen: VolumeRecord) -> bool:
    """Return whether an acquisition on this record may be attempted where no history knows of it yet: on a free record it may.

    NB: a renewal that is forgotten would be taken for an acquisition, and undone.
    """
    return not seen.everyone and is_plain(seen)


def _attachment(asked: PublishRequest, now: datetime, held: Attachment | None, context: dict[str, str] | None) -> Attachment:
    return Attachment(
        node_id=asked.node_id,
        attached_at=held.attached_at if held else now,
        access_mode=asked.access_mode,
        readonly=asked.readonly,
        publish_context=context if context is not None else held.publish_context if held else {},
    )


def _write(seen: VolumeRecord, volume: VolumeRef, node_id: str, operation: str, change: Change) -> Write:
    """Return the write that makes this change of the holders on each PV.

    NB: a PV takes over the holders of those that are written before it, whose tests have passed then, and of no other: their
    records may be long outdated.
    """
    named = VolumeRef(driver=volume.driver, volume_handle=volume.volume_handle)
    before: dict[str, Attachment] = {}
    parts: list[tuple[Attachment, ...]] = []
    for copy in seen.copies:
        before |= {held.node_id: held for held in copy.holders if held.node_id not in before}
        parts.append(change(tuple(before.values())))
    first, *rest = parts
    others = tuple(
        Copy(mark=mark, holders=None if holders == first else holders) for mark, holders in zip(seen.marks[1:], rest, strict=True)
    )
    return Write(volume=named, node_id=node_id, mark=seen.mark, operation=operation, holders=first, others=others, floor=seen.floor)


def _adding(mine: Attachment) -> Change:
    def change(holders: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        # NB: a node that is there keeps its place: the first holder is the one that other programs read.
        there = mine.node_id in _nodes(holders)
        return tuple(mine if held.node_id == mine.node_id else held for held in holders) if there else (*holders, mine)

    return change


def _without(holders: tuple[Attachment, ...], node_id: str) -> tuple[Attachment, ...]:
    return tuple(held for held in holders if node_id and held.node_id != node_id)


def _nodes(holders: Iterable[Attachment]) -> list[str]:
    return [held.node_id for held in holders]

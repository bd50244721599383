"""The records of PVs, in as few bytes as possible: the index keeps one a volume, and a rebuild one a PV.

Contract: a `CompactRecord` says as much as the `VolumeRecord` made from it: `CompactRecord.of(handle, record).record() == record`,
and `read_compact` sees what `annotations.read` reads. A record that can't be read is one too, with the reason as its
`problem`.

Not kept here: other annotations, and anything of the PV but its name and uid.

NB: these are msgspec Structs without garbage collection, made without a model a PV: a model takes several times the memory and
time (bench/memory.py), and 100,000 tracked objects stall the event loop at every full collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from sys import intern
from typing import Any

import msgspec

from mooring.errors import MalformedRecord
from mooring.models import NODE_ID_BYTES, AccessMode, Attachment, Precondition, VolumeRecord
from mooring.models.times import parse_time
from mooring.records.annotations import named_nodes, read, read_epoch, unsaid_mode
from mooring.records.keys import Keys
from mooring.records.peculiarity import BARE, NONE, Peculiarity, share

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class CompactHolder(msgspec.Struct, frozen=True, gc=False):
    """One holder, if the record needs more than a node and a time. `context` is the publish context."""

    node: str
    at: datetime
    mode: AccessMode | None
    readonly: bool
    context: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, held: Attachment) -> CompactHolder:
        """Return the attachment in compact form."""
        context = tuple((intern(key), value) for key, value in held.publish_context.items())
        return cls(intern(held.node_id), held.attached_at, held.access_mode, held.readonly, context)

    def attachment(self) -> Attachment:
        """Return the holder as a model."""
        return Attachment(
            node_id=self.node,
            attached_at=self.at,
            access_mode=self.mode,
            readonly=self.readonly,
            publish_context=dict(self.context),
        )


class CompactRecord(msgspec.Struct, frozen=True, gc=False):
    """The record of one PV, compact. `uid` and `operation` are integers if they are UUIDs.

    `holders` None: `node` holds since `at`, as the annotations but `attachments` say, or no node does if `at` is None. With a
    `problem` all is as it was when the record could be read.
    """

    handle: str
    pv: str
    uid: int | str
    epoch: int | None = None
    node: str | None = None
    operation: int | str = ""
    at: datetime | None = None
    holders: tuple[CompactHolder, ...] | None = None
    peculiarity: Peculiarity = NONE

    @classmethod
    def of(cls, handle: str, record: VolumeRecord) -> CompactRecord:
        """Return the record in compact form."""
        mark = record.mark
        plain = _plain_since(record)
        return cls(
            handle=handle,
            pv=handle if mark.pv == handle else mark.pv,
            uid=pack(mark.uid),
            epoch=mark.epoch,
            node=None if mark.node is None else intern(mark.node),
            operation=pack(record.operation),
            at=plain,
            holders=None if plain or not record.holders else tuple(CompactHolder.of(held) for held in record.holders),
            peculiarity=share(Peculiarity(bare=mark.bare, beside=record.beside)),
        )

    @classmethod
    def unreadable(cls, handle: str, pv: str, uid: str, problem: str, named: tuple[str, ...] = ()) -> CompactRecord:
        """Return the record of a PV of which no more is known than that it can't be read."""
        return cls(handle, pv, pack(uid), peculiarity=Peculiarity(problem=problem, named=named))

    def record(self) -> VolumeRecord:
        """Return the record as a model.

        Raises:
            MalformedRecord: the PV's annotations could not be read.

        """
        if self.problem:
            raise MalformedRecord(self.problem)
        mark = Precondition(pv=self.pv, uid=unpack(self.uid), epoch=self.epoch, node=self.node, bare=self.peculiarity.bare)
        return VolumeRecord(mark=mark, operation=unpack(self.operation), holders=self.attachments(), beside=self.beside)

    def attachments(self) -> tuple[Attachment, ...]:
        """Return the holders as models."""
        return tuple(held.attachment() for held in self.held())

    def held(self) -> tuple[CompactHolder, ...]:
        """Return the holders, none if the record can't be read."""
        if self.problem:
            return ()
        if self.holders is not None:
            return self.holders
        if self.at is None:
            return ()
        return (CompactHolder(self.node or "", self.at, unsaid_mode(self.epoch), readonly=False, context=()),)

    @property
    def problem(self) -> str:
        """The reason why the record can't be read, "" if it can."""
        return self.peculiarity.problem

    @property
    def sure(self) -> bool:
        """False if this process has reason to doubt it."""
        return self.peculiarity.sure

    @property
    def secret(self) -> bool:
        """True if the PV names a Secret for the driver."""
        return self.peculiarity.secret

    @property
    def in_tree(self) -> bool:
        """True if the PV was seen to have an in-tree source."""
        return self.peculiarity.in_tree

    @property
    def beside(self) -> tuple[str, ...]:
        """The names of the PVs that bear the record as well, as it says."""
        return self.peculiarity.beside

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that the PV names, if it is doubted or its record can't be read."""
        return self.peculiarity.named

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that hold the volume; none if the record can't be read."""
        if self.problem:
            return ()
        if self.holders is not None:
            return tuple(held.node for held in self.holders)
        return () if self.at is None else (self.node or "",)

    @property
    def listed(self) -> tuple[str, ...]:
        """The nodes that hold the volume, and those that may."""
        return tuple(dict.fromkeys((*self.nodes, *self.named))) if self.named else self.nodes

    @property
    def fence(self) -> int:
        """The epoch, of a record that can't be read the last one; 0 if there is none."""
        return self.epoch or 0

    @property
    def readable(self) -> CompactRecord:
        """The same as it was when its record could be read last."""
        return self.noting(problem="", named=()) if self.problem else self

    def outlasts(self, other: CompactRecord) -> bool:
        """Return whether this wins over `other`, a later look at the same PV: it does if it has the higher epoch."""
        return not other.problem and self.fence > other.fence

    def after(self, known: CompactRecord | None) -> CompactRecord:
        """Return the knowledge of the PV now that it says this, given the one before.

        NB: an unreadable record takes nothing from the knowledge, so that a lower epoch is noticed once it can be read again.
        """
        if known is None or not (self.problem or known.outlasts(self)):
            return self
        return known.readable.noting(problem=self.problem, named=self.named) if self.problem else known.readable

    def noting(self, **changes: Any) -> CompactRecord:
        """Return the same with these fields of its peculiarity."""
        return msgspec.structs.replace(self, peculiarity=share(msgspec.structs.replace(self.peculiarity, **changes)))

    def doubted(self, node_id: str) -> CompactRecord:
        """Return the same without the node (without any for ""), to be looked at again before anything is decided."""
        left = tuple(held for held in self.held() if node_id and held.node != node_id)
        return msgspec.structs.replace(self, at=None, holders=left).noting(sure=False, named=self.listed)


def read_compact(
    driver: str, keys: Keys, handle: str, pv: str, uid: str, found: Mapping[str, str] | None, now: datetime
) -> tuple[CompactRecord, int]:
    """Read the annotations as `annotations.read` does, in compact form, and return how many times were replaced by `now`, too."""
    try:
        if _is_short(keys, found or {}):
            return _short(keys, handle, pv, uid, found or {}, now)
        reading = read(driver, pv, uid, found, now)
        return CompactRecord.of(handle, reading.record), reading.replaced_times
    except MalformedRecord as error:
        named = named_nodes(keys, found or {})
        return CompactRecord.unreadable(handle, pv, uid, str(error), named), 0


def pack(text: str) -> int | str:
    """Convert a canonical UUID to an integer, which takes half the memory; return other text as it is."""
    return int(text.replace("-", ""), 16) if _UUID.fullmatch(text) else text


def unpack(packed: int | str) -> str:
    """Return the text that `pack` was given."""
    if isinstance(packed, str):
        return packed
    text = f"{packed:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _is_short(keys: Keys, found: Mapping[str, str]) -> bool:
    node = found.get(keys.node, "")
    said = keys.attachments not in found and keys.also_on not in found
    return said and node.isascii() and len(node) <= NODE_ID_BYTES


def _short(keys: Keys, handle: str, pv: str, uid: str, found: Mapping[str, str], now: datetime) -> tuple[CompactRecord, int]:
    node = found.get(keys.node)
    time = parse_time(found.get(keys.at, "")) if node else None
    cached = CompactRecord(
        handle=handle,
        pv=handle if pv == handle else pv,
        uid=pack(uid),
        epoch=read_epoch(pv, keys, found),
        node=None if node is None else intern(node),
        operation=pack(found.get(keys.operation, "")),
        at=(time or now) if node else None,
        peculiarity=NONE if found else BARE,
    )
    return cached, int(bool(node) and time is None)


def _plain_since(record: VolumeRecord) -> datetime | None:
    """Return the time since which the one holder holds if node and time are all there is to say, else None."""
    if len(record.holders) != 1:
        return None
    held = record.holders[0]
    used_plainly = held.access_mode is unsaid_mode(record.mark.epoch) and not held.readonly and not held.publish_context
    return held.attached_at if used_plainly and held.node_id == record.mark.node else None

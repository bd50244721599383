"""Several PVs of one volume, and their records merged into one.

Kubernetes lets any number of PVs name one volume handle: a Released one beside its replacement, a static PV for each Pod or
namespace. They are one volume, so each bears the record: a write tests and sets all of them (`Write.others`), and a node that any
of them names is a holder. A record says which PVs bear it too, so that each of them leads to all.

Contract: the first PV is the one that is reported to operators, and that is written first: one that names a holder before one that
doesn't, the higher epoch before the lower, then the lower name. No holder depends on which is first.

Not kept here: whether the PVs agree (refusals.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from mooring.models import Copy, VolumeRecord
from mooring.records import refusals

if TYPE_CHECKING:
    from mooring.errors import DuplicateVolume
    from mooring.records.compact import CompactHolder, CompactRecord


def merge(records: Sequence[VolumeRecord], unreadable: Sequence[str] = ()) -> VolumeRecord:
    """Return the record of a volume, from what each of its PVs says."""
    first, *rest = sorted(records, key=_record_order)
    if not rest and not unreadable:
        return first
    return first.model_copy(update={"others": tuple(_copy(first, other) for other in rest), "unreadable": tuple(unreadable)})


def unite(records: Sequence[CompactRecord]) -> CompactRecord:
    """Unite the cached records of a volume's PVs; if one can't be read, return that one."""
    first, *rest = sorted(records, key=_sighting_order)
    if not rest or first.problem:
        return first
    held = distinct(cached for cached in (first, *rest))
    epoch = max(cached.fence for cached in records) or None
    united = msgspec.structs.replace(first, epoch=epoch).noting(sure=all(cached.sure for cached in records))
    return united if tuple(held) == united.held() else msgspec.structs.replace(united, at=None, holders=tuple(held))


def distinct(records: Iterable[CompactRecord]) -> list[CompactHolder]:
    """Return the holders that any of the PVs names, each node once."""
    found: dict[str, CompactHolder] = {}
    for cached in records:
        for held in cached.held():
            found.setdefault(held.node, held)
    return list(found.values())


def lost_leads(record: VolumeRecord) -> set[str]:
    """Return the PVs to which the volume's records lead, and that are gone or bear no record any more.

    A node may have been recorded on one of these since, by whoever didn't know the others.
    """
    there = {copy.mark.pv for copy in record.copies if copy.mark.epoch is not None}
    return {name for copy in record.copies for name in copy.beside} - there


def disagreement(records: Sequence[CompactRecord]) -> DuplicateVolume | None:
    """Return the error if the readable PVs of a volume disagree about its holders, or None if they agree."""
    readable = [cached.record() for cached in records if not cached.problem]
    return refusals.disagreement(merge(readable), records[0].handle) if len(readable) > 1 else None


def _copy(first: VolumeRecord, other: VolumeRecord) -> Copy:
    return Copy(
        mark=other.mark,
        operation=None if other.operation == first.operation else other.operation,
        holders=None if other.holders == first.holders else other.holders,
        beside=None if other.beside == first.beside else other.beside,
    )


def _record_order(record: VolumeRecord) -> tuple[bool, int, str]:
    return not record.holders, -record.epoch, record.mark.pv


def _sighting_order(cached: CompactRecord) -> tuple[bool, bool, int, str]:
    return not cached.problem, not cached.nodes, -cached.fence, cached.pv

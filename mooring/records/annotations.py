"""The record of a volume on its PersistentVolume: annotations <-> `VolumeRecord`, and nothing else.

The schema, each key prefixed by the driver's name and a slash:

=======================  =======================================================================  ==============
`attached-node`          node id of the holder; of several, the first                             while attached
`attached-at`            when it was attached: UTC, RFC 3339, `2026-01-31T04:00:41.123456Z`       while attached
`attachment-epoch`       the epoch: a decimal integer, higher at every write                      never removed
`attachment-operation`   run id of the operation that wrote the record                            never removed
`attachments`            JSON list of every holder: nodeId, attachedAt, accessMode (null if       while the rest
                         unknown), readonly, publishContext; the first also has alsoOn, the       can't say it all
                         names of the volume's other PVs, if it has several
`attachment-also-on`     JSON object, of a free record that several PVs bear: pvs, the names of   never removed
                         the others; epoch, the only one at which it counts
=======================  =======================================================================  ==============

`attachments` is absent for one holder that is SINGLE_NODE_WRITER, not readonly, with an empty publish context.

Records that other programs write are read: `attached-node` alone or with `attached-at`, no epoch (read as None), an empty node
(read as unattached). A missing or unreadable time is replaced by the reader's and counted.

Several PVs of one volume bear a record each (copies.py), and each leads to the others (leads.py).

Invariants: reading a patched PV gives the record that the patch was made from, at a higher epoch. A patch touches no key but these
six, and `attachment-also-on` only where it writes one.

Not kept here: the names in code (keys.py), the PVs of a volume, and any I/O (mooring/cluster/persistent_volumes.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from mooring.errors import MalformedRecord
from mooring.models import AccessMode, Attachment, Model, Part, Precondition, VolumeRecord, Write, faults
from mooring.models.times import format_time, parse_time
from mooring.records import leads
from mooring.records.keys import Keys

ALL_BYTES = 256 * 1024
"""Bytes that Kubernetes allows for all annotations of an object, keys and values together."""
_EPOCH = re.compile(r"0|[1-9][0-9]{0,17}")
PatchOp = dict[str, Any]


@dataclass(slots=True)
class ReadRecord:
    """A record, and how many of its times were replaced."""

    record: VolumeRecord
    replaced_times: int


class _Entry(Model):
    nodeId: str  # noqa: N815 - the annotation's JSON is camelCase, as Kubernetes' is
    attachedAt: str = ""  # noqa: N815
    accessMode: AccessMode | None = AccessMode.SINGLE_NODE_WRITER  # noqa: N815
    readonly: bool = False
    publishContext: dict[str, str] = Field(default_factory=dict)  # noqa: N815
    alsoOn: tuple[str, ...] = ()  # noqa: N815


_ENTRIES = TypeAdapter(list[_Entry], config=ConfigDict(hide_input_in_errors=True))


def read(driver: str, pv: str, uid: str, annotations: Mapping[str, str] | None, now: datetime) -> ReadRecord:
    """Read the record on the PV named `pv`; `now` replaces times that can't be read.

    Raises:
        MalformedRecord: the epoch or the holders can't be read, or contradict each other.

    """
    found = annotations or {}
    keys = Keys.of(driver)
    node = found.get(keys.node)
    mark = Precondition(pv=pv, uid=uid, epoch=read_epoch(pv, keys, found), node=node, bare=not found)
    entries = _entries(pv, keys, found, mark)
    times = [parse_time(entry.attachedAt) for entry in entries]
    try:
        holders = tuple(_holder(entry, time or now) for entry, time in zip(entries, times, strict=True))
    except ValidationError as error:
        raise MalformedRecord(f"PersistentVolume {pv} names a holder that is no node id ({keys.node}): {error}.") from error
    beside = entries[0].alsoOn if entries else leads.read(found.get(keys.also_on), mark.epoch)
    record = VolumeRecord(mark=mark, operation=found.get(keys.operation, ""), holders=holders, beside=beside)
    return ReadRecord(record, times.count(None))


def named_nodes(keys: Keys, found: Mapping[str, str]) -> tuple[str, ...]:
    """Return the nodes that the annotations name, even if they are no record: a list of attachments must omit none of them."""
    try:
        entries = json.loads(found.get(keys.attachments, "[]"))
    except ValueError:
        entries = []
    listed = [entry.get("nodeId") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return tuple(dict.fromkeys(node for node in (found.get(keys.node), *listed) if node and isinstance(node, str)))


def patch(write: Write, part: Part) -> list[PatchOp]:
    """Make the JSON patch for this part of the write: it tests its mark and sets the record (RFC 6902)."""
    keys = Keys.of(write.volume.driver)
    values, mark = _values(keys, write, part), part.mark
    if mark.bare:
        present = {key: value for key, value in values.items() if value is not None}
        return [
            _test("/metadata/uid", mark.uid),
            _test("/metadata/annotations", None),
            {"op": "add", "path": "/metadata/annotations", "value": present},
        ]
    tests = [
        _test("/metadata/uid", mark.uid),
        _test(_path(keys.epoch), None if mark.epoch is None else str(mark.epoch)),
        *([_test(_path(keys.node), mark.node)] if _is_comparable(mark.node) else []),
    ]
    return tests + [op for key, value in values.items() for op in _set(key, value)]


def size(write: Write, part: Part, found: Mapping[str, str]) -> int:
    """Return how many bytes the annotations of a PV that has these would have after its part of the write."""
    after = dict(found) | _values(Keys.of(write.volume.driver), write, part)
    return sum(len(key.encode()) + len(value.encode()) for key, value in after.items() if value is not None)


def read_epoch(pv: str, keys: Keys, found: Mapping[str, str]) -> int | None:
    """Read the fencing token, None if there is none.

    Raises:
        MalformedRecord: it is no decimal integer.

    """
    text = found.get(keys.epoch)
    if text is None:
        return None
    if not _EPOCH.fullmatch(text):
        raise MalformedRecord(
            f"PersistentVolume {pv} has the epoch {text[:40]!r} in {keys.epoch}; it must be a decimal integer, "
            "no lower than any the volume had before."
        )
    return int(text)


def unsaid_mode(epoch: int | None) -> AccessMode | None:
    """Return the access mode of a holder that `attachments` doesn't list."""
    # NB: a record without an epoch is another program's, which never says how the volume is used.
    return None if epoch is None else AccessMode.SINGLE_NODE_WRITER


def _entries(pv: str, keys: Keys, found: Mapping[str, str], mark: Precondition) -> list[_Entry]:
    text = found.get(keys.attachments)
    if text is None:
        mode = unsaid_mode(mark.epoch)
        return [_Entry(nodeId=mark.node, attachedAt=found.get(keys.at, ""), accessMode=mode)] if mark.node else []
    try:
        entries = _ENTRIES.validate_json(text)
    except ValidationError as error:
        raise MalformedRecord(f"PersistentVolume {pv} has an unreadable {keys.attachments}: {faults(error, 'list')}.") from error
    nodes = [entry.nodeId for entry in entries]
    if nodes[:1] != [mark.node] or len(set(nodes)) != len(nodes):
        raise MalformedRecord(
            f"PersistentVolume {pv} contradicts itself: {keys.node} is {mark.node!r}, but {keys.attachments} lists {nodes}."
        )
    return entries


def _holder(entry: _Entry, attached_at: datetime) -> Attachment:
    return Attachment(
        node_id=entry.nodeId,
        attached_at=attached_at,
        access_mode=entry.accessMode,
        readonly=entry.readonly,
        publish_context=entry.publishContext,
    )


def _values(keys: Keys, write: Write, part: Part) -> dict[str, str | None]:
    first = part.holders[0] if part.holders else None
    # NB: one PV by itself leads nowhere, so its write names this key neither to set nor to remove it.
    lead = {keys.also_on: leads.write(write.epoch, part.beside)} if part.beside and not first else {}
    return lead | {
        keys.epoch: str(write.epoch),
        keys.operation: write.operation,
        keys.node: first.node_id if first else None,
        keys.at: format_time(first.attached_at) if first else None,
        keys.attachments: None if _is_plain(part) else _dump(part),
    }


def _is_plain(part: Part) -> bool:
    holders = part.holders
    return not holders or (
        len(holders) == 1
        and not part.beside
        and holders[0].access_mode is AccessMode.SINGLE_NODE_WRITER
        and not holders[0].readonly
        and not holders[0].publish_context
    )


def _dump(part: Part) -> str:
    entries = [
        {
            "nodeId": held.node_id,
            "attachedAt": format_time(held.attached_at),
            "accessMode": held.access_mode,
            "readonly": held.readonly,
            "publishContext": held.publish_context,
            **({"alsoOn": part.beside} if part.beside and held is part.holders[0] else {}),
        }
        for held in part.holders
    ]
    return json.dumps(entries, separators=(",", ":"))


def _path(key: str) -> str:
    return "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")


def _is_comparable(text: str | None) -> bool:
    # NB: kube-apiserver compares the JSON texts of strings, and Go writes these characters otherwise than Python. Such a holder is
    # fenced by the epoch alone, which every write of Mooring's moves.
    return text is None or (text.isascii() and not set("<>&\x7f") & set(text))


def _test(path: str, value: str | None) -> PatchOp:
    return {"op": "test", "path": path, "value": value}


def _set(key: str, value: str | None) -> list[PatchOp]:
    # NB: `remove` fails where the path is absent, which the mark doesn't tell for every key; after an `add` it never is.
    add = {"op": "add", "path": _path(key), "value": value or ""}
    return [add] if value is not None else [add, {"op": "remove", "path": _path(key)}]

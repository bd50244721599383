"""The linear checker: it orders what happened at PVs, at the driver and among callers by what they say themselves, and by no clock.

The changes of a PV have one order, and so has the driver's journal. What ties them is the epoch: a driver's call bears 2E to attach
and 2E + 1 to detach, E being the epoch of the record that it was decided at. Callers are one process, whose clock never goes back.

- `one attached`: the driver never has a volume on two nodes.
- `one record`: no record names two nodes.
- `rising`: each change of a record by an operation has a higher epoch than the one before it.
- `decided`: the node that a call attaches is in the record of its epoch.
- `detached first`: where a record no longer names a node, whatever was attached there before by an earlier epoch was detached by a
  call of an epoch between. A call without a token says nothing of its place, and its node is left out.
- `one caller`: from when a caller was told that its node has the volume until it asks for the end of that, nobody is told so for
  another node.

Everything here is about volumes for one node. It imports neither Mooring nor the other checker.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.harness.driver.journal import Call, Entry
from tests.simulation.history import PvChange


@dataclass(frozen=True, slots=True)
class Fault:
    """A promise that was broken."""

    rule: str
    volume: str
    what: str


@dataclass(frozen=True, slots=True)
class Told:
    """One caller's time with a volume: from when it was told that the node has it, until it asked for the end of that."""

    volume: str
    node: str
    since: float
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class Stated:
    """A record as it was written."""

    epoch: int
    operation: str
    nodes: tuple[str, ...]


Acts = list[tuple[str, bool, Call]]
"""What the driver did to a volume, in order: the node, whether it was attached, and by which call."""


def check(driver: str, changes: Iterable[PvChange], entries: Iterable[Entry], tellings: Iterable[Told]) -> list[Fault]:
    """Return all that was broken."""
    records, faults = _records(driver, changes)
    acts, more = _acts(entries)
    faults += more
    for volume, done in acts.items():
        faults += _decided(volume, done, records.get(volume, {}))
        faults += _detached_first(volume, done, records.get(volume, {}))
    return faults + _overlaps(tellings)


def _records(driver: str, changes: Iterable[PvChange]) -> tuple[dict[str, dict[int, Stated]], list[Fault]]:
    records: dict[str, dict[int, Stated]] = defaultdict(dict)
    faults = list[Fault]()
    newest: dict[str, Stated] = {}
    for change in changes:
        csi = change.pv.get("spec", {}).get("csi", {})
        if csi.get("driver") != driver:
            continue
        volume, uid = csi["volumeHandle"], change.pv["metadata"]["uid"]
        found = _stated(driver, change.pv["metadata"].get("annotations") or {})
        before = newest.get(uid)
        if change.kind == "DELETED" or found is None or found == before:
            continue
        if before is not None and found.epoch <= before.epoch:
            faults.append(Fault("rising", volume, f"{found} was written after {before}"))
        if len(found.nodes) > 1:
            faults.append(Fault("one record", volume, f"{found} names {len(found.nodes)} nodes"))
        newest[uid] = records[volume][found.epoch] = found
    return records, faults


def _stated(driver: str, annotations: Mapping[str, str]) -> Stated | None:
    epoch = annotations.get(f"{driver}/attachment-epoch")
    if epoch is None:
        return None
    one, listed = annotations.get(f"{driver}/attached-node"), annotations.get(f"{driver}/attachments")
    nodes: set[str] = {one} if one else set()
    entries: list[dict[str, Any]] = json.loads(listed) if listed else []
    nodes |= {entry["nodeId"] for entry in entries if "nodeId" in entry}
    return Stated(int(epoch), annotations.get(f"{driver}/attachment-operation", ""), tuple(sorted(nodes)))


def _acts(entries: Iterable[Entry]) -> tuple[dict[str, Acts], list[Fault]]:
    acts: dict[str, Acts] = defaultdict(list)
    attached: dict[str, set[str]] = defaultdict(set)
    faults = list[Fault]()
    for entry in entries:
        if entry.event not in ("attach", "detach"):
            continue
        volume, node = entry.call.volume, entry.call.node
        acts[volume].append((node, entry.event == "attach", entry.call))
        if entry.event == "detach":
            attached[volume].discard(node)
            continue
        attached[volume].add(node)
        if len(attached[volume]) > 1:
            faults.append(Fault("one attached", volume, f"call {entry.call.number} has it on {sorted(attached[volume])}"))
    return acts, faults


def _decided(volume: str, done: Acts, records: Mapping[int, Stated]) -> list[Fault]:
    faults = list[Fault]()
    for node, attach, call in done:
        record = records.get((call.token or 0) // 2)
        if attach and call.token is not None and (record is None or node not in record.nodes):
            faults.append(Fault("decided", volume, f"call {call.number} with token {call.token} attached {node}, by {record}"))
    return faults


def _detached_first(volume: str, done: Acts, records: Mapping[int, Stated]) -> list[Fault]:
    faults, before = list[Fault](), set[str]()
    unfenced = {node for node, _, call in done if call.token is None}
    for epoch in sorted(records):
        named = set(records[epoch].nodes)
        for node in before - named - unfenced:
            earlier = [(attach, call) for where, attach, call in done if where == node and (call.token or 0) // 2 < epoch]
            if earlier and earlier[-1][0]:
                why = f"{records[epoch]} lets {node} go, which call {earlier[-1][1].number} had attached"
                faults.append(Fault("detached first", volume, why))
        before = named
    return faults


def _overlaps(tellings: Iterable[Told]) -> list[Fault]:
    faults, holding = list[Fault](), dict[str, Told]()
    for told in sorted(tellings, key=lambda each: each.since):
        before = holding.get(told.volume)
        if before is not None and before.node != told.node and told.since < before.until:
            faults.append(Fault("one caller", told.volume, f"{told} while {before}"))
        if before is None or told.until > before.until:
            holding[told.volume] = told
    return faults

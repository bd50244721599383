"""The judge of a history: what is promised about holders, from the PVs' changes and the driver's journal alone.

It shares no code with what it judges: it reads the annotations itself. Its input may come from a simulated world or from real
servers, merged in the order of what happened. Each event is looked at once, so a history of any length is judged as it grows.

What is judged of each volume:

- `one holder`: a record names no two nodes unless every access mode on it admits several; at rest, its PVs together don't either.
- `one node`: a driver that enforces the fencing token never has it on two nodes, likewise.
- `written down`: a node to which a call with a token attaches it is on the record of one of its PVs, or was when that vanished.
- `not forgotten`: a write of the record by an operation names every node that a call with a token attached, and that has not been
  detached since. At rest that holds of every node, unless it waits for its PV (`tracked`), or its record vanished.
- `rising epoch`: a write moves the epoch of its PV up.
- `later token`: a call that bears the token of the volume's present epoch bears a higher one than all calls before it, but for
  repetitions; and no call bears the token of an epoch that was never recorded.

Where a call bears no token, or the driver enforces none, one that is carried out after its caller has given up is nobody's fault,
and its node is owed nothing. A call that is *made* by somebody who has been given up (a worker that was paused) is a stray:
`is_stray` tells. One that a run asks for again because it was reset bears the token that it bore: `is_again` tells. If the epoch of
that is over, it is as late as one whose caller has given up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.harness.driver.journal import Call, Entry
from tests.simulation.history import PvChange

Rule = Literal["one holder", "one node", "written down", "not forgotten", "rising epoch", "later token", "no secret"]
NOBODY: Mapping[str, frozenset[str]] = {}


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    rule: Rule
    volume: str
    what: str


@dataclass(frozen=True, slots=True)
class Record:
    """A PV's record: the access mode by node ("" where it is unknown), the epoch, and the operation that wrote it."""

    holders: Mapping[str, str]
    epoch: int | None
    operation: str


@dataclass(slots=True)
class Volume:
    """One volume: its records by PV uid, who held when a record vanished, and the call that attached each node."""

    records: dict[str, Record] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)
    attached: dict[str, Call] = field(default_factory=dict)
    robbed: set[str] = field(default_factory=set)
    """The nodes that a call took it from which nothing fences: one without a token, or at a driver that enforces none."""
    highest: int = 0
    latest: Call | None = None
    """The call with the highest token so far, the first of several."""

    def recorded(self) -> dict[str, str]:
        """Return the access mode of every node that a record names."""
        return {node: mode for record in self.records.values() for node, mode in record.holders.items()}


@dataclass(slots=True)
class Checker:
    """The judge of one driver's volumes; `violations` grows. `enforcing`: the driver enforces the fencing token."""

    driver: str
    enforcing: bool = True
    canaries: tuple[str, ...] = ()
    is_stray: Callable[[Call], bool] = lambda _: False
    is_again: Callable[[Call], bool] = lambda _: False
    violations: list[Violation] = field(default_factory=list)
    _volumes: dict[str, Volume] = field(default_factory=dict)
    _late: set[int] = field(default_factory=set)

    def see(self, event: PvChange | Entry) -> None:
        """Judge what happened next."""
        if isinstance(event, PvChange):
            self._see_pv(event)
            return
        volume = self.volume(event.call.volume)
        match event.event:
            case "call":
                self._see_call(volume, event.call)
            case "late":
                self._late.add(event.call.number)
            case "attach":
                self._see_attach(volume, event.call)
            case "detach":
                if volume.attached.pop(event.call.node, None) is not None and self._is_unfenced(event.call):
                    volume.robbed.add(event.call.node)
                volume.vanished.discard(event.call.node)

    def volume(self, handle: str) -> Volume:
        """Return what is known of a volume."""
        return self._volumes.setdefault(handle, Volume())

    def forget(self, handle: str) -> None:
        """Take in that the driver has been let forget the volume's tokens, as its epochs begin anew."""
        self.volume(handle).latest = None

    def rest(self, tracked: Mapping[str, frozenset[str]] = NOBODY) -> list[Violation]:
        """Judge the end, when nothing is under way, and return all violations. `tracked`: nodes that wait for their volume's PV."""
        for handle, volume in self._volumes.items():
            recorded = volume.recorded()
            self._judge_holders(handle, recorded, "its PVs together name")
            known = {*recorded, *volume.vanished, *tracked.get(handle, ())}
            self._blame(
                "not forgotten", handle, (node for node in self.owed(volume) if node not in known), "is attached for nobody"
            )
        return self.violations

    def _see_pv(self, change: PvChange) -> None:
        source = change.pv.get("spec", {}).get("csi", {})
        if source.get("driver") != self.driver:
            return
        handle, meta = source["volumeHandle"], change.pv["metadata"]
        volume = self.volume(handle)
        annotations = meta.get("annotations") or {}
        self.violations += leaks(
            self.canaries, ((f"{handle}: {key} of PV {meta['name']}", text) for key, text in annotations.items())
        )
        before = volume.records.pop(meta["uid"], None)
        after = None if change.kind == "DELETED" else read(self.driver, annotations)
        if after is not None:
            volume.records[meta["uid"]] = after
            volume.highest = max(volume.highest, after.epoch or 0)
        if change.kind == "MODIFIED" and before is not None and after is not None and is_written(before, after):
            self._see_write(handle, volume, before, after)
        elif before is not None:
            volume.vanished |= before.holders.keys() - volume.recorded().keys()

    def _see_write(self, handle: str, volume: Volume, before: Record, after: Record) -> None:
        self._judge_holders(handle, after.holders, "a record names")
        if before.epoch is not None and (after.epoch or 0) <= before.epoch:
            self._tell("rising epoch", handle, f"operation {after.operation} moved it from {before.epoch} to {after.epoch}")
        recorded = volume.recorded()
        forgotten = (node for node in self.owed(volume, fenced=True) if node not in recorded)
        self._blame("not forgotten", handle, forgotten, f"is attached, and operation {after.operation} wrote a record without it")
        volume.vanished.clear()

    def _see_call(self, volume: Volume, call: Call) -> None:
        if call.token is None:
            return
        epoch = call.token // 2
        if epoch > volume.highest:
            self._tell(
                "later token", call.volume, f"{_named(call)} is of epoch {epoch}, and {volume.highest} is the highest recorded"
            )
        is_again = self.is_again(call)
        if is_again and epoch < volume.highest:
            self._late.add(call.number)
        if self.is_stray(call) or is_again:
            return
        before, earlier = volume.latest, volume.latest.token or 0 if volume.latest else 0
        if before is None or call.token > earlier:
            volume.latest = call
        elif epoch >= volume.highest and not (call.token == earlier and _is_repeated(before, call)):
            self._tell("later token", call.volume, f"{_named(call)} comes after {_named(before)}")

    def _see_attach(self, volume: Volume, call: Call) -> None:
        volume.attached[call.node] = call
        volume.robbed.discard(call.node)
        modes = {node: held.mode for node, held in volume.attached.items() if not self._is_unfenced(held)}
        if self.enforcing and _excludes(modes):
            self._tell("one node", call.volume, f"it is attached to {', '.join(sorted(modes))} by {_named(call)}")
        is_known = call.node in volume.recorded() or call.node in volume.vanished
        if self._is_owed(call) and call.token is not None and not is_known:
            self._tell("written down", call.volume, f"{_named(call)} attached a node that no record names")

    def owed(self, volume: Volume, *, fenced: bool = False) -> list[str]:
        """Return the nodes that are attached by right; `fenced`: by a call with a token."""
        return [node for node, call in volume.attached.items() if self._is_owed(call) and (call.token is not None or not fenced)]

    def _is_owed(self, call: Call) -> bool:
        return not self._is_unfenced(call)

    def _is_unfenced(self, call: Call) -> bool:
        """Return whether a call was carried out after it was given up, and the driver could not know."""
        is_fenced = self.enforcing and call.token is not None
        return not is_fenced and (call.number in self._late or self.is_stray(call))

    def _judge_holders(self, handle: str, holders: Mapping[str, str], who: str) -> None:
        if _excludes(holders):
            self._tell("one holder", handle, f"{who} {', '.join(sorted(holders))}")

    def _blame(self, rule: Rule, handle: str, nodes: Iterable[str], what: str) -> None:
        for node in nodes:
            self._tell(rule, handle, f"node {node} {what}")

    def _tell(self, rule: Rule, handle: str, what: str) -> None:
        self.violations.append(Violation(rule, handle, what))


def check(history: Iterable[PvChange | Entry], checker: Checker, tracked: Mapping[str, frozenset[str]] = NOBODY) -> list[Violation]:
    """Judge a whole history that has come to rest."""
    for event in history:
        checker.see(event)
    return checker.rest(tracked)


def read(driver: str, annotations: Mapping[str, str]) -> Record:
    """Read the record in a PV's annotations; what can't be read names nobody."""
    node = annotations.get(f"{driver}/attached-node", "")
    listed = _holders(annotations.get(f"{driver}/attachments", "[]"))
    epoch = annotations.get(f"{driver}/attachment-epoch", "")
    holders = listed or ({node: "SINGLE_NODE_WRITER"} if node else {})
    return Record(holders, int(epoch) if epoch.isdecimal() else None, annotations.get(f"{driver}/attachment-operation", ""))


def leaks(canaries: Iterable[str], texts: Iterable[tuple[str, str | bytes]]) -> list[Violation]:
    """Find secrets in texts (payloads, annotations, logs), each with the place where it stands."""
    known = [canary.encode() for canary in canaries]
    found = list[Violation]()
    for place, text in texts if known else ():
        written = text.encode() if isinstance(text, str) else text
        if any(canary in written for canary in known):
            found.append(Violation("no secret", place, "a secret stands there"))
    return found


def _holders(listed: str) -> dict[str, str]:
    try:
        entries: list[dict[str, Any]] = json.loads(listed)
        return {entry["nodeId"]: entry.get("accessMode", "SINGLE_NODE_WRITER") or "" for entry in entries}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def is_written(before: Record, after: Record) -> bool:
    """Return whether an operation has written a record between these two."""
    return after.epoch is not None and (after.epoch, after.operation) != (before.epoch, before.operation)


def _is_repeated(before: Call, call: Call) -> bool:
    """Return whether two calls may bear one token: they ask for the same, or both for a detach."""
    return before.rpc == call.rpc and (call.rpc == "unpublish" or before.node == call.node)


def _excludes(modes: Mapping[str, str]) -> bool:
    return len(modes) > 1 and not all(mode.startswith("MULTI_NODE") for mode in modes.values())


def _named(call: Call) -> str:
    return f"{call.rpc} of node {call.node or '(every)'} with token {call.token}"

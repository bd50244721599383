"""The judge of operations that end: what a caller is told is true at that moment, and stays the last that the operation does.

What is judged, from the history, the checker's state and the runs:

- `true success`: whoever was told to have a volume has it at the driver, and by a record, a hold, or one that vanished.
- `true release`: from whom it was taken, it is gone, at the driver and by every record, unless the answer says that it is not.
- `nothing left`: a publish that failed has left nothing that it gave: no holder in a record, no attachment that nobody knows of. An
  unpublish takes what its former self gave.
- `nobody is robbed`: no unpublish that nobody asked for takes a volume from a node that was told to have it and is to keep it.
- `nothing lands`: a publish that has ended makes nobody a holder any more, nor takes anybody away, nor does one that it was reset
  from; a failed renewal may land, on a PV of several that doesn't name the holder yet, too.
- `epochs are known`: an operation that had the driver called at an epoch writes none that is no higher, on whichever PV.

It shares no code with what it judges. An operation that was terminated has ended nothing; one that is bound to what somebody saw
may have changed nothing. Whoever asks for an unpublish, or resets one, keeps nothing from that moment on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus

from tests.harness.driver.journal import Call
from tests.simulation.checker import Checker, Record, Volume, is_written, read
from tests.simulation.history import PvChange
from tests.simulation.temporal_server.history import attributes_of
from tests.simulation.temporal_server.run import Run

PUBLISH: Final = "PublishVolume"
UNPUBLISH: Final = "UnpublishVolume"
COMPLETED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
FAILED: Final = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
)
Tell = Callable[[str, str, str], None]
"""A violation: the rule, the volume, and what is wrong."""


@dataclass(slots=True)
class Endings:
    """The judge of one world's operations.

    `held` returns the nodes that have a volume until it has a PV, `keeps` whether a node was told to have it and is to keep it,
    `asked_by` the run for which a call was made.
    """

    checker: Checker
    tell: Tell
    held: Callable[[str], frozenset[str]]
    keeps: Callable[[str, str], bool]
    asked_by: Callable[[Call], str]
    _records: dict[str, Record] = field(default_factory=dict)
    _given: dict[str, set[str]] = field(default_factory=dict)
    """The nodes that an operation has made holders, by its run."""
    _told: dict[str, set[str]] = field(default_factory=dict)
    """The nodes that were told to have a volume, and from which it was not taken since, be it that an operator ended their hold."""
    _doubted: dict[str, set[str]] = field(default_factory=dict)
    """The nodes from which an unpublish that failed was to take a volume: as far as Mooring knows, it has left it there."""
    _former: dict[str, set[str]] = field(default_factory=dict)
    """The publishes that each one was reset from, one after the other: others of the same origin are none of these."""
    _ended: set[str] = field(default_factory=set)
    _called: dict[str, int] = field(default_factory=dict)
    """The highest epoch at which each run had the driver called."""

    def called(self, call: Call) -> None:
        """Take in a call of the driver."""
        run_id = self.asked_by(call)
        self._called[run_id] = max(self._called.get(run_id, 0), (call.token or 0) // 2)

    def see(self, change: PvChange) -> None:
        """Judge a change of a PV, which the checker has not seen yet."""
        uid, handle = change.pv["metadata"]["uid"], change.pv["spec"]["csi"]["volumeHandle"]
        before, after = self._records.get(uid), read(self.checker.driver, change.pv["metadata"].get("annotations") or {})
        if change.kind == "DELETED":
            self._records.pop(uid, None)
            return
        self._records[uid] = after
        if before is None or not is_written(before, after):
            return
        if (after.epoch or 0) <= self._called.get(after.operation, 0):
            called = f"epoch {after.epoch}, and had the driver called at epoch {self._called[after.operation]}"
            self.tell("epochs are known", handle, f"operation {after.operation} wrote {called}")
        named = before.holders.keys() | self.checker.volume(handle).recorded().keys()
        if after.operation in self._ended and (before.holders.keys() - after.holders.keys() or after.holders.keys() - named):
            self.tell("nothing lands", handle, f"operation {after.operation} had ended, and wrote epoch {after.epoch}")
        self._given.setdefault(after.operation, set()).update(after.holders.keys() - named - self.checker.volume(handle).vanished)

    def ended(self, run: Run, handle: str) -> None:
        """Judge the end of an operation on a volume."""
        kind, volume = run.started.workflow_type.name, self.checker.volume(handle)
        asked: dict[str, Any] = _decoded(run.started.input.payloads)
        if kind == PUBLISH:
            bases = _bases(run)
            self._former[run.run_id] = bases.union(*(self._former.get(base, set()) for base in bases))
        if kind == PUBLISH and run.status in (COMPLETED, *FAILED):
            self._ended |= {run.run_id, *self._former[run.run_id]}
            judge = self._judge_success if run.status == COMPLETED else self._judge_failure
            judge(run.run_id, handle, asked["node_id"], volume)
            if run.status == COMPLETED:
                self._told.setdefault(handle, set()).add(asked["node_id"])
        elif kind == UNPUBLISH and run.status == COMPLETED:
            result = _decoded(attributes_of(run.events[-1]).result.payloads)
            for left in (self._told, self._doubted):
                left.get(handle, set()).difference_update(result["released"])
            self._judge_kept(run.run_id, handle, result["released"])
            if result["annotation_cleared"] and not _is_bound(asked):
                self._judge_release(run.run_id, handle, asked.get("node_id", ""), volume)
        elif kind == UNPUBLISH and run.status in FAILED:
            self._doubted.setdefault(handle, set()).add(asked.get("node_id", ""))

    def _judge_success(self, run_id: str, handle: str, node: str, volume: Volume) -> None:
        if node not in volume.attached and node not in volume.robbed:
            self.tell("true success", handle, f"publish {run_id} has succeeded, and {node} has it not attached")
        if node not in self._known(handle, volume):
            self.tell("true success", handle, f"publish {run_id} has succeeded, and nothing names {node} as its holder")

    def _judge_failure(self, run_id: str, handle: str, node: str, volume: Volume) -> None:
        mine = [record for record in volume.records.values() if record.operation == run_id and node in record.holders]
        if mine and node in self._given.get(run_id, ()):
            self.tell("nothing left", handle, f"publish {run_id} has failed, and its record names {node}")
        known = self._known(handle, volume) | self._told.get(handle, set()) | self._doubted.get(handle, set())
        is_given = node in self.checker.owed(volume) and self.asked_by(volume.attached[node]) == run_id
        if is_given and node not in known:
            self.tell("nothing left", handle, f"publish {run_id} has failed, and {node} has it attached, which nothing says")

    def _judge_kept(self, run_id: str, handle: str, released: Sequence[str]) -> None:
        for node in released:
            if self.keeps(handle, node):
                self.tell("nobody is robbed", handle, f"unpublish {run_id} took it from {node}, which nobody asked for")

    def _judge_release(self, run_id: str, handle: str, node: str, volume: Volume) -> None:
        there = self.checker.owed(volume)
        if node in there or (not node and there):
            self.tell("true release", handle, f"unpublish {run_id} is done, and {node or there} has it attached")
        recorded = volume.recorded()
        if node in recorded or (not node and recorded):
            self.tell("true release", handle, f"unpublish {run_id} is done, and a record names {node or list(recorded)}")

    def _known(self, handle: str, volume: Volume) -> set[str]:
        return {*volume.recorded(), *volume.vanished, *self.held(handle)}


def _bases(run: Run) -> set[str]:
    """Return the runs that this one was reset from, as its history names them."""
    return {event.workflow_task_failed_event_attributes.base_run_id for event in run.events} - {""}


def _decoded(payloads: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payloads[0].data)
    return found


def _is_bound(asked: Mapping[str, Any]) -> bool:
    return bool(asked.get("stray") or asked.get("at_run") or asked.get("detached")) or asked.get("at_epoch") is not None

"""Drifts, the differences between the records, the cluster and the backend, and the findings of one look for them.

Contract: a drift is named by its kind, volume, node and the record's epoch, so that two looks can recognize the same one;
`why` is a sentence that describes it, `advice` the possible action of an operator. These are models: they travel, and remain in the
history.

Not kept here: finding drifts (mooring/reconciliation/comparison.py, mooring/reconciliation/survey.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from pydantic import AwareDatetime, Field
from pydantic_core import to_json

from mooring.commands import filled_in
from mooring.models.base import Model
from mooring.models.volumes import Precondition

MAX_IN_FULL: Final = 500
"""Drifts that a look hands over in full."""


MAX_IN_FULL_BYTES: Final = 1_000_000
"""Bytes of the drifts in one payload at most, half of its limit."""


class DriftKind(StrEnum):
    """Kind of difference."""

    HOLDER_WITHOUT_VOLUME_ATTACHMENT = "holder_without_volume_attachment"
    VOLUME_ATTACHMENT_WITHOUT_HOLDER = "volume_attachment_without_holder"
    VOLUME_ATTACHMENT_ELSEWHERE = "volume_attachment_elsewhere"
    HOLDER_ON_GONE_NODE = "holder_on_gone_node"
    UNPERSISTED = "unpersisted"
    NOT_CLEARED = "not_cleared"
    UNKNOWN_TO_RECORD = "unknown_to_record"
    UNKNOWN_TO_BACKEND = "unknown_to_backend"
    DEPARTED_HOLDER = "departed_holder"
    UNPLACED_VOLUME_ATTACHMENT = "unplaced_volume_attachment"
    ALTERED_RECORD = "altered_record"
    UNREADABLE_RECORD = "unreadable_record"
    DUPLICATE_VOLUME = "duplicate_volume"
    INDEX_BEHIND = "index_behind"


class Heal(StrEnum):
    """Remedy for a drift; NONE: it needs an operator."""

    NONE = ""
    UNPUBLISH = "unpublish"
    UNPUBLISH_STRAY = "unpublish_stray"
    ADOPT = "adopt"
    EVACUATE = "evacuate"
    REBUILD = "rebuild"

    @property
    def guarded(self) -> bool:
        """True if the drift guard counts it: neither a rebuild nor an evacuation, which asks for proof itself, detaches
        anything."""
        return self in (Heal.UNPUBLISH, Heal.UNPUBLISH_STRAY, Heal.ADOPT)


ADVICE: Final[Mapping[DriftKind, str]] = {
    DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT: "Make sure that no Pod on the node uses the volume, then run "
    "`mooring unpublish VOLUME NODE`.",
    DriftKind.VOLUME_ATTACHMENT_WITHOUT_HOLDER: (
        "Delete the Pod that uses the volume, so that it is attached again, or the "
        "VolumeAttachment if no Pod does; `mooring adopt` records it as it is, unless it is left over."
    ),
    DriftKind.VOLUME_ATTACHMENT_ELSEWHERE: (
        "Find out which node really has the volume (`mooring explain VOLUME` names both). "
        "Then delete the VolumeAttachment of the other one, or unpublish the volume from the recorded node if the record is wrong."
    ),
    DriftKind.HOLDER_ON_GONE_NODE: (
        "`mooring evacuate NODE` has its volumes released once the node is proven dead, and shows what that lacks. If you are "
        "certain that it is powered off, confirm it: `mooring evacuate --approve --reason WHY NODE`."
    ),
    DriftKind.UNPERSISTED: "Create the PersistentVolume, or run `mooring unpublish VOLUME NODE` to give the attachment up.",
    DriftKind.NOT_CLEARED: (
        "`mooring history VOLUME` shows why the record could not be cleared; correct that, then unpublish the volume again."
    ),
    DriftKind.UNKNOWN_TO_RECORD: "Detach the volume from the node on the storage, once nothing uses it there.",
    DriftKind.UNKNOWN_TO_BACKEND: "Delete the Pod that uses the volume, so that it is detached and attached again.",
    DriftKind.DEPARTED_HOLDER: (
        "Once nothing on the node uses the volume, run `mooring unpublish VOLUME NODE`; a publish to that node is admitted."
    ),
    DriftKind.UNPLACED_VOLUME_ATTACHMENT: "Create the PersistentVolume again, or delete the VolumeAttachment once nothing on the "
    "node uses its volume.",
    DriftKind.ALTERED_RECORD: "`mooring explain VOLUME` says how to put the record back while the volume is in use. Once nothing "
    "uses it, run `mooring unpublish --all-nodes VOLUME`.",
    DriftKind.UNREADABLE_RECORD: "Correct the annotations of the PersistentVolume, and let nothing else write them.",
    DriftKind.DUPLICATE_VOLUME: "Find out which node has the volume, and unpublish it from the others.",
    DriftKind.INDEX_BEHIND: (
        "No action is needed: the worker rebuilds its index. If the drift remains, see the worker's log about its watch."
    ),
}


Key = tuple[str, str, str, int]
"""The identity of a drift, the same at every look: kind, volume handle (or VolumeAttachment), node id, epoch."""


class Drift(Model):
    """One difference.

    `volume_handle` is "" if only the VolumeAttachment can be named; `node_id`, `pv`, `volume_attachment` are "" if there is none to
    name; `uid` is the PV's, "" for one that is gone. `since`: the time since which the node has the volume, None if unknown.
    """

    kind: DriftKind
    volume_handle: str
    node_id: str = ""
    epoch: int = 0
    pv: str = ""
    uid: str = ""
    volume_attachment: str = ""
    since: AwareDatetime | None = None
    why: str
    heal: Heal = Heal.NONE

    @property
    def key(self) -> Key:
        """The key that distinguishes it from others."""
        return self.kind.value, self.volume_handle or self.volume_attachment, self.node_id, self.epoch

    @property
    def mark(self) -> Precondition | None:
        """The PV for Events about it, or None if there is none."""
        return Precondition(pv=self.pv, uid=self.uid) if self.pv and self.uid else None


VANISHED: Final = (DriftKind.DEPARTED_HOLDER, DriftKind.ALTERED_RECORD)
"""Drift of a volume whose record was lost or says less than it did."""


D = TypeVar("D", bound=Drift)


def advice(drift: Drift) -> str:
    """Return the advice to an operator; the commands in it are safe to paste, whatever the names."""
    return filled_in(ADVICE[drift.kind], drift.volume_handle, drift.node_id)


class SurveyResult(Model):
    """The findings of one look.

    `drifts` are those in full, healable ones first; `counts` counts all by kind, `due` all that the guard counts. `compared`: the
    number of PVs; `not_compared`: the sources that could not be asked, with the reasons.
    """

    drifts: tuple[Drift, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)
    due: int = 0
    compared: int = 0
    not_compared: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """True if all drifts are in full."""
        return len(self.drifts) == sum(self.counts.values())

    def confirmed_by(self, again: SurveyResult) -> SurveyResult:
        """Return the drifts that two looks agree on. Beyond those in full they are at most the smaller of the counts."""
        keys = {drift.key for drift in self.drifts}
        drifts = tuple(drift for drift in again.drifts if drift.key in keys)
        if self.is_whole or again.is_whole:
            return hand_over(drifts, again.compared, again.not_compared)
        counts = {kind: min(number, self.counts.get(kind, 0)) for kind, number in again.counts.items()}
        return again.model_copy(update={"drifts": drifts, "counts": counts, "due": min(self.due, again.due)})


def ranked(drifts: Iterable[Drift]) -> list[Drift]:
    """Sort the drifts: healable ones first, and otherwise in an order that is the same at every look."""
    return sorted(drifts, key=lambda drift: (not drift.heal, drift.key))


def hand_over(drifts: Iterable[Drift], compared: int, not_compared: Sequence[str] = ()) -> SurveyResult:
    """Return the part of a look's findings that fits a payload, with the counts of all."""
    found = ranked(drifts)
    return SurveyResult(
        drifts=tuple(within(found[:MAX_IN_FULL])),
        counts=dict(Counter(drift.kind.value for drift in found)),
        due=sum(drift.heal.guarded for drift in found),
        compared=compared,
        not_compared=tuple(not_compared),
    )


def within(drifts: Iterable[D]) -> Iterator[D]:
    """Yield the first of the drifts, as many as a payload has room for."""
    room = MAX_IN_FULL_BYTES
    for drift in drifts:
        room -= len(to_json(drift))
        if room < 0:
            return
        yield drift

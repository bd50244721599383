"""The events that Mooring reports to operators in Kubernetes Events: the reason, the volume, the node.

Contract: a `EventNote` holds no secret, because it ends up where anybody with a view of the cluster reads it.

Not kept here: the Events themselves (drafts.py), the writer (recorder.py), the sources (workflows/common/events.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mooring.models import Precondition

RECORD_EVENT: Final = "mooring_record_event"
"""The name under which a worker lends its recorder's `take` to workflow code."""


class Reason(StrEnum):
    """Reason of an Event, in one word."""

    ATTACHED = "Attached"
    DETACHED = "Detached"
    ATTACH_REFUSED = "AttachRefused"
    ATTACH_FAILED = "AttachFailed"
    ROLLED_BACK = "RolledBack"
    STALE_ATTACHMENT_RELEASED = "StaleAttachmentReleased"
    ANNOTATION_NOT_CLEARED = "AnnotationNotCleared"
    MIGRATION_STARTED = "MigrationStarted"
    MIGRATION_COMPLETED = "MigrationCompleted"
    MIGRATION_TIMED_OUT = "MigrationTimedOut"
    DRIFT_NOT_HEALED = "DriftNotHealed"
    EVACUATION_WAITS = "EvacuationWaits"
    EVACUATION_COMPLETED = "EvacuationCompleted"
    EVACUATION_STOPPED = "EvacuationStopped"

    @property
    def warns(self) -> bool:
        """True if its Events are of type Warning, not Normal."""
        return self in _WARNINGS

    @property
    def action(self) -> str:
        """Mooring's action at the time."""
        return _ACTIONS[self]


_WARNINGS: Final = frozenset(
    {
        Reason.ATTACH_REFUSED,
        Reason.ATTACH_FAILED,
        Reason.ROLLED_BACK,
        Reason.STALE_ATTACHMENT_RELEASED,
        Reason.ANNOTATION_NOT_CLEARED,
        Reason.MIGRATION_TIMED_OUT,
        Reason.DRIFT_NOT_HEALED,
        Reason.EVACUATION_WAITS,
        Reason.EVACUATION_STOPPED,
    }
)
_ACTIONS: Final = {
    Reason.ATTACHED: "Publish",
    Reason.DETACHED: "Unpublish",
    Reason.ATTACH_REFUSED: "Publish",
    Reason.ATTACH_FAILED: "Publish",
    Reason.ROLLED_BACK: "RollBack",
    Reason.STALE_ATTACHMENT_RELEASED: "Unpublish",
    Reason.ANNOTATION_NOT_CLEARED: "Unpublish",
    Reason.MIGRATION_STARTED: "Migrate",
    Reason.MIGRATION_COMPLETED: "Migrate",
    Reason.MIGRATION_TIMED_OUT: "Migrate",
    Reason.DRIFT_NOT_HEALED: "Reconcile",
    Reason.EVACUATION_WAITS: "Evacuate",
    Reason.EVACUATION_COMPLETED: "Evacuate",
    Reason.EVACUATION_STOPPED: "Evacuate",
}


@dataclass(frozen=True, slots=True)
class EventNote:
    """A event to report on the volume's PV, the PVC that is bound to it, and the Node.

    `volume_handle` is "" if it is about a node alone, `node_id` "" if it is about a volume alone; `pv` is None if none is known.
    `holder` is the node that is in the way: another holder is another Event, not a repetition. `node_name`: the Node's, if the
    source knows it; the index may not, or no longer.
    """

    reason: Reason
    volume_handle: str
    node_id: str
    pv: Precondition | None
    note: str
    holder: str = ""
    node_name: str = ""


RecordEvent = Callable[[EventNote], None]
"""Takes something to tell from any thread; returns at once and never raises."""

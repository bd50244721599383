"""The Events that report one event: on the PV, on the PVC that is bound to it, and on the Node.

Contract: a draft is valid events.k8s.io/v1. Two drafts with one key report the same again, as in client-go's tools/events.
Another holder in the way is another key.

Not kept here: earlier Events (series.py), and the writing (recorder.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mooring.models.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mooring.events.reasons import EventNote, Reason
    from mooring.kubernetes.pv_objects import PvcRef

NOTE_BYTES: Final = 1024
"""The limit of an Event's note (events.k8s.io/v1)."""
INSTANCE_CHARACTERS: Final = 128
NAME_CHARACTERS: Final = 253 - 17
"""Characters of an object's name that its Event's name begins with: a dot and 16 digits follow."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that an Event is about."""

    kind: str
    name: str
    uid: str
    namespace: str = ""

    @property
    def body(self) -> Body:
        """Its ObjectReference."""
        version = {} if self.kind == "Node" else {"apiVersion": "v1"}  # the kubelet's own Events name none
        namespace = {"namespace": self.namespace} if self.namespace else {}
        return {"kind": self.kind, "name": self.name, "uid": self.uid, **version, **namespace}

    @property
    def events(self) -> str:
        """The path of Events about it; those about cluster-scoped objects are in `default`, as the API server demands."""
        return f"/apis/events.k8s.io/v1/namespaces/{self.namespace or 'default'}/events"


@dataclass(frozen=True, slots=True)
class Key:
    """The fields that make two Events one series."""

    reason: Reason
    regarding: Reference
    related: Reference | None
    holder: str


@dataclass(frozen=True, slots=True)
class EventDraft:
    """One Event, but for its name."""

    key: Key
    note: str

    def body(self, name: str, instance: str, since: datetime) -> Body:
        """Return the Event; `instance` names the worker, `since` is the time of its first occurrence."""
        reason, related = self.key.reason, self.key.related
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name},
            "eventTime": format_time(since),
            "type": "Warning" if reason.warns else "Normal",
            "reason": reason.value,
            "note": self.note.encode()[:NOTE_BYTES].decode(errors="ignore"),
            "action": reason.action,
            "reportingController": "mooring",
            "reportingInstance": instance[:INSTANCE_CHARACTERS],
            "regarding": self.key.regarding.body,
            **({"related": related.body} if related else {}),
        }

    def name(self, unique: str) -> str:
        """Return a name for it; `unique` is 16 digits."""
        return f"{self.key.regarding.name[:NAME_CHARACTERS].rstrip('.-')}.{unique}"


def event_drafts(event: EventNote, pvc: PvcRef | None, node_name: str) -> list[EventDraft]:
    """Draft the Events of an event; `pvc` is bound to its PV, `node_name` is the Node's name, "" if unknown."""
    # NB: the kubelet gives a Node's name for its uid, and so does `kubectl describe node` when it looks for Events.
    node = Reference("Node", node_name, node_name) if node_name else None
    mark = event.pv
    pv = Reference("PersistentVolume", mark.pv, mark.uid) if mark else None
    bound = Reference("PersistentVolumeClaim", pvc.name, pvc.uid, pvc.namespace) if pvc else None

    def about() -> Iterator[tuple[Reference, Reference | None]]:
        yield from ((each, node) for each in (pv, bound) if each)
        if node:
            yield node, pv

    return [EventDraft(Key(event.reason, each, related, event.holder), event.note) for each, related in about()]

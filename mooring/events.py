"""Kubernetes Events about volumes: what an operator sees in `kubectl describe pv`.

Contract: best effort. An Event that can't be written raises, and the caller goes on without it.

Not kept here: series of repeated Events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mooring.annotations import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from mooring.models import Mark

NAMESPACE = "default"
"""Events about cluster-scoped objects live here, as the API server's own validation demands."""

NOTE_BYTES = 1024
"""The limit of an Event's note (events.k8s.io/v1)."""


class Events(Protocol):
    """Writes Events."""

    async def warn(self, about: Mark, reason: str, note: str) -> None:
        """A Warning about the PV that `about` names."""
        ...


class NoEvents:
    """Where there is no Kubernetes, there is nobody to tell."""

    async def warn(self, about: Mark, reason: str, note: str) -> None:
        """Nothing."""


def warning(about: Mark, reason: str, note: str, *, name: str, instance: str, now: datetime) -> dict[str, Any]:
    """The body of an events.k8s.io/v1 Event of type Warning; `instance` names the worker."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "eventTime": format_time(now),
        "type": "Warning",
        "reason": reason,
        "note": note.encode()[:NOTE_BYTES].decode(errors="ignore"),
        "action": "Unpublish",
        "reportingController": "mooring",
        "reportingInstance": instance[:128],
        "regarding": {"apiVersion": "v1", "kind": "PersistentVolume", "name": about.pv, "uid": about.uid},
    }

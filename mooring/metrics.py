"""The figures that a worker shows of its index and of the API server, for Prometheus.

Contract: everything is registered with the registry passed in. No label has more values than this file names; volumes and nodes are
never labels.

Not kept here: the SDK's own metrics, and anything that has to outlive the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from mooring.adoption import Verdict
from mooring.views import Skip


class Metrics:
    """Mooring's figures on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attachments = Gauge("mooring_attachments", "Attachments in the index.", registry=registry)
        self._watch_lag = Gauge(
            "mooring_watch_lag_seconds", "Time since the watch of PersistentVolumes last brought anything.", registry=registry
        )
        self._rebuild = Gauge("mooring_rebuild_seconds", "How long the last rebuild of the index took.", registry=registry)
        self._skipped = Gauge(
            "mooring_skipped_volumes", "PersistentVolumes that the last rebuild skipped.", ["reason"], registry=registry
        )
        self._replaced = Counter("mooring_replaced_times", "Unreadable attachment times that were replaced.", registry=registry)
        self._conflicts = Counter(
            "mooring_conflicts", "Writes that were refused because the record had changed.", registry=registry
        )
        self._reconnects = Counter("mooring_watch_reconnects", "Times a watch was connected again.", registry=registry)
        self._unrecorded = Gauge(
            "mooring_unrecorded_attachments",
            "VolumeAttachments that the last look found attached and not recorded, by what was done about them.",
            ["verdict"],
            registry=registry,
        )
        self.rebuilt(0, {})
        self.looked_for_adoption({})

    def observe(self, attachments: Callable[[], float], watch_lag: Callable[[], float]) -> None:
        """Ask these, whenever the metrics are read, for the number of attachments and the watch's lag in seconds."""
        self._attachments.set_function(attachments)
        self._watch_lag.set_function(watch_lag)

    def rebuilt(self, seconds: float, skipped: Mapping[str, int]) -> None:
        """A rebuild succeeded."""
        self._rebuild.set(seconds)
        for reason in Skip:
            self._skipped.labels(reason.value).set(skipped.get(reason, 0))

    def looked_for_adoption(self, verdicts: Mapping[Verdict, int]) -> None:
        """A look at VolumeAttachments came to these verdicts."""
        for verdict in Verdict:
            self._unrecorded.labels(verdict.value).set(verdicts.get(verdict, 0))

    def replaced(self, times: int) -> None:
        """So many attachment times could not be read."""
        self._replaced.inc(times)

    def conflict(self) -> None:
        """A compare-and-set was refused."""
        self._conflicts.inc()

    def reconnected(self) -> None:
        """A watch was connected again."""
        self._reconnects.inc()

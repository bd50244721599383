"""The metrics of a worker's index and of the API server, for Prometheus.

Contract: everything is registered with the registry passed in. No label has more values than this file names; volumes and nodes are
never labels. Every sample of a worker names its driver, so that one Prometheus can distinguish the workers of several drivers.

Not kept here: the SDK's own metrics, and anything that has to outlive the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import Metric

from mooring.models import Skip
from mooring.models.adoption import Verdict
from mooring.models.drift import DriftKind
from mooring.states import State


class WorkerRegistry(CollectorRegistry):
    """A registry whose every sample has the label `driver`; it is empty until the driver is known."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = ""

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, labelled."""
        for metric in super().collect():
            metric.samples = [sample._replace(labels={"driver": self.driver, **sample.labels}) for sample in metric.samples]
            yield metric


class Metrics:
    """Mooring's figures on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attachments = Gauge("mooring_attachments", "Attachments in the index.", registry=registry)
        self._watch_lag = Gauge(
            "mooring_watch_lag_seconds", "Time since the watch of PersistentVolumes last received anything.", registry=registry
        )
        self._rebuild = Gauge("mooring_rebuild_seconds", "Duration of the last rebuild of the index.", registry=registry)
        self._skipped = Gauge(
            "mooring_skipped_volumes", "PersistentVolumes that the last rebuild skipped.", ["reason"], registry=registry
        )
        self._replaced = Counter("mooring_replaced_times", "Unreadable attachment times that were replaced.", registry=registry)
        self._conflicts = Counter(
            "mooring_conflicts", "Writes that were refused because the record had changed.", registry=registry
        )
        self._reconnects = Counter("mooring_watch_reconnects", "Times a watch was connected again.", registry=registry)
        self._events_dropped = Counter(
            "mooring_events_dropped",
            "Kubernetes Events that were not written, because there was no room or they were refused.",
            registry=registry,
        )
        self._unrecorded = Gauge(
            "mooring_unrecorded_attachments",
            "VolumeAttachments that the last look found attached and not recorded, by what was done about them.",
            ["verdict"],
            registry=registry,
        )
        self._drift = Gauge("mooring_drift", "Drifts that the last reconciliation left, by kind.", ["kind"], registry=registry)
        self._awaiting_approval = Gauge(
            "mooring_drift_awaiting_approval", "1 if heals wait for an operator's approval, else 0.", registry=registry
        )
        self._reconciliation_age = Gauge(
            "mooring_reconciliation_age_seconds",
            "Time since the last reconciliation ended, or since the worker began to serve; 0 if reconciliation is off.",
            registry=registry,
        )
        self._open = Gauge("mooring_open_runs", "Runs that are open, by state.", ["state"], registry=registry)
        self._stuck = Gauge("mooring_stuck_operations", "Operations open for over ten minutes.", ["state"], registry=registry)
        self.reconciled({}, awaits_approval=False)
        self.rebuilt(0, {})
        self.looked_for_adoption({})

    def observe(self, attachments: Callable[[], float], watch_lag: Callable[[], float]) -> None:
        """Call these, whenever the metrics are read, for the number of attachments and the watch's lag in seconds."""
        self._attachments.set_function(attachments)
        self._watch_lag.set_function(watch_lag)

    def rebuilt(self, seconds: float, skipped: Mapping[str, int]) -> None:
        """Record a successful rebuild."""
        self._rebuild.set(seconds)
        for reason in Skip:
            self._skipped.labels(reason.value).set(skipped.get(reason, 0))

    def looked_for_adoption(self, verdicts: Mapping[Verdict, int]) -> None:
        """Record the verdicts of a look at VolumeAttachments."""
        for verdict in Verdict:
            self._unrecorded.labels(verdict.value).set(verdicts.get(verdict, 0))

    def observe_reconciliation(self, age: Callable[[], float]) -> None:
        """Call this, whenever the metrics are read, for the seconds since the last reconciliation."""
        self._reconciliation_age.set_function(age)

    def reconciled(self, left: Mapping[str, int], *, awaits_approval: bool) -> None:
        """Record the driver's drift after its last reconciliation."""
        for kind in DriftKind:
            self._drift.labels(kind.value).set(left.get(kind, 0))
        self._awaiting_approval.set(awaits_approval)

    def runs_are_open(self, state: State, number: int, stuck: int) -> None:
        """Record the number of runs that are open in this state, and of those that have been for too long."""
        self._open.labels(state.value).set(number)
        self._stuck.labels(state.value).set(stuck)

    def replaced(self, times: int) -> None:
        """Count attachment times that could not be read."""
        self._replaced.inc(times)

    def conflict(self) -> None:
        """Count a refused compare-and-set."""
        self._conflicts.inc()

    def event_dropped(self) -> None:
        """Count an Event that could not be recorded."""
        self._events_dropped.inc()

    def reconnected(self) -> None:
        """Count a reconnected watch."""
        self._reconnects.inc()

"""The endpoint's view of its worker, which starts after the endpoint and ends before it.

Contract: everything here is memory. A sidecar asks Probe each second and gives the Identity calls one second in all, so none of
them may wait for Temporal, Kubernetes or the driver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mooring.errors import WorkerUnavailable

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from mooring.csi.driver import Description
    from mooring.index.manager import AttachmentManager


@dataclass(frozen=True, slots=True)
class ReadyWorker:
    """A worker that is ready: the client that requests operations, and its index.

    `hands_over`: the backend calls are made in this process, so the data that a CO hands over in memory reaches them.
    """

    mooring: MooringClient
    manager: AttachmentManager
    hands_over: bool = True


@dataclass(slots=True)
class EndpointState:
    """The worker as the endpoint sees it: `behind` once the driver has described itself, `serving` while the worker is ready."""

    driver: str
    fronts_driver: bool = False
    behind: Description | None = None
    ready_worker: ReadyWorker | None = None

    def ready(self) -> ReadyWorker:
        """Return the worker; raise WorkerUnavailable while it isn't ready."""
        if self.ready_worker is None:
            raise WorkerUnavailable(f"The worker of driver {self.driver} is not ready: its index is not rebuilt yet, or it drains.")
        return self.ready_worker

    def driver_behind(self) -> Description | None:
        """Return the driver's description, or None if there is no driver; raise WorkerUnavailable until it is known."""
        if self.fronts_driver and self.behind is None:
            raise WorkerUnavailable("The driver behind this endpoint has not reported its name yet.")
        return self.behind

"""The CSI endpoint without a worker: a process that requests operations, and has workers elsewhere carry them out.

Contract: it has an index of its own, for Probe and ListVolumes. Data that a CO hands over in memory would not reach those workers,
so in front of a driver a call that carries secrets is refused; for these the endpoint belongs in the worker's process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from mooring.client import MooringClient
from mooring.csi.state import ReadyWorker
from mooring.errors import MooringError, TemporalUnavailable
from mooring.index.manager import AttachmentManager
from mooring.index.reflector import Reflector
from mooring.process.backoff import pauses
from mooring.process.lifetime import first
from mooring.process.repeats import RepeatedWarning
from mooring.temporal.namespace import namespace_id

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.cluster.clientset import Clientset
    from mooring.csi.state import EndpointState
    from mooring.process.metrics import Metrics
    from mooring.settings import Settings

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0

logger = logging.getLogger(__name__)


class StandaloneEndpoint:
    """The keeper of the state of an endpoint that has no worker."""

    def __init__(self, settings: Settings, client: Client, clientset: Clientset, metrics: Metrics, state: EndpointState) -> None:
        mooring = MooringClient(client, driver=settings.driver, task_queue=settings.queue)
        self._serving = ReadyWorker(mooring, AttachmentManager(), hands_over=False)
        self._follower = Reflector(clientset.volumes, self._serving.manager, metrics, time.monotonic, settings.page_size)
        self._state = state
        self._client = client

    async def missing(self) -> list[str]:
        """Return the reasons why the endpoint is not ready."""
        if not self._state.ready_worker:
            return ["The index is not rebuilt yet; the log says why."]
        try:
            await namespace_id(self._client)
        except TemporalUnavailable as error:
            return [str(error)]
        return []

    async def run(self, stop: asyncio.Event) -> None:
        """Fill the index, then serve until `stop` is set."""
        try:
            if await first(stop, self._fill()):
                self._state.ready_worker = self._serving
                await first(stop, self._refill())
        finally:
            self._state.ready_worker = None
            await self._follower.stop()

    async def _refill(self) -> None:
        while True:
            await self._follower.needs_rebuild.wait()
            await self._fill()

    async def _fill(self) -> None:
        repeated = RepeatedWarning(logger)
        for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
            try:
                await self._follower.rebuild(lambda _: None)
            except MooringError as error:
                repeated.warn(f"The index is not rebuilt: {error} Trying again.")
                await asyncio.sleep(pause)
            else:
                return

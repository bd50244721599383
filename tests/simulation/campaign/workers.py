"""The worker processes of a world: each is the deployed worker, on the simulated servers, and is started again when it dies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from activities.context import worker_context
from mooring.cluster.clientset import clientset_of
from mooring.csi.inflight import InFlightRequests
from mooring.csi.sidecar import Sidecar
from mooring.csi.state import EndpointState
from mooring.process.metrics import Metrics
from tests.simulation.clock import Process, now
from tests.simulation.temporal_server.service import connect
from worker import MooringWorker

if TYPE_CHECKING:
    from tests.simulation.campaign.world import World

LOGIN: Final = "canary-of-a-login"


@dataclass(slots=True)
class WorkerProcess:
    """One place for a worker: its present process, if it lives."""

    world: World
    number: int
    lives: int = 0
    process: Process | None = None
    worker: MooringWorker | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_alive(self) -> bool:
        """True while a process is there."""
        return self.process is not None and not self.process.killed

    def start(self) -> None:
        """Start a process."""
        self.lives += 1
        self.process = Process(f"worker-{self.number}-{self.lives}")
        self.world.trace.tell("", f"{self.process.name} starts")
        self.process.run(self._live(self.process.name))

    def start_again(self) -> None:
        """Start a process, unless one is there."""
        if not self.is_alive:
            self.start()

    def kill(self) -> None:
        """End the process."""
        if self.process is not None and self.is_alive:
            self.world.trace.tell("", f"{self.process.name} is killed")
            self.process.kill()
            self.worker = None

    def pause(self, seconds: float) -> None:
        """Stop the process for a while, as a machine does that is out of memory."""
        if self.process is not None and self.is_alive:
            self.world.trace.tell("", f"{self.process.name} is paused for {seconds:.1f} s")
            self.world.callers.paused.add(self.process)
            self.process.pause()
            asyncio.get_running_loop().call_later(seconds, self._resume, self.process)

    def _resume(self, process: Process) -> None:
        if not process.killed:
            process.resume()

    async def _live(self, identity: str) -> None:
        world, time = self.world, asyncio.get_running_loop().time
        metrics = Metrics(CollectorRegistry())
        api, client = world.kube.api(LOGIN, world.settings.request_timeout), connect(world.temporal, identity)
        async with clientset_of(api, world.settings, identity, now, metrics, time) as clientset:
            endpoint = EndpointState(world.settings.driver, fronts_driver=True)
            sidecar = Sidecar(endpoint, InFlightRequests(time), world.driver.channel())
            settings = await sidecar.meet_driver(world.settings)
            context = worker_context(
                settings, identity, client, clientset, sidecar.backend(settings), endpoint, metrics, clock=time, now=now
            )
            self.worker = MooringWorker(context)
            await self.worker.run(self._stop)

"""All that goes wrong in a world, by its dice: failing servers and driver, workers that die, an operator, and PVs that change."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from mooring import names
from tests.simulation import driver
from tests.simulation.api_server import CALM, FaultRates
from tests.simulation.campaign import verdict
from tests.simulation.temporal_server.history import kind_of
from tests.simulation.temporal_server.run import Run
from tests.simulation.temporal_server.service import connect

if TYPE_CHECKING:
    from tests.simulation.campaign.workers import WorkerProcess
    from tests.simulation.campaign.world import World

KUBE: Final = FaultRates(
    lost_requests=0.02,
    lost_answers=0.04,
    hanging=0.04,
    hanging_seconds=60.0,
    slow_answers=0.02,
    slow_seconds=10.0,
    refusals=0.03,
    stale_lists=0.2,
    ending_watches=0.2,
    ending_seconds=120.0,
    stale_watches=0.2,
    stale_seconds=10.0,
)
DRIVER: Final = driver.DriverRates(hanging=0.04, hanging_seconds=60.0, slow_answers=0.04, refusals=0.04, wrong_answers=0.04)
LASTING: Final = 3600.0
"""Seconds that no world lives, from its first operation to its rest."""
PAUSE: Final = 6.0
"""Mean seconds between two acts."""


@dataclass(slots=True)
class Disturbances:
    """What goes wrong; `begin` and `end` it."""

    world: World
    dice: random.Random

    def begin(self) -> None:
        """Have servers and driver fail from now on."""
        world = self.world
        world.kube.faults.rates, world.driver.rates = KUBE, DRIVER
        world.temporal.hop = lambda dice: dice.uniform(0.0005, 0.02)
        world.temporal.lag = lambda dice: dice.choice((0.01, 0.5, 5.0)) * dice.random()
        world.temporal.retention = self.dice.choice((120.0, 3600.0, 86_400.0))

    def end(self) -> None:
        """Have everything work, and everybody live."""
        world = self.world
        world.kube.faults.rates, world.driver.rates = CALM, driver.CALM
        world.kube.come_back()
        world.temporal.lag = lambda _: 0.0
        for worker in world.workers:
            if not worker.is_alive:
                worker.start()
        for volume in world.volumes:
            if not world.has_pv(volume):
                world.create_pv(volume)

    async def go_on(self) -> None:
        """Do one thing after the other."""
        acts: list[Callable[[], Awaitable[None]]] = [
            *[self._kill] * 3,
            self._pause,
            *[self._cancel, self._terminate, self._reset, self._reset_last] * 2,
            self._outage,
            self._forget,
            self._make_anew,
            self._create,
        ]
        while True:
            await asyncio.sleep(self.dice.expovariate(1 / PAUSE))
            if not self.world.is_over:
                await self.dice.choice(acts)()

    async def happened(self, volume: str) -> None:
        """Have a worker die soon after something has happened, where most is under way."""
        if volume and self.dice.random() < 0.01:
            await asyncio.sleep(self.dice.uniform(0, 0.01))
            await self._kill()

    async def _kill(self) -> None:
        worker = self.dice.choice(self.world.workers)
        if worker.is_alive:
            worker.kill()
            asyncio.get_running_loop().call_later(self.dice.choice((0.5, 5.0, 60.0)) * self.dice.random(), _restart, worker)

    async def _pause(self) -> None:
        self.dice.choice(self.world.workers).pause(self.dice.choice((2.0, 10.0, 60.0)) * self.dice.random())

    async def _cancel(self) -> None:
        await self._disturb("cancels", lambda handle: handle.cancel())

    async def _terminate(self) -> None:
        await self._disturb("terminates", lambda handle: handle.terminate())

    async def _disturb(self, what: str, act: Callable[[WorkflowHandle[Any, Any]], Awaitable[None]]) -> None:
        runs = [run for run in self._runs() if run.open]
        if not runs:
            return
        run = self.dice.choice(runs)
        self.world.tell_about(run, f"the operator {what} {run.run_id[:8]}")
        with suppress(RPCError):
            await act(self._client().get_workflow_handle(run.workflow_id, run_id=run.run_id))

    async def _reset(self) -> None:
        runs = self._runs()
        await self._reset_run(self.dice.choice(runs) if runs else None)

    async def _reset_last(self) -> None:
        newest = {run.workflow_id: run for run in self._runs()}
        await self._reset_run(self.dice.choice(list(newest.values())) if newest else None)

    async def _reset_run(self, run: Run | None) -> None:
        tasks = [event.event_id for event in run.events if kind_of(event) == "WORKFLOW_TASK_COMPLETED"] if run else []
        if run is None or not tasks:
            return
        at = self.dice.choice(tasks)
        self.world.tell_about(run, f"the operator resets {run.run_id[:8]} to event {at}")
        execution = WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)
        request_id = str(uuid.UUID(int=self.dice.getrandbits(128)))
        asked = ResetWorkflowExecutionRequest(
            namespace="default", workflow_execution=execution, workflow_task_finish_event_id=at, request_id=request_id
        )
        with suppress(RPCError):
            answer = await self._client().workflow_service.reset_workflow_execution(asked)
            if run.started.workflow_type.name == names.PUBLISH:
                self.world.attacher.owed.add(self.world.volume_of(run))
            if run.started.workflow_type.name == names.UNPUBLISH:
                self.world.detaches_again(self.world.volume_of(run), answer.run_id)

    async def _outage(self) -> None:
        self.world.trace.tell("", "the API server is down")
        self.world.kube.go_down()
        await asyncio.sleep(self.dice.choice((1.0, 20.0)) * self.dice.random())
        self.world.kube.come_back()
        self.world.trace.tell("", "the API server is back")

    async def _forget(self) -> None:
        self.world.kube.compact()

    async def _make_anew(self) -> None:
        """Delete a PV and create it again, perhaps later.

        NB: a holder is forgotten by right whose PV went while no worker ran, and whose operations are past the retention.
        """
        volume = self.dice.choice(self.world.volumes)
        is_remembered = self.world.temporal.retention >= LASTING or not verdict.holders(self.world)[volume]
        if self.world.has_pv(volume) and is_remembered:
            self.world.delete_pv(volume)
            if self.dice.random() < 0.5:
                await asyncio.sleep(self.dice.choice((1.0, 30.0)) * self.dice.random())
            if not self.world.has_pv(volume):
                self.world.create_pv(volume)

    async def _create(self) -> None:
        missing = [volume for volume in self.world.volumes if not self.world.has_pv(volume)]
        if missing:
            self.world.create_pv(self.dice.choice(missing))

    def _runs(self) -> list[Run]:
        """Return the runs on volumes, in the order of their beginning."""
        found = [run for runs in self.world.temporal.runs() for run in runs if self.world.volume_of(run)]
        return sorted(found, key=lambda run: (run.started_at, run.workflow_id, run.run_id))

    def _client(self) -> Any:
        return connect(self.world.temporal, "operator")


def _restart(worker: WorkerProcess) -> None:
    if not worker.is_alive:
        worker.start()

"""Acts of those who disturb a world, each named in a kind (kinds.py): on workers and servers, on runs, on PVs, and on nodes.

An act does one thing to something that the dice choose, if there is anything to do it to.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from mooring import names
from mooring.kubernetes.pv_objects import PVS
from tests.simulation.campaign import verdict
from tests.simulation.temporal_server.history import kind_of
from tests.simulation.temporal_server.run import Run
from tests.simulation.temporal_server.service import connect

if TYPE_CHECKING:
    from tests.simulation.campaign.workers import WorkerProcess
    from tests.simulation.campaign.world import World

Act = Callable[[], Awaitable[None]]
LASTING: Final = 3600.0
"""Seconds that no world lives, from its first operation to its rest."""
MANY_PVS: Final = 5
SETTLED: Final = 60.0
"""Seconds in which whoever has terminated a hold settles what that leaves."""


@dataclass(slots=True)
class ActsOnProcesses:
    """Acts on workers, and on the API server."""

    world: World
    dice: random.Random

    async def kill(self) -> None:
        """Kill a worker, which comes back."""
        self._kill(self.dice.choice(self.world.workers))

    async def restart(self) -> None:
        """Kill all workers, so that nobody remembers anything."""
        for worker in self.world.workers:
            self._kill(worker)

    async def pause(self) -> None:
        """Stop a worker for a while."""
        self.dice.choice(self.world.workers).pause(self.dice.choice((2.0, 10.0, 60.0)) * self.dice.random())

    async def outage(self) -> None:
        """Have the API server be away for a while."""
        self.world.trace.tell("", "the API server is down")
        self.world.kube.go_down()
        await asyncio.sleep(self.dice.choice((1.0, 20.0)) * self.dice.random())
        self.world.kube.come_back()
        self.world.trace.tell("", "the API server is back")

    async def forbid(self) -> None:
        """Have the API server forbid nearly everything, mostly for longer than an unpublish takes."""
        await self._forbid(0.95, self.dice.choice((10.0, 90.0, 90.0)) * self.dice.random())

    async def forbid_all(self) -> None:
        """Have the API server forbid everything, for so long that whoever asks in vain has become slow to ask again."""
        await self._forbid(1.0, self.dice.uniform(40, 120))

    async def _forbid(self, refusals: float, seconds: float) -> None:
        faults = self.world.kube.faults
        usual = faults.rates
        self.world.trace.tell("", "the API server forbids")
        faults.rates = replace(usual, refusals=refusals, codes=frozenset({403}))
        await asyncio.sleep(seconds)
        if not self.world.is_over:
            faults.rates = usual
        self.world.trace.tell("", "the API server forbids no longer")

    async def ail_driver(self) -> None:
        """Have the driver refuse every call, mostly for longer than a step's budget."""
        driver = self.world.driver
        usual = driver.rates
        self.world.trace.tell("", "the driver refuses everything")
        driver.rates = replace(usual, refusals=1.0)
        await asyncio.sleep(self.dice.choice((5.0, 90.0)) * self.dice.random())
        if not self.world.is_over:
            driver.rates = usual
        self.world.trace.tell("", "the driver refuses no longer")

    async def forget(self) -> None:
        """Have the API server forget its past."""
        self.world.kube.compact()

    def _kill(self, worker: WorkerProcess) -> None:
        if worker.is_alive:
            worker.kill()
            asyncio.get_running_loop().call_later(self.dice.choice((0.5, 5.0, 60.0)) * self.dice.random(), worker.start_again)


@dataclass(slots=True)
class ActsOnRuns:
    """Acts of an operator on runs in Temporal."""

    world: World
    dice: random.Random

    async def cancel(self) -> None:
        """Cancel an open operation; a hold that is cancelled gives its volume up, which nobody wants."""
        runs = [run for run in self._runs() if run.started.workflow_type.name != names.PERSIST]
        await self._disturb("cancels", runs, lambda handle: handle.cancel())

    async def terminate(self) -> None:
        """Terminate an open operation, or a hold whose remains can be settled before Temporal forgets it.

        NB: a hold that was terminated leaves its node in doubt for as long as Temporal has the operation that began it.
        """
        is_remembered = self.world.temporal.retention >= SETTLED
        runs = [run for run in self._runs() if is_remembered or run.started.workflow_type.name != names.PERSIST]
        await self._disturb("terminates", runs, lambda handle: handle.terminate())

    async def reset(self) -> None:
        """Reset any run."""
        runs = self._runs()
        await self._reset(self.dice.choice(runs) if runs else None)

    async def reset_last(self) -> None:
        """Reset the newest run of a volume."""
        newest = {run.workflow_id: run for run in self._runs()}
        await self._reset(self.dice.choice(list(newest.values())) if newest else None)

    async def _disturb(self, what: str, runs: list[Run], act: Callable[[WorkflowHandle[Any, Any]], Awaitable[None]]) -> None:
        open_ones = [run for run in runs if run.open]
        if not open_ones:
            return
        run = self.dice.choice(open_ones)
        self.world.tell_about(run, f"the operator {what} {run.run_id[:8]}")
        with suppress(RPCError):
            await act(self._client().get_workflow_handle(run.workflow_id, run_id=run.run_id))

    async def _reset(self, run: Run | None) -> None:
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

    def _runs(self) -> list[Run]:
        """Return the runs on volumes, in the order of their beginning."""
        found = [run for runs in self.world.temporal.runs() for run in runs if self.world.volume_of(run)]
        return sorted(found, key=lambda run: (run.started_at, run.workflow_id, run.run_id))

    def _client(self) -> Any:
        return connect(self.world.temporal, "operator")


@dataclass(slots=True)
class ActsOnPvs:
    """Acts of those who create and delete PVs, and who edit them.

    NB: a holder is forgotten by right whose PV went while no worker ran, and whose operations are past the retention.
    """

    world: World
    dice: random.Random

    async def make_anew(self) -> None:
        """Delete a volume's PVs and create it again, perhaps later."""
        volume = self._chosen()
        if self.world.has_pv(volume) and self._is_remembered(volume):
            self.world.delete_pvs(volume)
            if self.dice.random() < 0.5:
                await asyncio.sleep(self.dice.choice((1.0, 30.0)) * self.dice.random())
            if not self.world.has_pv(volume):
                self.world.create_pv(volume)

    async def remove(self) -> None:
        """Delete a volume's PVs."""
        volume = self._chosen()
        if self.world.has_pv(volume) and self._is_remembered(volume):
            self.world.delete_pvs(volume)

    async def create(self) -> None:
        """Create a PV that is missing."""
        missing = [volume for volume in self.world.volumes if not self.world.has_pv(volume)]
        if missing:
            self.world.create_pv(self.dice.choice(missing))

    async def strip(self) -> None:
        """Take the annotations of a PV away, unless a write to it is under way.

        NB: one that was decided on a PV without a record can't tell that from one whose record has been taken away.
        """
        volume = self._chosen()
        travelling = self.world.kube.travelling
        hangs = any(travelling[f"PATCH {PVS}/{name}"] for name in self.world.pvs(volume))
        if self.world.has_pv(volume) and self._is_remembered(volume) and not hangs:
            self.world.strip_pvs(volume)

    async def double(self) -> None:
        """Create another PV of a volume, unless it has many: each one more makes every operation of the world slower."""
        volume = self._chosen()
        if len(self.world.pvs(volume)) < MANY_PVS:
            self.world.create_pv(volume)

    async def undouble(self) -> None:
        """Delete one of several PVs of a volume."""
        volume = self._chosen()
        pvs = self.world.pvs(volume)
        if len(pvs) > 1:
            self.world.delete_pv(self.dice.choice(pvs))

    def _chosen(self) -> str:
        return self.dice.choice(self.world.volumes)

    def _is_remembered(self, volume: str) -> bool:
        return self.world.temporal.retention >= LASTING or not verdict.holders(self.world)[volume]

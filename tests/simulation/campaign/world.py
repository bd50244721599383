"""A world: a few workers, a few volumes and nodes, and a seed from which everything follows."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus

from mooring.settings import Settings
from tests.harness.driver.journal import Entry
from tests.simulation.api_server import CALM, SimulatedKubernetes
from tests.simulation.campaign import verdict
from tests.simulation.campaign.attacher import Attacher
from tests.simulation.campaign.disturbances import Disturbances
from tests.simulation.campaign.telling import Trace, words_of
from tests.simulation.campaign.workers import LOGIN, WorkerProcess
from tests.simulation.checker import Checker
from tests.simulation.clock import PROCESS, Process, VirtualLoop, now
from tests.simulation.driver import SimulatedDriver
from tests.simulation.history import History
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.run import Run
from tests.simulation.temporal_server.server import Server

DRIVER: Final = "sim.csi.test"
READY_SECONDS: Final = 600.0
HANGING: Final = 900.0
"""Seconds after which nothing hangs any more, and every budget is spent."""
READY: Final = [{"type": "Ready", "status": "True"}]
LONG: Final = 7200
"""Seconds after which whatever goes on goes on for ever."""
STATES: Final = {number: name.rpartition("_")[2].lower() for name, number in WorkflowExecutionStatus.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a world is like."""

    seed: str
    operations: int = 300
    volumes: int = 4
    nodes: int = 3
    workers: int = 2
    unnamed: bool = False
    """True if neither a CSINode nor external-attacher says the nodes' ids."""
    disturbed: bool = True


class Told(list[Any]):
    """A history that tells each event as it happens."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, event: Any) -> None:
        super().append(event)
        self._tell(event)


class ToldServer(Server):
    """A Temporal server that tells of the beginning and the end of each run."""

    def __init__(self, dice: random.Random, tell: Callable[[Run], None]) -> None:
        super().__init__(dice)
        self._tell = tell

    def add(self, run: Run) -> None:
        super().add(run)
        self._tell(run)

    def closed(self, run: Run) -> None:
        super().closed(run)
        self._tell(run)


class World:
    """The world of one plan, made on a virtual loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._detaching: set[str] = set()
        self.broken: list[verdict.Broken] = []
        self.paused: set[Process] = set()
        """Processes that went on after somebody may have given them up."""
        self._strays: set[int] = set()
        self.checker = Checker(DRIVER, canaries=(LOGIN,), is_stray=lambda call: call.number in self._strays)
        self.trace = Trace(now)
        self.is_over = False
        check = "off" if plan.unnamed else "csinode"
        self.settings = Settings(driver=DRIVER, events="off", reconcile_interval=0, node_check=check)
        self.volumes = [f"vol-{number}" for number in range(plan.volumes)]
        self.nodes = [f"node-{letter}" for letter in "abcdefgh"[: plan.nodes]]
        self.history: History = Told(self._tell)
        self.kube = SimulatedKubernetes(self.dice("kube"), now, self.history, CALM)
        self.temporal = ToldServer(self.dice("temporal"), self._tell_run)
        self.driver = SimulatedDriver(self.dice("driver"), now, self.history, name=DRIVER)
        self.attacher = Attacher(self, self.dice("attacher"))
        self._disturbances = Disturbances(self, self.dice("disturbances"))
        self.workers = [WorkerProcess(self, number) for number in range(plan.workers)]

    def dice(self, part: str) -> random.Random:
        """Return the dice of a part of the world, so that one part's throws are none of another's."""
        return random.Random(f"{self.plan.seed}/{part}")  # noqa: S311 - a seed is the point

    def pv_name(self, volume: str) -> str:
        """Return the name of a volume's PV."""
        return f"pv-of-{volume}"

    def create_pv(self, volume: str) -> None:
        """Create the volume's PV."""
        spec = {"csi": {"driver": DRIVER, "volumeHandle": volume}, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
        self.kube.ask("POST", "/api/v1/persistentvolumes", {"metadata": {"name": self.pv_name(volume)}, "spec": spec})

    def _create_node(self, node: str, *, named: bool) -> None:
        """Have the driver run on a node, whose name is its id."""
        self.kube.ask("POST", "/api/v1/nodes", {"metadata": {"name": node}, "status": {"conditions": READY}})
        spec = {"drivers": [{"name": DRIVER, "nodeID": node, "topologyKeys": None}] if named else []}
        self.kube.ask("POST", "/apis/storage.k8s.io/v1/csinodes", {"metadata": {"name": node}, "spec": spec})

    def delete_pv(self, volume: str) -> None:
        """Delete the volume's PV."""
        self.kube.ask("DELETE", f"/api/v1/persistentvolumes/{self.pv_name(volume)}")

    def has_pv(self, volume: str) -> bool:
        """Return whether the volume has its PV."""
        return self.pv_name(volume) in self.kube.pv_names()

    async def live(self) -> None:
        """Let the world live until its operations are spent, and judge it.

        Raises:
            Broken: a promise was not kept.

        """
        await self.begin()
        if self.plan.disturbed:
            self._disturbances.begin()
            self._disturbing = asyncio.create_task(self._disturbances.go_on(), name="disturbances")
        wants = [asyncio.create_task(self.attacher.want(volume), name=f"wants {volume}") for volume in self.volumes]
        while self.attacher.asked < self.plan.operations:
            await self._pass(1)
        self.is_over = True
        await asyncio.wait(wants)
        await self._rest()

    async def begin(self) -> None:
        """Create what there is, start the workers, and wait until they are ready."""
        for node in self.nodes:
            self._create_node(node, named=not self.plan.unnamed)
        for volume in self.volumes:
            self.create_pv(volume)
        for worker in self.workers:
            worker.start()
        await self.ready()

    async def _rest(self) -> None:
        """Have all faults end, and judge what is left; then have everybody let go, and judge again."""
        self._disturbances.end()
        self.trace.tell("", "all faults end")
        await self.ready()
        await self._settle()
        verdict.judge_rest(self)
        for told in verdict.unrecorded(self):
            other = next(node for node in self.nodes if node != told.node)
            if await self.attacher.gets(told.volume, other):
                said = f"{told.node} was told to have it, and {other} got it"
                raise verdict.Broken("nothing forgotten", told.volume, said)
        self.trace.tell("", "everybody lets go")
        leaving = asyncio.create_task(self.attacher.leave_all(), name="everybody lets go")
        for _ in range(LONG):
            await self._pass(1)
            if leaving.done():
                break
        else:
            stuck = next(iter(self.attacher.attachments.values()))
            raise verdict.Broken("everybody can let go", stuck.volume, f"{stuck.node} asks to be rid of it, for {LONG} s")
        await self._settle()
        verdict.judge_empty(self)

    async def _settle(self) -> None:
        """Wait until nothing is under way."""
        await self._pass(HANGING)
        for _ in range(LONG):
            await self._pass(1)
            if not verdict.open_runs(self):
                return
        verdict.judge_waits(self)

    async def _pass(self, seconds: float) -> None:
        """Let time pass, and raise what has been found."""
        await asyncio.sleep(seconds)
        verdict.judge(self.checker.violations)
        if self.broken:
            raise self.broken[0]

    async def ready(self) -> None:
        """Wait until all workers are."""
        async with asyncio.timeout(READY_SECONDS):
            for each in self.workers:
                while each.worker is None or await each.worker.missing():
                    await asyncio.sleep(0.5)

    def volume_of(self, run: Run) -> str:
        """Return the volume that a run is about, "" for none."""
        handle = run.workflow_id.rpartition("/")[2]
        return handle if handle in self.volumes else ""

    def tell_about(self, run: Run, words: str) -> None:
        """Add to the trace what concerns a run's volume."""
        self.trace.tell(self.volume_of(run), words)

    def detaches_again(self, volume: str, run_id: str) -> None:
        """Take in that an operator has reset an unpublish, which takes the volume from whoever got it since."""
        self._detaching.add(run_id)
        self.attacher.forget(volume)

    def _tell(self, event: Any) -> None:
        volume, words = words_of(event, DRIVER)
        self.trace.tell(volume, words)
        if isinstance(event, Entry) and event.event == "call" and PROCESS.get() in self.paused:
            self._strays.add(event.call.number)
        self.checker.see(event)
        self._happened(volume)

    def _tell_run(self, run: Run) -> None:
        kind, state = run.started.workflow_type.name, STATES[run.status]
        if run.run_id in self._detaching:
            self.attacher.forget(self.volume_of(run))
        self.tell_about(run, f"temporal: {kind} {run.run_id[:8]} {state}, {len(run.events)} events")
        try:
            verdict.judge_task_failures(run, self.volume_of(run))
        except verdict.Broken as broken:
            self.broken.append(broken)
        self._happened(self.volume_of(run))

    def _happened(self, volume: str) -> None:
        if self.plan.disturbed and not self.is_over:
            happening = self._disturbances.happened(volume)
            asyncio.get_running_loop().create_task(happening, context=contextvars.Context())


def play(plan: Plan) -> tuple[World, verdict.Broken | None]:
    """Let a world live to its end, and return it, and what was found broken."""
    random.seed(plan.seed)  # NB: clients draw their pauses between tries from here
    loop = VirtualLoop()
    worlds: list[World] = []

    async def main() -> None:
        with installed():
            worlds.append(World(plan))
            await worlds[0].live()

    broken: verdict.Broken | None = None
    try:
        loop.run_until_complete(main())
    except verdict.Broken as found:
        broken = found
    return worlds[0], broken

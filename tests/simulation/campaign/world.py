"""A world: a few workers, a few volumes and nodes, and a seed from which everything follows."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus

from mooring.settings import Settings
from tests.simulation.api_server import CALM, SimulatedKubernetes
from tests.simulation.campaign import verdict
from tests.simulation.campaign.attacher import Attacher, Attachment
from tests.simulation.campaign.by_hand import judge_left_over
from tests.simulation.campaign.callers import Callers
from tests.simulation.campaign.disturbances import Disturbances
from tests.simulation.campaign.endings import Endings
from tests.simulation.campaign.kinds import LASTING, USUAL, Kind
from tests.simulation.campaign.nodes import Nodes
from tests.simulation.campaign.telling import Trace, words_of
from tests.simulation.campaign.watched import WatchedHistory, WatchedServer
from tests.simulation.campaign.workers import LOGIN, WorkerProcess
from tests.simulation.checker import Checker, leaks
from tests.simulation.clock import VirtualLoop, now
from tests.simulation.driver import SimulatedDriver
from tests.simulation.history import History, PvChange
from tests.simulation.mishaps import Mishaps
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.defaults import WORKFLOW_TASK
from tests.simulation.temporal_server.run import Run

DRIVER: Final = "sim.csi.test"
READY_SECONDS: Final = 600.0
HANGING: Final = 900.0
"""Seconds after which nothing hangs any more, and every budget is spent."""
PVS: Final = "/api/v1/persistentvolumes"
LONG: Final = 7200
"""Seconds after which whatever goes on goes on for ever."""
STATES: Final = {number: name.rpartition("_")[2].lower() for name, number in WorkflowExecutionStatus.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a world is like."""

    seed: str
    operations: int = 300
    kind: Kind = USUAL
    volumes: int = 4
    nodes: int = 3
    workers: int = 2
    unnamed: bool = False
    """True if neither a CSINode nor external-attacher says the nodes' ids."""
    disturbed: bool = True
    only: frozenset[str] | None = None
    """The names of what may go wrong, of all that does by the seed (mishaps.py)."""


class World:
    """The world of one plan, made on a virtual loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._detaching: set[str] = set()
        self.broken: list[verdict.Broken] = []
        self.stripped: set[str] = set()
        """Volumes of whose record an index may remember more than their PVs say."""
        self.temporal = WatchedServer(self.dice("temporal"), self._tell_run, self._tell_task)
        self.callers = callers = Callers(self.temporal)
        is_heedless = plan.kind.heedless
        self.checker = Checker(DRIVER, not is_heedless, (LOGIN,), callers.is_stray, callers.is_again)
        waiting = partial(verdict.waiting, self)
        self._endings = Endings(self.checker, self.tell_broken, waiting, self._keeps, callers.run_id)
        self.trace = Trace(now)
        self.is_over = False
        self.is_called_off = False
        """True once nobody is waited for."""
        check = "off" if plan.unnamed else "csinode"
        usual = {"events": "off", "reconcile_interval": 0, "node_check": check}
        self.settings = Settings(driver=DRIVER, **{**usual, **plan.kind.settings})
        self.volumes = [f"vol-{number}" for number in range(plan.volumes)]
        self.nodes = Nodes(self, [f"node-{letter}" for letter in "abcdefgh"[: plan.nodes]])
        self.history: History = WatchedHistory(self._tell)
        self.kube = SimulatedKubernetes(self.dice("kube"), now, self.history, CALM)
        self.driver = SimulatedDriver(self.dice("driver"), now, self.history, name=DRIVER, heedless=is_heedless)
        self.attacher = Attacher(self, self.dice("attacher"))
        self.mishaps = self.kube.faults.mishaps = self.driver.mishaps = Mishaps(plan.only, self._tell_mishap)
        self._disturbances = Disturbances(self, self.dice("disturbances"), self.dice("deaths"), self.dice("freezes"))
        self.workers = [WorkerProcess(self, number) for number in range(plan.workers)]
        self._pvs = 0

    def dice(self, part: str) -> random.Random:
        """Return the dice of a part of the world, so that one part's throws are none of another's."""
        return random.Random(f"{self.plan.seed}/{part}")  # noqa: S311 - a seed is the point

    def pv_name(self, volume: str) -> str:
        """Return the name of a volume's PV, of several the first; of the last one, if there is none."""
        return next(iter(self.pvs(volume)), f"pv-of-{volume}")

    def pvs(self, volume: str) -> list[str]:
        """Return the names of a volume's PVs, in their order."""
        return [name for name in self.kube.pv_names() if name.partition("_")[0] == f"pv-of-{volume}"]

    def has_pv(self, volume: str) -> bool:
        """Return whether the volume has a PV."""
        return bool(self.pvs(volume))

    def create_pv(self, volume: str) -> None:
        """Create a PV of the volume; another one, if it has one.

        NB: where its operations may be past the retention, its epochs may begin anew, and the driver has to forget it.
        """
        if self.plan.kind.begins == "bare":
            self._have_forgotten(volume)
        self._pvs += 1
        name = f"pv-of-{volume}_{self._pvs}" if self.has_pv(volume) else f"pv-of-{volume}"
        modes = ["ReadWriteMany" if self.plan.kind.is_shared else "ReadWriteOnce"]
        spec = {"csi": {"driver": DRIVER, "volumeHandle": volume}, "accessModes": modes, "capacity": {"storage": "1Gi"}}
        self.kube.ask("POST", PVS, {"metadata": {"name": name}, "spec": spec})

    def _have_forgotten(self, volume: str) -> None:
        """Have the driver forget the tokens of a volume whose operations may be past the retention."""
        if self.temporal.retention < LASTING:
            self.driver.forget(volume)
            self.checker.forget(volume)

    def delete_pv(self, name: str) -> None:
        """Delete a PV."""
        self.kube.ask("DELETE", f"{PVS}/{name}")

    def delete_pvs(self, volume: str) -> None:
        """Delete all PVs of a volume."""
        for name in self.pvs(volume):
            self.delete_pv(name)

    def strip_pvs(self, volume: str) -> None:
        """Take the annotations of all PVs of a volume away."""
        self.stripped.add(volume)
        for name in self.pvs(volume):
            self.kube.ask("PATCH", f"{PVS}/{name}", {"metadata": {"annotations": None}})

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
        for node in self.nodes.ids:
            self.nodes.create(node)
        for volume in self.volumes if self.plan.kind.begins != "bare" else ():
            self.create_pv(volume)
        for volume in self.volumes if self.plan.kind.begins == "attached" else ():
            await self._attach_before(volume)
        for worker in self.workers:
            worker.start()
        await self.ready()

    async def _attach_before(self, volume: str) -> None:
        """Have somebody else have attached the volume, before there was any worker."""
        node = self.attacher.dice.choice(self.nodes.ids)
        await self.driver.attach(volume, node)
        self.attacher.begin(Attachment(volume, node, told=True))
        await asyncio.sleep(0)  # its VolumeAttachment is shown

    async def _rest(self) -> None:
        """Have all faults end, and judge what is left; then have everybody let go, and judge again."""
        self._disturbances.end()
        self.trace.tell("", "all faults end")
        await self.ready()
        await self._settle()
        await self._disturbances.nodes.call_off()
        self.is_called_off = True
        await self._settle()
        verdict.judge_rest(self)
        for told in verdict.unrecorded(self):
            other = next(node for node in self.nodes.ids if node != told.node)
            if not self.plan.kind.is_shared and await self.attacher.gets(told.volume, other):
                said = f"{told.node} was told to have it, and {other} got it"
                raise verdict.Broken("nothing forgotten", told.volume, said)
        await judge_left_over(self)
        await self._let_go()
        for volume in self.volumes:
            if not await self.attacher.gets(volume, self.nodes.ids[0]):
                raise verdict.Broken("nobody is refused for ever", volume, "nobody has it, and it is published to nobody")

    async def _let_go(self) -> None:
        """Have everybody let go, and judge what remains."""
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
        """Wait until nothing is under way.

        NB: the driver forgets volumes once no call hangs any more that would be carried out then.
        """
        await self._pass(HANGING)
        for volume in self.volumes:
            self._have_forgotten(volume)
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
        """Wait until all workers are.

        Raises:
            Broken: one never is.

        """
        by = asyncio.get_running_loop().time() + READY_SECONDS
        for each in self.workers:
            while each.worker is None or await each.worker.missing():
                if asyncio.get_running_loop().time() > by:
                    missing = await each.worker.missing() if each.worker is not None else "it has not begun"
                    raise verdict.Broken("every worker gets ready", "", f"worker {each.number}: {missing}")
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

    def is_evacuated(self, node: str) -> bool:
        """Return whether the node's evacuation is open."""
        run = self.temporal.find(f"evacuate/{DRIVER}/{node}")
        return run is not None and run.open

    def tell_broken(self, rule: str, volume: str, what: str) -> None:
        """Take in that a promise was broken."""
        self.broken.append(verdict.Broken(rule, volume, what))

    def _keeps(self, volume: str, node: str) -> bool:
        """Return whether a node was told to have a volume, and nobody has asked to take it away since."""
        found = self.attacher.attachments.get((volume, node))
        return found is not None and found.told

    def _tell_mishap(self, words: str) -> None:
        self.trace.tell(next((volume for volume in self.volumes if re.search(rf"\b{volume}\b", words)), ""), words)

    def _tell(self, event: Any) -> None:
        volume, words = words_of(event, DRIVER)
        self.trace.tell(volume, words)
        if isinstance(event, PvChange):
            self._endings.see(event)
        elif event.event == "call":
            self.callers.note(event.call)
            self._endings.called(event.call)
        self.checker.see(event)
        self._happened(volume)

    def _tell_run(self, run: Run) -> None:
        kind, state, volume = run.started.workflow_type.name, STATES[run.status], self.volume_of(run)
        if run.run_id in self._detaching:
            self.attacher.forget(volume)
        self.tell_about(run, f"temporal: {kind} {run.run_id[:8]} {state}, {len(run.events)} events")
        try:
            self._judge(run, volume)
        except verdict.Broken as broken:  # NB: whoever has ended the run would get it
            self.broken.append(broken)
        if volume and not run.open:
            self._endings.ended(run, volume)
        self._happened(volume)

    def _judge(self, run: Run, volume: str) -> None:
        verdict.judge_task_failures(run, volume)
        if not run.open:
            place = f"{run.started.workflow_type.name} {run.run_id}"
            verdict.judge(leaks(self.checker.canaries, ((place, event.SerializeToString()) for event in run.events)))

    def _tell_task(self, run: Run, what: str, identity: str) -> None:
        if self.plan.disturbed and not self.is_over and (what != WORKFLOW_TASK or self.volume_of(run)):
            self._disturbances.handed_out(what, identity)

    def _happened(self, volume: str) -> None:
        if self.plan.disturbed and not self.is_over:
            self._disturbances.happened(volume)


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

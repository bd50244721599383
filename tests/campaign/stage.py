"""One campaign from its beginning to its end: load and faults side by side, then rest, then judgement."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from mooring import names
from mooring.client import MooringClient
from mooring.models import VolumeRef
from mooring.states import State
from tests.campaign.faults import Faults
from tests.campaign.history import PvHistory
from tests.campaign.judge import judge, still_attached
from tests.campaign.linear import Fault
from tests.campaign.load import Board, Caller, Log, Pods, beat
from tests.campaign.old_backend import ENDPOINT, FACTORY
from tests.campaign.parts import DRIVER, Parts, Seat, open_parts
from tests.campaign.plan import KINDS, plan
from tests.campaign.rarities import Latecomer, Mortal
from tests.harness.chain.cluster import ChainCluster, chain_cluster, node_id_of
from tests.harness.releases import FIRST, unpacked
from tests.simulation.checker import read

REST_SECONDS: Final = 240.0
"""Time within which all that was asked for must be done once nothing goes wrong any more."""
GLANCE_SECONDS: Final = 0.2
VOLUMES_OF_A_MORTAL: Final = 3
OPEN: Final = (names.PUBLISH, names.UNPUBLISH, names.PERSIST)


class Actor(Protocol):
    """A part of the load."""

    async def run(self, stop: asyncio.Event) -> None:
        """Ask for volumes until asked to stop, and have let go of all then."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign is to be: `kinds` are the kinds of faults with their weights, `bug` is planted in the workers."""

    seed: str
    seconds: float
    callers: int = 32
    volumes: int = 28
    pods: int = 6
    mortals: int = 2
    latecomers: int = 2
    nodes: int = 4
    kinds: dict[str, int] = field(default_factory=lambda: dict(KINDS))
    bug: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of it."""

    log: Log
    faults: Counter[str]
    points: set[str]
    operations: int
    seconds: float
    broken: list[Fault]


@dataclass(slots=True)
class Stage:
    """A running campaign's parts, and what is seen of them."""

    plan: Plan
    parts: Parts
    cluster: ChainCluster
    history: PvHistory
    board: Board
    log: Log
    nodes: list[str]

    def mooring(self) -> MooringClient:
        """Return a client, as a caller has one."""
        return MooringClient(self.parts.client, driver=DRIVER)

    async def go(self) -> Outcome:
        """Let load and faults run for their time; then wait for rest, and judge."""
        begun, stop, calm = time.monotonic(), asyncio.Event(), asyncio.Event()
        faults = Faults(self.parts, partial(_old_version, self.parts))
        faulty = asyncio.create_task(faults.carry_out(plan(self.plan.seed, self.plan.kinds), calm))
        load = await self._load(stop)
        await asyncio.wait([faulty, *load], timeout=self.plan.seconds, return_when=asyncio.FIRST_COMPLETED)
        calm.set()
        await faulty
        stop.set()
        broken = await self._rest(load)
        took = time.monotonic() - begun
        fired = [each for seat in self.parts.seats for each in seat.fuses.fired()]
        faults.counts.update(f"failpoint {each.mode}" for each in fired)
        broken += await self.judge()
        return Outcome(self.log, faults.counts, {each.point for each in fired}, await self._operations(), took, broken)

    async def judge(self) -> list[Fault]:
        """Judge all that has happened so far, and must be at rest."""
        await self.history.complete()
        return judge(DRIVER, self.history.changes, self.parts.journal(), self.log.tellings)

    async def _load(self, stop: asyncio.Event) -> list[asyncio.Task[None]]:
        dice = random.Random(f"load of {self.plan.seed}")  # noqa: S311 - it is to be repeatable
        own = [await self.cluster.volume(f"own-{number}") for number in range(self.plan.volumes)]
        of_pods = [await self.cluster.volume(f"pod-{number}") for number in range(self.plan.pods)]
        ids = [node_id_of(node) for node in self.nodes]
        actors: list[Actor] = [
            Caller(self.mooring(), own[number % len(own)].handle, ids, _dice(dice), self.log) for number in range(self.plan.callers)
        ]
        actors += [await self._mortal(number, _dice(dice)) for number in range(self.plan.mortals)]
        actors += (
            Latecomer(self.cluster, self.mooring(), f"late-{number}", self.nodes[number], _dice(dice), self.log)
            for number in range(self.plan.latecomers)
        )
        actors += (Pods(self.cluster, self.board, volume, self.nodes, _dice(dice), self.log) for volume in of_pods)
        return [asyncio.create_task(each.run(stop)) for each in actors]

    async def _mortal(self, number: int, dice: random.Random) -> Mortal:
        node = await self.cluster.node(f"mortal-{number}")
        volumes = [await self.cluster.volume(f"of-mortal-{number}-{each}") for each in range(VOLUMES_OF_A_MORTAL)]
        return Mortal(self.cluster, self.mooring(), node, volumes, dice, self.log)

    async def _rest(self, load: Sequence[asyncio.Task[None]]) -> list[Fault]:
        """Wait until everybody has let go; return what has not come to rest."""
        _, late = await asyncio.wait(load, timeout=REST_SECONDS)
        for task in late:
            task.cancel()
        for task in set(load) - late:
            task.result()
        if late:
            return [Fault("rest", "", f"{len(late)} of {len(load)} callers are not done {REST_SECONDS:g} s after the last fault")]
        await asyncio.gather(*(seat.ready() for seat in self.parts.seats))
        return await self._left()

    async def _left(self) -> list[Fault]:
        """Return what there still is though everybody has let go."""
        runs = ""
        try:
            async with asyncio.timeout(60):
                while runs := await self._open():
                    await asyncio.sleep(GLANCE_SECONDS)
        except TimeoutError:
            return [Fault("rest", "", f"operations are open: {runs}")]
        await self._clear_as_told()
        attached = still_attached(self.parts.journal())
        left = [Fault("rest", volume, f"is attached to {nodes} for nobody") for volume, nodes in attached.items()]
        return left + [Fault("rest", volume, f"node {node} is its holder for nobody") for volume, node in await self._holders()]

    async def _clear_as_told(self) -> None:
        """Do as an operator does where an unpublish has reported that it could not clear the record: ask for it again."""
        for volume, node in await self._holders():
            told = f"CsiDriver = '{DRIVER}' AND NodeId = '{node}' AND AttachmentState = '{State.NOT_CLEARED}'"
            runs = [run.id async for run in self.parts.client.list_workflows(told)]
            if names.volume_id(VolumeRef(driver=DRIVER, volume_handle=volume)) in runs:
                self.log.cleared += 1
                await self.mooring().unpublish(volume, node, deadline=60)

    async def _holders(self) -> list[tuple[str, str]]:
        """Return each volume with each node that its record names now."""
        await self.history.complete()
        pvs = {change.pv["metadata"]["name"]: change.pv for change in self.history.changes}
        records = {pv["spec"]["csi"]["volumeHandle"]: read(DRIVER, pv["metadata"].get("annotations") or {}) for pv in pvs.values()}
        return [(volume, node) for volume, record in records.items() for node in record.holders]

    async def _open(self) -> str:
        query = f"CsiDriver = '{DRIVER}' AND ExecutionStatus = 'Running'"
        found = [run async for run in self.parts.client.list_workflows(query)]
        return ", ".join(f"{run.workflow_type} {run.id}" for run in found if run.workflow_type in OPEN)

    async def _operations(self) -> int:
        kinds = ", ".join(f"'{kind}'" for kind in (names.PUBLISH, names.UNPUBLISH))
        return (await self.parts.client.count_workflows(f"WorkflowType IN ({kinds})")).count


@asynccontextmanager
async def open_stage(plan: Plan, assets: Path, folder: Path) -> AsyncIterator[Stage]:
    """Start all parts, and follow what happens, while the block lasts; all files are in `folder`."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_parts(assets, folder, bug=plan.bug))
        cluster = await stack.enter_async_context(chain_cluster(parts.kubernetes, DRIVER))
        history, board = PvHistory(parts.real.etcd_url), Board(cluster)
        await cluster.install()
        nodes = [await cluster.node(f"node-{number}") for number in range(plan.nodes)]
        for work in (history.follow(), board.follow(), beat(cluster, nodes)):
            stack.callback(asyncio.create_task(work).cancel)
        yield Stage(plan, parts, cluster, history, board, Log(), nodes)


def _dice(dice: random.Random) -> random.Random:
    return random.Random(dice.random())  # noqa: S311 - it is to be repeatable


def _old_version(parts: Parts, seat: Seat) -> None:
    """Have the seat run version 0.1.0 from its next start on."""
    folder = parts.folder / "before"
    if not folder.exists():
        unpacked(FIRST, folder)
    csi = ("MOORING_CSI_ENDPOINT", "MOORING_DRIVER_ENDPOINT")
    kept = {name: value for name, value in seat.environ.items() if name not in csi}
    seat.kept.command = [sys.executable, str(folder / "worker.py")]
    seat.kept.environ = {
        **kept, "MOORING_DRIVER": DRIVER, "MOORING_BACKEND": FACTORY, ENDPOINT: f"unix://{parts.folder}/driver.sock"
    }  # fmt: skip

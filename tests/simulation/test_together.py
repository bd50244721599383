"""The deployed store, fence and backend on the simulated server and driver: the judge finds nothing, and finds what is planted.

The order of the steps is a workflow's in short: the record before the backend, the backend before the release, and a failure is
undone backwards until it is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mooring.backend import Backend
from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.errors import MooringError
from mooring.models import BackendCall, PublishRequest, VolumeRecord, VolumeRef, Write
from mooring.process.metrics import Metrics
from mooring.records import fence
from tests.devstack.contract.api import pv_body
from tests.simulation.api_server import CALM, FaultRates, SimulatedKubernetes
from tests.simulation.checker import Checker, Violation, check
from tests.simulation.clock import now, run
from tests.simulation.driver import CALM as CALM_DRIVER
from tests.simulation.driver import DriverRates, SimulatedDriver
from tests.simulation.history import History

DRIVER = "rds.csi.srvlab.io"
SECRET = "canary-of-a-login"
NODES = ("node-a", "node-b", "node-c")
SERVER = FaultRates(0.1, 0.1, 0.1, 120, 0.1, 20, 0.05, codes=frozenset({409, 429, 500, 503, 504}))
AT_THE_DRIVER = DriverRates(0.2, 120, 0.1, 30, 0.05, 0.1)
A_DAY = 86_400.0
NO_BUG: Mapping[str, Any] = {}


class Failed(Exception):
    """An operation failed, and has been undone."""


@dataclass(slots=True)
class Operations:
    """One operation after the other on one volume."""

    store: PersistentVolumeStore
    backend: Backend
    volume: VolumeRef
    release_first: bool = False
    rollback_detaches: bool = True
    detach_token: Callable[[int], int | None] = fence.detach_token
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def publish(self, node: str) -> None:
        """Acquire, and attach; raise Failed if it is refused or undone."""
        operation, seen = f"run-{next(self._numbers)}", await self._read()
        request = PublishRequest(**self.volume.model_dump(), node_id=node)
        acquire = fence.acquire(seen, request, operation, now())
        if isinstance(acquire, fence.Refuse):
            raise Failed
        held = await self._try(acquire.write)
        if held is not None:
            try:
                await self.backend.publish(self._call(node, held.epoch, fence.attach_token(held.epoch)))
            except MooringError:
                pass
            else:
                return
        await self._undo(node, operation, renews=acquire.renews)
        raise Failed

    async def unpublish(self, node: str) -> None:
        """Detach, and release."""
        operation = f"run-{next(self._numbers)}"
        if self.release_first:
            await self._settle(lambda seen: fence.release(seen, self.volume, node, operation))
        await self._detach(node)
        if not self.release_first:
            await self._settle(lambda seen: fence.release(seen, self.volume, node, operation))

    async def _undo(self, node: str, operation: str, *, renews: bool) -> None:
        if renews:
            return
        if self.rollback_detaches:
            await self._detach(node)
        await self._settle(lambda seen: fence.undo(seen, self.volume, node, operation, renews=False))

    async def _settle(self, decide: Callable[[VolumeRecord], Write | None]) -> None:
        """Decide and write until a write lands, or none is needed."""
        while True:
            write = decide(await self._read())
            if write is None or await self._try(write) is not None:
                return

    async def _try(self, write: Write) -> VolumeRecord | None:
        try:
            result = await self.store.compare_and_set(write)
        except MooringError:
            return None
        return result.record if result.landed else None

    async def _detach(self, node: str) -> None:
        seen = await self._read()
        await _until_done(lambda: self.backend.unpublish(self._call(node, seen.epoch, self.detach_token(seen.epoch))))

    async def _read(self) -> VolumeRecord:
        found: list[VolumeRecord] = []

        async def read() -> None:
            record = await self.store.read(self.volume.volume_handle)
            assert record is not None
            found.append(record)

        await _until_done(read)
        return found[0]

    def _call(self, node: str, epoch: int, token: int | None) -> BackendCall:
        return BackendCall(volume=self.volume, node_id=node, epoch=epoch, token=token, access_mode="SINGLE_NODE_WRITER")


async def _until_done(act: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await act()
        except MooringError:
            await asyncio.sleep(1)


def play(seed: int, *, heedless: bool = False, bug: Mapping[str, Any] = NO_BUG) -> list[Violation]:
    """Play a story of 60 operations, and return what the judge says."""
    random.seed(seed)  # NB: the client's pauses between tries are drawn from here
    history: History = []

    async def main() -> None:
        dice = random.Random(seed)  # noqa: S311
        kube, driver = SimulatedKubernetes(dice, now, history), SimulatedDriver(dice, now, history, heedless=heedless)
        kube.seed([pv_body("vol")])
        store = PersistentVolumeStore(kube.api(SECRET), DRIVER, now, Metrics(CollectorRegistry()))
        volume = VolumeRef(driver=DRIVER, volume_handle="vol")
        operations = Operations(store, driver.backend(), volume, **bug)
        kube.faults.rates, driver.rates = SERVER, AT_THE_DRIVER
        for _ in range(60):
            await _operate(operations, dice)
        kube.faults.rates, driver.rates = CALM, CALM_DRIVER
        await asyncio.sleep(A_DAY)

    run(main())
    return check(history, Checker(DRIVER, enforcing=not heedless, canaries=(SECRET,)))


async def _operate(operations: Operations, dice: random.Random) -> None:
    node = dice.choice(NODES)
    if dice.random() < 0.4:
        await operations.unpublish(node)
        return
    try:
        await operations.publish(node)
    except Failed:
        await asyncio.sleep(dice.uniform(0, 60))


@pytest.mark.parametrize("heedless", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_the_judge_has_nothing_to_say(seed: int, heedless: bool) -> None:
    assert play(seed, heedless=heedless) == []


@pytest.mark.parametrize(
    ("bug", "rule"),
    [
        ({"release_first": True}, "not forgotten"),
        ({"rollback_detaches": False}, "not forgotten"),
        ({"detach_token": fence.attach_token}, "later token"),
        ({"detach_token": lambda _: None}, "one node"),
    ],
)
def test_a_planted_bug_is_found(bug: Mapping[str, Any], rule: str) -> None:
    found = {violation.rule for seed in range(10) for violation in play(seed, bug=bug)}
    assert rule in found

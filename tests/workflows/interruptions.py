"""The interruptions of an operation, and their moments: each combination is a story of one volume, at an array that keeps
calls back.

An operation for node-a reaches some moment and is interrupted, and node-b gets the volume. Calls that were kept back land before
node-b's attach, or after it. Then node-a has the volume again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.faults import Hold, Loss
from mooring.errors import HeldElsewhere, MooringError
from tests.harness.array import Array, Turn
from tests.harness.cluster import Cluster
from tests.harness.resets import FIRST, LAST, Run, last_run, reset
from tests.harness.workers import until

SECONDS = 240
AT_ONCE = 26
"""Stories that play beside each other: enough for what hangs to cost little, few enough for each to go on beside a load."""


class Moment(StrEnum):
    """The moment that the operation has reached."""

    ACQUIRING = "its claim hangs at the API server"
    ACQUIRED = "its claim has landed, and the answer hangs"
    ATTACHING = "its attach hangs"
    ATTACHED = "its second attach is done, and the record of that hangs"
    ROLLING_BACK = "it is rolled back, and the detach hangs"
    UNDOING = "it is rolled back, and the record of that hangs"
    PUBLISHED = "it has ended after a second attach"
    OVERTAKEN = "it has ended, and another node has got the volume"
    UNPUBLISHING = "it is the unpublish, and the detach hangs"


class Cut(StrEnum):
    """The interruption."""

    NOTHING = "nothing"
    TERMINATE = "terminate"
    CANCEL = "cancel"
    RESET_FIRST = "reset to the first task"
    RESET_LAST = "reset to the last task"


class Lands(StrEnum):
    """The moment at which the kept-back call lands, by the attach of the next node, before which it has never landed."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Row:
    """One combination."""

    moment: Moment
    cut: Cut
    lands: Lands | None

    @property
    def is_possible(self) -> bool:
        """True if the run that is to be cut off is open, and a call that is to land is kept back."""
        ended, keeps = self.moment in (Moment.PUBLISHED, Moment.OVERTAKEN), self.moment is not Moment.ACQUIRED
        return not (ended and self.cut in (Cut.TERMINATE, Cut.CANCEL)) and keeps == (self.lands is not None)

    @property
    def volume(self) -> str:
        """The volume's handle."""
        return f"{self.moment.name}-{self.cut.name}-{self.lands or 'nothing'}".lower().replace("_", "-")

    def __str__(self) -> str:
        return f"{self.moment}; {self.cut}; what was kept back lands {self.lands or 'never, as nothing was'}"


ROWS = [row for row in (Row(*each) for each in product(Moment, Cut, (*Lands, None))) if row.is_possible]


@dataclass(frozen=True)
class Scene:
    """The servers and the array of the stories."""

    client: Client
    cluster: Cluster
    mooring: MooringClient
    array: Array

    async def play(self, rows: Sequence[Row]) -> dict[str, list[str]]:
        """Play them beside each other, and return what was wrong in each that went wrong."""
        places = asyncio.Semaphore(AT_ONCE)
        wrong = await asyncio.gather(*(self._play_one(row, places) for row in rows))
        return {str(row): found for row, found in zip(rows, wrong, strict=True) if found}

    async def _play_one(self, row: Row, places: asyncio.Semaphore) -> list[str]:
        async with places:
            return await Story(self, row).play()


class Story:
    """A row on its own volume."""

    def __init__(self, scene: Scene, row: Row) -> None:
        self._scene = scene
        self._row = row
        self._volume = row.volume
        self._held: Hold | None = None
        self._caller: asyncio.Task[object] | None = None

    async def play(self) -> list[str]:
        """Play it, and return what was wrong."""
        wrong = self._scene.array.breaches[self._volume]
        try:
            async with asyncio.timeout(SECONDS):
                await self._play()
        except (MooringError, TimeoutError, AssertionError) as error:
            wrong.append(f"{type(error).__name__}: {error}")
        finally:
            await self._hang_up()
        return wrong

    async def _play(self) -> None:
        await self._scene.cluster.create(self._volume)
        await self._interrupt(await self._arrive())
        await _over(await self._newest())
        if self._row.lands is Lands.BEFORE:
            self._scene.array.first[self._volume, "node-b"] = self._land
        await self._move("node-a", "node-b")
        if self._row.lands is Lands.AFTER:
            await self._land()
        await self._is_on("node-b")
        await self._move("node-b", "node-a")
        await self._is_on("node-a")

    async def _arrive(self) -> Run:
        """Have the operation reach the moment."""
        match self._row.moment:
            case Moment.ACQUIRING:
                await self._hangs_at_the_api_server(b"node-a", self._publish(), times=2)  # NB: at once, and visibly
            case Moment.ACQUIRED:
                lost = self._scene.cluster.proxy.lose_answer("PATCH", path=self._pv, loss=Loss.HANG, times=1)
                self._begin(self._publish())
                await lost.landed()
            case Moment.ATTACHING:
                await self._hangs_at_the_array(1, self._publish(Turn.HANGS))
            case Moment.ATTACHED:
                await self._hangs_at_the_api_server(b"/dev/sdx", self._publish(Turn.STRAYS), times=2)
            case Moment.ROLLING_BACK:
                self._scene.array.turns["unpublish", self._volume].append(Turn.HANGS)
                await self._hangs_at_the_array(2, self._publish(Turn.STRAYS, Turn.REFUSED))
            case Moment.UNDOING:
                await self._hangs_at_the_api_server(b'"2"', self._publish(Turn.STRAYS, Turn.REFUSED))
            case _:
                return await self._arrive_late()
        return await self._newest()

    async def _arrive_late(self) -> Run:
        """Have the operation reach a moment after the publish."""
        await self._publish(Turn.STRAYS)
        published = await self._newest()
        match self._row.moment:
            case Moment.OVERTAKEN:
                await self._move("node-a", "node-b")
            case Moment.UNPUBLISHING:
                self._scene.array.turns["unpublish", self._volume].append(Turn.HANGS)
                await self._hangs_at_the_array(2, self._scene.mooring.unpublish(self._volume, "node-a"))
                return await self._newest()
        return published

    async def _interrupt(self, run: Run) -> None:
        match self._row.cut:
            case Cut.TERMINATE:
                await run.terminate("an operator lost patience")
            case Cut.CANCEL:
                await run.cancel()
            case Cut.RESET_FIRST:
                await reset(self._scene.client, run, FIRST, object)
            case Cut.RESET_LAST:
                await reset(self._scene.client, run, LAST, object)

    async def _move(self, there: str, node: str) -> None:
        """Publish to the node, as a CO does: the other one gives the volume up if it holds it."""
        try:
            await self._scene.mooring.publish(self._volume, node)
        except HeldElsewhere:
            await self._scene.mooring.unpublish(self._volume, there)
            await self._scene.mooring.publish(self._volume, node)

    async def _is_on(self, node: str) -> None:
        holder = await self._scene.cluster.holder(self._volume)
        attached = self._scene.array.attached[self._volume]
        assert (holder, attached) == (node, {node}), f"{holder} holds it, {attached} have it attached, it was to be {node}"

    async def _land(self) -> None:
        self._scene.array.land(self._volume)
        if self._held is not None:
            self._held.release()
            await self._held.landed()

    def _publish(self, *turns: Turn) -> Coroutine[Any, Any, object]:
        self._scene.array.turns["publish", self._volume] += turns
        return self._scene.mooring.publish(self._volume, "node-a")

    async def _hangs_at_the_array(self, calls: int, operation: Coroutine[Any, Any, object]) -> None:
        self._begin(operation)
        await until(lambda: len(self._scene.array.kept[self._volume]) == calls)

    async def _hangs_at_the_api_server(self, what: bytes, operation: Coroutine[Any, Any, object], times: int = 1) -> None:
        self._held = self._scene.cluster.proxy.hold("PATCH", path=self._pv, times=times, when=lambda request: what in request.body)
        self._begin(operation)
        await self._held.reached()

    def _begin(self, operation: Coroutine[Any, Any, object]) -> None:
        self._caller = asyncio.create_task(operation)

    async def _hang_up(self) -> None:
        if self._caller is not None:
            self._caller.cancel()
            await asyncio.gather(self._caller, return_exceptions=True)

    async def _newest(self) -> Run:
        return await last_run(self._scene.client, self._scene.cluster, self._volume)

    @property
    def _pv(self) -> str:
        return self._scene.cluster.pv(self._volume)


async def _over(run: Run) -> None:
    """Wait until the run has ended, however it does."""
    await asyncio.gather(run.result(), return_exceptions=True)

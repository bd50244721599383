"""The load of a campaign: Pods that come and go in the cluster, and callers that publish and unpublish by the client.

Every caller asks for the end of whatever it has asked for, until it is so: nobody lets go of a volume in silence.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeVar

import aiohttp

from mooring.client import MooringClient
from mooring.errors import MooringError
from tests.campaign.linear import Told
from tests.harness.chain.cluster import ChainCluster, Volume, node_id_of

T = TypeVar("T")
DEADLINE: Final = 15.0
PAUSE_SECONDS: Final = 0.2
BEAT_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 45.0
"""Time after which a Pod that has no volume yet is deleted."""


@dataclass(slots=True)
class Log:
    """What callers were told: their times with volumes, how many asked and were answered, and by which error.

    `cleared`: records that an operator has cleared, who was told so. `evacuated`: dead nodes whose volumes were all released.
    `late`: volumes that were published before they had a PV.
    """

    tellings: list[Told] = field(default_factory=list)
    asked: int = 0
    done: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    pods: int = 0
    cleared: int = 0
    evacuated: int = 0
    late: int = 0

    def refused(self, error: Exception) -> None:
        """Count an error."""
        name = type(error).__name__
        self.errors[name] = self.errors.get(name, 0) + 1


@dataclass(slots=True)
class Caller:
    """One caller that wants one volume on one node after another."""

    mooring: MooringClient
    volume: str
    nodes: Sequence[str]
    dice: random.Random
    log: Log

    async def run(self, stop: asyncio.Event) -> None:
        """Have the volume, and let go of it, until asked to stop."""
        while not stop.is_set():
            node = self.dice.choice(self.nodes)
            since = await self.publish(node)
            await asyncio.sleep(self.dice.choice((0.0, 0.05, 0.3)))
            if since:
                self.log.tellings.append(Told(self.volume, node, since, time.monotonic()))
            await self.unpublish(node)

    async def publish(self, node: str) -> float:
        """Return when it was told that the node has the volume, or 0 if it was refused or gave up."""
        for _ in range(self.dice.choice((1, 2, 4))):
            self.log.asked += 1
            try:
                await self.mooring.publish(self.volume, node, deadline=self.dice.choice((1.0, DEADLINE, DEADLINE)))
            except MooringError as error:
                self.log.refused(error)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.log.done += 1
                return time.monotonic()
        return 0.0

    async def unpublish(self, node: str) -> None:
        """Let go, until told that it is so."""
        while True:
            self.log.asked += 1
            try:
                result = await self.mooring.unpublish(self.volume, node, deadline=DEADLINE)
            except MooringError as error:
                self.log.refused(error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            self.log.done += 1
            if result.annotation_cleared:
                return


async def beat(cluster: ChainCluster, nodes: Sequence[str]) -> None:
    """Update the nodes again and again, as their kubelets do, until cancelled.

    NB: the attach/detach controller learns from an update of a Node alone that a volume is not in use there. One whose attachment
    it isn't sure of remains attached for six minutes without that.
    """
    for number in count():
        for node in nodes:
            with suppress(aiohttp.ClientError, AssertionError, OSError, ValueError):
                await cluster.annotate_node(node, {"campaign/beat": str(number)})
        await asyncio.sleep(BEAT_SECONDS)


@dataclass(slots=True)
class Board:
    """The VolumeAttachments, looked at again and again for all that wait for one."""

    cluster: ChainCluster
    attached: set[tuple[str, str]] = field(default_factory=set)
    known: set[tuple[str, str]] = field(default_factory=set)
    _looked: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                found = await self.cluster.attachments()
            except (aiohttp.ClientError, AssertionError, OSError, ValueError):
                await asyncio.sleep(1.0)
                continue
            self.known = set(found)
            self.attached = {place for place, status in found.items() if status.get("attached")}
            self._looked.set()
            self._looked = asyncio.Event()
            await asyncio.sleep(PAUSE_SECONDS)

    async def look(self) -> None:
        """Wait for the next look."""
        await self._looked.wait()


@dataclass(slots=True)
class Pods:
    """One volume whose Pod moves from node to node."""

    cluster: ChainCluster
    board: Board
    volume: Volume
    nodes: Sequence[str]
    dice: random.Random
    log: Log

    async def run(self, stop: asyncio.Event) -> None:
        """Have Pods come and go until asked to stop."""
        while not stop.is_set():
            node = self.dice.choice(self.nodes)
            place = (self.volume.name, node)
            pod = self.cluster.pod_name(node, self.volume)
            await insist(lambda node=node: self.cluster.pod(node, self.volume), "AlreadyExists")  # type: ignore[misc]
            since = await self._attached(place)
            await asyncio.sleep(self.dice.choice((0.0, 0.3)))
            if since:
                self.log.pods += 1
                self.log.tellings.append(Told(self.volume.handle, node_id_of(node), since, time.monotonic()))
            await insist(lambda pod=pod: self.cluster.delete_pod(pod), "NotFound")  # type: ignore[misc]
            while place in self.board.known:
                await self.board.look()
            self.log.pods += 1 if since else 0

    async def _attached(self, place: tuple[str, str]) -> float:
        """Return when the volume was seen attached, or 0 after `PATIENCE_SECONDS`."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while place not in self.board.attached:
                    await self.board.look()
        except TimeoutError:
            return 0.0
        return time.monotonic()


async def insist(ask: Callable[[], Awaitable[T]], done: str) -> T | None:
    """Ask until it is answered, and return the answer; or None once a refusal says, by this word, that it is done already."""
    while True:
        try:
            return await ask()
        except AssertionError as error:
            if done and done in str(error):
                return None
        except (aiohttp.ClientError, OSError, ValueError):
            pass
        await asyncio.sleep(PAUSE_SECONDS)

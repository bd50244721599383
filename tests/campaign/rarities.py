"""Load of rarer kinds: nodes that die with their volumes, and volumes that are published before they have a PV.

Each of these volumes is for one node alone: of a node that died it is shown that its volumes are released, and a call for a volume
without a record bears no token, so that one which the driver is late with may attach it at any time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from mooring.client import MooringClient
from tests.campaign.linear import Told
from tests.campaign.load import Caller, Log, insist
from tests.harness.chain import objects
from tests.harness.chain.cluster import ChainCluster, Volume, node_id_of

GLANCE_SECONDS: Final = 1.0
RESTS: Final = (0.5, 2.0, 6.0)
"""Seconds between one such story and the next, and between publishing a volume and its PV."""


@dataclass(slots=True)
class Mortal:
    """A node that is taken out of service with its volumes, again and again; an evacuation has to release them."""

    cluster: ChainCluster
    mooring: MooringClient
    node: str
    volumes: Sequence[Volume]
    dice: random.Random
    log: Log

    async def run(self, stop: asyncio.Event) -> None:
        """Die and come back until asked to stop; in the end, nothing is left on the node."""
        callers = [self._caller(volume) for volume in self.volumes]
        while not stop.is_set():
            since = await asyncio.gather(*(caller.publish(self.node_id) for caller in callers))
            until = time.monotonic()
            told = zip(self.volumes, since, strict=True)
            self.log.tellings += [Told(volume.handle, self.node_id, began, until) for volume, began in told if began]
            await insist(lambda: self.cluster.take_out_of_service(self.node), "")
            await self._released(stop)
            await insist(lambda: self.cluster.put_into_service(self.node), "")
            await asyncio.sleep(self.dice.choice(RESTS))
        await asyncio.gather(*(caller.unpublish(self.node_id) for caller in callers))

    @property
    def node_id(self) -> str:
        """The driver's id for it."""
        return node_id_of(self.node)

    def _caller(self, volume: Volume) -> Caller:
        return Caller(self.mooring, volume.handle, [self.node_id], self.dice, self.log)

    async def _released(self, stop: asyncio.Event) -> None:
        """Wait until no record names the node, or until asked to stop."""
        while await insist(self._is_held, ""):
            if stop.is_set():
                return
            await asyncio.sleep(GLANCE_SECONDS)
        self.log.evacuated += 1

    async def _is_held(self) -> bool:
        records = [await self.cluster.annotations(volume) for volume in self.volumes]
        return any(f"{self.cluster.driver}/attached-node" in record for record in records)


@dataclass(slots=True)
class Latecomer:
    """Volumes, one after another, whose PVs are created once they are published, and deleted once nobody has them."""

    cluster: ChainCluster
    mooring: MooringClient
    name: str
    node: str
    dice: random.Random
    log: Log

    async def run(self, stop: asyncio.Event) -> None:
        """Have volumes come and go until asked to stop."""
        for number in count():
            if stop.is_set():
                return
            await self._have(Volume(f"{self.cluster.prefix}-{self.name}-{number}", f"handle-{self.name}-{number}"))
            await asyncio.sleep(self.dice.choice(RESTS))

    async def _have(self, volume: Volume) -> None:
        node_id = node_id_of(self.node)
        caller = Caller(self.mooring, volume.handle, [node_id], self.dice, self.log)
        self.log.late += bool(await caller.publish(node_id))
        await asyncio.sleep(self.dice.choice(RESTS))
        pv = objects.pv(volume.name, self.cluster.driver, volume.handle, "of-nobody")
        await insist(lambda: self.cluster.create(objects.PVS, pv), "AlreadyExists")
        await asyncio.sleep(self.dice.choice(RESTS))
        await caller.unpublish(node_id)
        await insist(lambda: self.cluster.delete(f"{objects.PVS}/{volume.name}"), "NotFound")

"""The nodes of a world: they die, are declared off, fall ill, and come back under their name or another; and who evacuates them.

Contract: whoever holds a volume on a node that is `lost` is owed nothing any more, since an evacuation may take it away. A node
that came back is `lost` for `MARGIN` seconds more, in which an evacuation may not have noticed. All others keep what they have.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from temporalio.service import RPCError

from mooring.errors import MooringError
from mooring.evacuation.client import Evacuation, approve, evacuation_of, start_evacuation
from mooring.models import Approval
from mooring.models.evacuation import EvacuateRequest
from tests.simulation.temporal_server.service import connect

if TYPE_CHECKING:
    from tests.simulation.campaign.world import World

NODES: Final = "/api/v1/nodes"
CSI_NODES: Final = "/apis/storage.k8s.io/v1/csinodes"
OFF: Final = [{"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}]
MARGIN: Final = 20.0


@dataclass(slots=True)
class Nodes:
    """The nodes, by their ids: the names of their Nodes, and those that may be evacuated."""

    world: World
    ids: list[str]
    names: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    _births: int = 0

    @property
    def usable(self) -> list[str]:
        """The nodes to which something may be attached by right."""
        return [each for each in self.ids if each not in self.lost]

    def create(self, node: str, name: str = "") -> None:
        """Have a Node of the id be there, and the driver run on it."""
        name = name or node
        self.names[node] = name
        self.world.kube.ask("POST", NODES, {"metadata": {"name": name}, "status": _ready("True")})
        drivers = [{"name": self.world.settings.driver, "nodeID": node, "topologyKeys": None}]
        spec = {"drivers": [] if self.world.plan.unnamed else drivers}
        self.world.kube.ask("POST", CSI_NODES, {"metadata": {"name": name}, "spec": spec})

    def delete(self, node: str) -> None:
        """Delete the Node, and what the driver said of it."""
        for path in (NODES, CSI_NODES):
            self.world.kube.ask("DELETE", f"{path}/{self.names[node]}")
        del self.names[node]

    def patch(self, node: str, change: dict[str, Any]) -> None:
        """Change the Node."""
        self.world.kube.ask("PATCH", f"{NODES}/{self.names[node]}", change)

    def is_there(self, node: str) -> bool:
        """Return whether there is a Node of the id."""
        return node in self.names

    def lose(self, node: str) -> None:
        """Take in that a node may be evacuated from now on."""
        self.lost.add(node)
        self.world.attacher.lose(node)

    def new_name(self, node: str) -> str:
        """Return a name that no Node had."""
        self._births += 1
        return f"{node}-{self._births}"


@dataclass(slots=True)
class ActsOnNodes:
    """Acts on nodes. Each ends with the node's return, so that at least one is always well."""

    world: World
    dice: random.Random
    _away: set[str] = field(default_factory=set)
    _back: set[str] = field(default_factory=set)
    """Nodes that are back, for less than `MARGIN`."""
    _vouched: set[str] = field(default_factory=set)

    async def die(self) -> None:
        """Delete a Node for a while, mostly longer than it takes to count as dead."""
        node = self._chosen()
        if node is not None:
            self.world.trace.tell("", f"{node} is deleted")
            self.world.nodes.lose(node)
            self.world.nodes.delete(node)
            self._later(node)

    async def blink(self) -> None:
        """Have a Node be gone for less than it takes to count as dead: whoever holds a volume there keeps it."""
        node = self._chosen()
        if node is not None:
            self.world.trace.tell("", f"{node} is gone for a moment")
            self.world.nodes.delete(node)
            await asyncio.sleep(self.dice.uniform(0.2, 0.7) * self.world.settings.node_gone)
            self._return(node)

    async def taint(self) -> None:
        """Declare a node out of service."""
        node = self._chosen()
        if node is not None:
            self.world.trace.tell("", f"{node} is out of service")
            self.world.nodes.lose(node)
            self.world.nodes.patch(node, {"spec": {"taints": OFF}})
            self._later(node)

    async def lapse(self) -> None:
        """Declare a node out of service for a moment, so that it is well again while its volumes are released."""
        node = self._chosen()
        if node is not None:
            self.world.trace.tell("", f"{node} is out of service for a moment")
            self.world.nodes.lose(node)
            self.world.nodes.patch(node, {"spec": {"taints": OFF}})
            await asyncio.sleep(self.dice.choice((0.3, 3.0)) * self.dice.random())
            self._return(node)

    async def ail(self) -> None:
        """Have a node be not Ready, which is no death, unless somebody vouches for it."""
        node = self._chosen()
        if node is None:
            return
        self.world.trace.tell("", f"{node} is not Ready")
        self.world.nodes.patch(node, {"status": _ready("Unknown")})
        if self.dice.random() < 0.5:
            await self._evacuate(node)
        self._later(node)

    async def evacuate(self) -> None:
        """Ask for the evacuation of a node, whatever its state, and vouch for nothing."""
        with suppress(MooringError):
            await self._start(self.dice.choice(self.world.nodes.ids))

    def come_back(self) -> None:
        """Have all nodes be well."""
        for node in sorted(self._away):
            self._return(node)

    async def _evacuate(self, node: str) -> None:
        """Have a node evacuated by somebody's word."""
        with suppress(MooringError):
            await self._start(node)
            await asyncio.sleep(self.dice.uniform(0, 5))
            if node in self._away - self._back and not self.world.is_over:
                self.world.trace.tell("", f"somebody vouches that {node} is off")
                self.world.nodes.lose(node)
                self._vouched.add(node)
                await approve(self._evacuation(node), Approval(by="simulated", reason="it is off"))

    async def call_off(self) -> None:
        """Cancel all evacuations that wait for somebody's word."""
        for node in self.world.nodes.ids:
            await self._call_off(node)

    async def _call_off(self, node: str) -> None:
        with suppress(RPCError):
            await self._evacuation(node).cancel()

    def _evacuation(self, node: str) -> Evacuation:
        return evacuation_of(connect(self.world.temporal, "operator"), self.world.settings.driver, node)

    async def _start(self, node: str) -> None:
        settings, client = self.world.settings, connect(self.world.temporal, "operator")
        await start_evacuation(client, settings.queue, EvacuateRequest(driver=settings.driver, node_id=node, asked_by="simulated"))

    def _chosen(self) -> str | None:
        """Return a node that is well, unless it is the last one."""
        well = [node for node in self.world.nodes.usable if node not in self._away]
        chosen = self.dice.choice(well) if len(well) > 1 else None
        self._away |= {chosen} if chosen is not None else set()
        return chosen

    def _later(self, node: str) -> None:
        asyncio.get_running_loop().call_later(self.dice.choice((5.0, 90.0, 200.0)) * self.dice.random(), self._return, node)

    def _return(self, node: str) -> None:
        """Have a node be well, perhaps under another name; it is chosen again once that has been noticed."""
        if node not in self._away or node in self._back:
            return
        self._back.add(node)
        nodes = self.world.nodes
        self.world.trace.tell("", f"{node} is back")
        if not nodes.is_there(node):
            nodes.create(node, nodes.new_name(node) if self.dice.random() < 0.3 else "")
        nodes.patch(node, {"spec": {"taints": None}, "status": _ready("True")})
        asyncio.get_running_loop().call_later(MARGIN, self._well, node)

    def _well(self, node: str) -> None:
        """Take in that nobody evacuates the node any more; somebody's word may arrive late, and holds until it is called off."""
        if node in self._vouched and self.world.is_evacuated(node):
            asyncio.get_running_loop().create_task(self._call_off(node), context=contextvars.Context())
            asyncio.get_running_loop().call_later(MARGIN, self._well, node)
            return
        for group in (self._vouched, self._back, self._away, self.world.nodes.lost):
            group.discard(node)


def _ready(status: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status}]}

"""The watcher that has nodes evacuated that are deleted or taken out of service and hold volumes.

Contract: a watch's report of a Node leads to an evacuation that asks for proof itself, so a false alarm costs nothing. Every
worker starts one, and the workflow id makes them one. A start that Temporal can't take yet is retried until it can. Nodes that were
deleted while no worker ran are found by reconciliation.

Not kept here: proof (workflows/evacuation/proof.py), and the volumes on a node (mooring/index/manager.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from temporalio.client import Client

from mooring.cluster.node_health import NodeChanges, NodeHealthReader
from mooring.cluster.node_ids import Nodes
from mooring.errors import MooringError
from mooring.evacuation.client import start_evacuation
from mooring.index.manager import AttachmentManager
from mooring.models.evacuation import EvacuateRequest
from mooring.process.backoff import pauses
from mooring.process.repeats import RepeatedWarning
from mooring.settings import EvacuateMode, NodeCheck

if TYPE_CHECKING:
    from mooring.cluster.clientset import Clientset
    from mooring.settings import Settings

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
LOOK_EVERY: Final = 60.0

logger = logging.getLogger(__name__)


class DeadNodeWatcher:
    """The dead nodes of one driver; `start` begins an evacuation, or joins the open one.

    Every `look_every` seconds those that held nothing, as far as was known, are looked at again.
    """

    def __init__(
        self,
        driver: str,
        node_health: NodeHealthReader,
        nodes: Nodes,
        manager: AttachmentManager,
        start: Callable[[EvacuateRequest], Awaitable[object]],
        look_every: float = LOOK_EVERY,
    ) -> None:
        self._driver = driver
        self._node_health = node_health
        self._nodes = nodes
        self._manager = manager
        self._start = start
        self._look_every = look_every
        self._empty: set[str] = set()
        """Names of the Nodes that are out of service and held nothing."""
        self._due: dict[str, str] = {}
        """Node id -> name of the Node."""
        self._found = asyncio.Event()

    async def watch(self) -> None:
        """Have them evacuated, without end."""
        async with self._node_health.watching(self._take_in):
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._found.wait(), self._look_every)
                self._found.clear()
                self._take_in(dict.fromkeys(self._empty, True))
                await self._begin()

    def _take_in(self, changes: NodeChanges) -> None:
        for name, out_of_service in changes.items():
            self._empty.discard(name)
            node = self._nodes.named(name) if out_of_service is not False else None
            if node is not None and self._manager.volumes_on(node.node_id):
                self._due[node.node_id] = name
                self._found.set()
            elif out_of_service:
                self._empty.add(name)

    async def _begin(self) -> None:
        waits, repeated = pauses(FIRST_PAUSE, LONGEST_PAUSE), RepeatedWarning(logger)
        while self._due:
            node_id, name = next(iter(self._due.items()))
            try:
                await self._start(EvacuateRequest(driver=self._driver, node_id=node_id, node_name=name, automatic=True))
            except MooringError as error:
                repeated.warn(f"Node {name} seems dead, and its evacuation could not be started; trying again: {error}")
                await asyncio.sleep(next(waits))
            else:
                logger.warning("Node %s seems dead; its evacuation is evacuate/%s/%s.", name, self._driver, node_id)
                self._due.pop(node_id, None)


async def watch_dead_nodes(settings: Settings, client: Client, clientset: Clientset, manager: AttachmentManager) -> None:
    """Watch for dead nodes and have them evacuated, without end; without a node check, nodes are not watched."""
    if settings.evacuate is EvacuateMode.AUTO and settings.node_check is not NodeCheck.OFF:
        start = partial(start_evacuation, client, settings.queue)
        await DeadNodeWatcher(settings.driver, clientset.node_health, clientset.nodes, manager, start).watch()

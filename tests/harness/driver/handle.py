"""The reference driver as a test holds it: a process with a folder of its own, ended with the test.

The folder may be given again, and the driver goes on from its journal.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc.aio

from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.devstack.process import Child, running
from tests.harness.driver.journal import Call, Entry, attachments_of, read_entries
from tests.harness.driver.orders import Order, OrderFile
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT

GLANCE_SECONDS: Final = 0.02


@dataclass(slots=True)
class ReferenceDriver:
    """One driver, running unless it was killed.

    NB: it ends in an AssertionError where a call was refused for its fencing token and the test hasn't declared that it
    `expects_stragglers`.
    """

    folder: Path
    arguments: tuple[str, ...]
    _stack: AsyncExitStack
    _child: Child | None = None
    expects_stragglers: bool = False

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path, *arguments: str) -> AsyncIterator[ReferenceDriver]:
        """Run it while the block lasts, with these arguments beside its three paths; it serves when the block begins."""
        async with AsyncExitStack() as stack:
            driver = cls(folder, arguments, stack)
            await driver.restart()
            yield driver
        assert driver.expects_stragglers or not driver.stragglers(), driver.stragglers()

    @property
    def endpoint(self) -> str:
        """Its address: unix:///path."""
        return f"unix://{self.folder / 'csi.sock'}"

    async def kill(self) -> None:
        """End it as kill -9 does."""
        if self._child is not None and not self._child.ended:
            await self._child.kill()

    async def restart(self) -> None:
        """Start it, killed first if it runs; return when it serves."""
        await self.kill()
        paths = {"--endpoint": self.endpoint, "--journal": str(self._journal), "--orders": str(self.folder / "orders.json")}
        command = [
            sys.executable,
            "-m",
            "tests.harness.driver",
            *(part for pair in paths.items() for part in pair),
            *self.arguments,
        ]
        self._child = await self._stack.enter_async_context(running(command, self.folder / "driver.log", ROOT))
        async with grpc.aio.insecure_channel(self.endpoint) as channel:
            await csi_pb2_grpc.IdentityStub(channel).Probe(csi_pb2.ProbeRequest(), wait_for_ready=True, timeout=PATIENCE)

    def order(self, order: Order) -> Order:
        """Order what it is to do to calls from now on."""
        OrderFile(self.folder / "orders.json").add(order)
        return order

    def withdraw(self, order: Order) -> None:
        """Take an order back, which releases the calls that it holds."""
        OrderFile(self.folder / "orders.json").withdraw(order)

    async def holds(self, order: Order, calls: int = 1) -> None:
        """Wait until so many calls have been held by the order."""
        async with asyncio.timeout(PATIENCE):
            while sum(entry.event == "held" and entry.order == order.id for entry in self.entries()) < calls:
                await asyncio.sleep(GLANCE_SECONDS)

    async def answered(self, number: int) -> str:
        """Wait until the call with this number is through, whether its caller waited or not; return the gRPC code of its answer."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for entry in self.entries():
                    if entry.event == "answer" and entry.call.number == number:
                        return entry.code
                await asyncio.sleep(GLANCE_SECONDS)

    def entries(self) -> list[Entry]:
        """Return the whole journal."""
        return read_entries(self._journal)

    def calls(self) -> list[Call]:
        """Return the calls of publish and unpublish, in the order of their arrival."""
        return [entry.call for entry in self.entries() if entry.event == "call"]

    def attached(self) -> dict[str, set[str]]:
        """Return the nodes of each volume that is attached anywhere."""
        return {volume: set(nodes) for volume, nodes in attachments_of(self.entries()).items() if nodes}

    def violations(self) -> list[Entry]:
        """Return each time that a volume got to be on two nodes at once and shouldn't have; `nodes` names them."""
        return [entry for entry in self.entries() if entry.event == "violation"]

    def stragglers(self) -> list[Call]:
        """Return the calls that were refused because a later one had arrived before them."""
        return [entry.call for entry in self.entries() if entry.event == "straggler"]

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.jsonl"

"""A writer that changes PVs all the time, as publishes, provisioners and people do; and the PVs read back after it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec

from bench.pvs import KEYS, PVS, name, pv, record, session
from mooring.devstack.kubernetes import ApiServer

PAUSE: Final = 0.005
"""Seconds between two writes, so that the server is asked to write all the time and still has time to list."""
PAGE: Final = 500

Records = dict[str, tuple[str | None, int]]
"""Volume handle -> the node that holds it (None: no node does), epoch."""


class Writer:
    """A writer that attaches, detaches, makes and deletes PVs at random; those with `numbers` exist when it begins."""

    def __init__(self, http: aiohttp.ClientSession, numbers: range) -> None:
        self.writes = 0
        self._http = http
        self._dice = random.Random(7)  # noqa: S311 - the same writes in every run
        self._there = list(numbers)
        self._next = 1000 * numbers.stop

    async def write_until(self, stop: asyncio.Event) -> None:
        """Make one write after the other until `stop` is set; of ten, one makes a PV and one deletes one."""
        while not stop.is_set():
            self.writes += 1
            kind = self.writes % 10
            await (self._make() if kind == 0 else self._delete() if kind == 1 else self._change())
            await asyncio.sleep(PAUSE)

    async def _make(self) -> None:
        await self._ask("POST", PVS, pv(self._next))
        self._there.append(self._next)
        self._next += 1

    async def _delete(self) -> None:
        at = self._dice.randrange(len(self._there))
        self._there[at], self._there[-1] = self._there[-1], self._there[at]
        path = f"{PVS}/{name(self._there.pop())}"
        await self._ask("PATCH", path, {"metadata": {"finalizers": None}})
        await self._ask("DELETE", path)

    async def _change(self) -> None:
        number = self._dice.choice(self._there)
        annotations: dict[str, str | None] = {**record(number, epoch=9 + self.writes)}
        if self._dice.random() < 0.5:
            annotations |= {KEYS.node: None, KEYS.at: None}
        await self._ask("PATCH", f"{PVS}/{name(number)}", {"metadata": {"annotations": annotations}})

    async def _ask(self, method: str, path: str, body: Any = None) -> None:
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        async with self._http.request(method, path, data=msgspec.json.encode(body) if body else None, headers=headers) as answer:
            if not answer.ok:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            await answer.read()


@asynccontextmanager
async def writing(server: ApiServer, numbers: range) -> AsyncIterator[Writer]:
    """Run a writer while the block lasts; its last write is done when the block ends."""
    stop = asyncio.Event()
    async with session(server) as http:
        writer = Writer(http, numbers)
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.write_until(stop))
            try:
                yield writer
            finally:
                stop.set()


async def written(server: ApiServer) -> Records:
    """Read the records on the PVs by a fresh list: plain JSON, read without any of Mooring's code."""
    found: Records = {}
    token = ""
    async with session(server) as http:
        while True:
            async with http.get(PVS, params={"limit": str(PAGE), "continue": token}) as answer:
                page = msgspec.json.decode(await answer.read())
            for item in page["items"]:
                annotations = item["metadata"].get("annotations", {})
                found[item["spec"]["csi"]["volumeHandle"]] = (annotations.get(KEYS.node), int(annotations.get(KEYS.epoch, 0)))
            token = page["metadata"].get("continue", "")
            if not token:
                return found

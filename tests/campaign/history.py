"""The history of all PVs as etcd has it: every change, in its one order, read at the source and past everything that may fail.

Contract: no change is missed, whatever is killed meanwhile, since etcd is told to forget nothing (parts.py). Each bears the time of
its arrival here, which is no earlier than that of the change.
"""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from tests.simulation.history import PvChange

PREFIX: Final = "/registry/persistentvolumes/"
PAUSE_SECONDS: Final = 0.1
LINE: Final = 1 << 24
BOUND_SECONDS: Final = 30.0


@dataclass(slots=True)
class PvHistory:
    """The changes so far."""

    etcd_url: str
    changes: list[PvChange] = field(default_factory=list)
    _revision: int = 0

    async def follow(self) -> None:
        """Take in changes until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=LINE) as session:
            while True:
                with suppress(aiohttp.ClientError, OSError):
                    await self._watch(session)
                await asyncio.sleep(PAUSE_SECONDS)

    async def complete(self) -> None:
        """Wait until all that etcd has is here."""
        async with asyncio.timeout(BOUND_SECONDS), aiohttp.ClientSession() as session:
            asked = {"key": _encoded(PREFIX), "range_end": _encoded(_end(PREFIX)), "sort_target": "MOD", "sort_order": "DESCEND"}
            async with session.post(f"{self.etcd_url}/v3/kv/range", json={**asked, "limit": 1, "keys_only": True}) as answer:
                newest = int(((await answer.json()).get("kvs") or [{"mod_revision": 0}])[0]["mod_revision"])
            while self._revision < newest:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        asked = {
            "key": _encoded(PREFIX),
            "range_end": _encoded(_end(PREFIX)),
            "start_revision": str(self._revision + 1),
            "prev_kv": True,
        }
        async with session.post(f"{self.etcd_url}/v3/watch", json={"create_request": asked}) as answer:
            async for line in answer.content:
                result = json.loads(line).get("result", {})
                for event in result.get("events", ()):
                    self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        revision = int(event["kv"]["mod_revision"])
        if revision <= self._revision:
            return
        self._revision = revision
        deleted = event.get("type") == "DELETE"
        value = event.get("prev_kv" if deleted else "kv", {}).get("value", "")
        kind = "DELETED" if deleted else "MODIFIED" if event.get("prev_kv") else "ADDED"
        at = datetime.now(UTC).timestamp()
        self.changes.append(PvChange(at, kind, json.loads(base64.b64decode(value))))  # type: ignore[arg-type]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _end(prefix: str) -> str:
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)

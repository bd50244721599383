"""The processes that the rebuild is measured in: Mooring's, and the Go program that lists the same PVs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from bench.pvs import DRIVER
from bench.rebuilder import Run
from bench.writer import Records

ROOT: Final = Path(__file__).parents[1]
LINE: Final = 1 << 28
BOUND: Final = 300.0
"""Seconds within which every process answers."""


class Rebuilder:
    """A process of bench/rebuilder.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def start(cls, kubeconfig: Path, page_size: int, watch_seconds: float = 300) -> AsyncIterator[Rebuilder]:
        """Run one while the block lasts, ready from the beginning."""
        command = [sys.executable, "-m", "bench.rebuilder", str(page_size), str(watch_seconds)]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, cwd=ROOT, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, limit=LINE
        )
        try:
            rebuilder = cls(process)
            await rebuilder._answer()
            yield rebuilder
        finally:
            await process.communicate(b"")

    async def rebuild(self) -> Run:
        """Have it rebuild; it follows the watch from then on."""
        return msgspec.json.decode(await self._ask(b"rebuild\n"), type=Run)

    async def index(self) -> Records:
        """Return the content of its index."""
        return msgspec.json.decode(await self._ask(b"index\n"), type=Records)

    async def _ask(self, line: bytes) -> bytes:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        return await self._answer()

    async def _answer(self) -> bytes:
        assert self._process.stdout is not None
        answer = await asyncio.wait_for(self._process.stdout.readline(), BOUND)
        if not answer:
            raise RuntimeError("a process that rebuilds has ended; see above")
        return answer


async def list_volumes(program: Path, kubeconfig: Path, page_size: int, flags: Sequence[str] = ()) -> Run:
    """Run the Go program (kube/list-volumes) once."""
    process = await asyncio.create_subprocess_exec(
        program, "-driver", DRIVER, "-page", str(page_size), *flags,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "KUBECONFIG": str(kubeconfig)},
    )  # fmt: skip
    answer, _ = await asyncio.wait_for(process.communicate(), BOUND)
    return msgspec.json.decode(answer, type=Run)

"""One process that does with PVs what a worker does with them: `python -m bench.rebuilder PAGE_SIZE WATCH_SECONDS`.

It connects to the API server that KUBECONFIG names, prints `ready`, and obeys the lines it is sent: `rebuild` is answered with a
`Run`, `index` with the content of the index. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry

import worker  # noqa: F401 - for what a worker has in memory before it rebuilds
from bench.pvs import DRIVER
from bench.writer import Records
from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.index.manager import AttachmentManager
from mooring.index.reflector import Reflector
from mooring.kubernetes.connection import connect
from mooring.process.clock import utc_now
from mooring.process.metrics import Metrics

TIMEOUT: Final = 60.0
TICK: Final = 0.001


class Run(msgspec.Struct, frozen=True):
    """Cost of one rebuild. Bytes are those on the wire; `stall` is the longest time the event loop was held up, in milliseconds.

    `own_stall` is the part of such a time in which this process computed: the rest it waited for a processor.
    """

    volumes: int
    attached: int
    milliseconds: float
    received: int
    base_rss: int
    peak_rss: int
    stall: float = 0.0
    own_stall: float = 0.0

    @property
    def over_base(self) -> int:
        """The memory that the rebuild took beyond that in use before it."""
        return self.peak_rss - self.base_rss


class Stalls:
    """A watch on the times that the event loop is held up, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.own = 0.0

    async def watch(self) -> None:
        """Tick without end, and note the longest delay of a tick."""
        while True:
            began, computed = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, time.perf_counter() - began - TICK)
            self.own = max(self.own, time.thread_time() - computed)


async def measured(reflector: Reflector) -> Run:
    """Rebuild once, and return its cost."""
    stalls = Stalls()
    ticking = asyncio.create_task(stalls.watch())
    await asyncio.sleep(0)
    _forget_peak()
    base, began = _memory("VmRSS:"), time.perf_counter()
    rebuilt = await reflector.rebuild(lambda _: None)
    took = time.perf_counter() - began
    ticking.cancel()
    return Run(
        volumes=rebuilt.counts.volumes,
        attached=rebuilt.counts.attached,
        milliseconds=took * 1000,
        received=_received(),
        base_rss=base,
        peak_rss=_memory("VmHWM:"),
        stall=stalls.longest * 1000,
        own_stall=stalls.own * 1000,
    )


def indexed(manager: AttachmentManager) -> Records:
    """Return the holder and epoch of every volume in the index."""
    found: Records = {}
    for handle in manager.volume_handles():
        seen = manager.observe(handle)
        if seen is not None:
            found[handle] = (seen.holders[0].node_id if seen.holders else None, seen.epoch)
    return found


@asynccontextmanager
async def following(manager: AttachmentManager, page_size: int, watch_seconds: float) -> AsyncIterator[Reflector]:
    """Make a reflector as a worker does, for as long as the block lasts."""
    api = await connect(None, os.environ, TIMEOUT)
    metrics = Metrics(CollectorRegistry())
    volumes = PersistentVolumeStore(api, DRIVER, utc_now, metrics, page_size=page_size, watch_time=watch_seconds)
    reflector = Reflector(volumes, manager, metrics, time.monotonic, page_size)
    try:
        yield reflector
    finally:
        await reflector.stop()
        await api.close()


async def main(page_size: int, watch_seconds: float) -> None:
    """Obey until there are no more lines."""
    manager = AttachmentManager()
    async with following(manager, page_size, watch_seconds) as reflector:
        _say(b'"ready"')
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line == "rebuild\n":
                _say(msgspec.json.encode(await measured(reflector)))
            else:
                _say(msgspec.json.encode(indexed(manager)))


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _forget_peak() -> None:
    """Reset the peak of memory to the amount in use (proc_pid_clear_refs(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> int:
    """Return a line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _received() -> int:
    """Return the bytes received on all open TCP connections (tcpi_bytes_received, linux/tcp.h)."""
    total = 0
    for each in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(each.name))) as connection:
                total += struct.unpack_from("Q", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136), 128)[0]
        except OSError:  # not a TCP connection
            continue
    return total


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))

"""The real parts of a campaign: each a process of its own that is started again when it ends, with what it wrote still there.

| part | what it is |
|---|---|
| `etcd`, `kube-apiserver` | the API server; a proxy is before it for the workers |
| `temporal` | the development server on a database file; a proxy is before it for the workers |
| `kube-controller-manager`, `csi-attacher` | the attach/detach controller; the attacher, in front of `worker-1` |
| `driver` | the reference driver, which enforces the fencing token |
| `worker-1` ... | workers, workers in front of the driver (worker.py); one of version 0.1.0 may take the place of the last |
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig

from mooring.devstack.kubernetes.account import ACCOUNT, USERS, grant
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.kubernetes.real import RealKubernetes, Runner
from mooring.devstack.ports import HOST, free_port, free_ports
from mooring.devstack.temporal import NAMESPACE, server_command
from mooring.temporal.connection import register_search_attributes
from tests.campaign.failpoints import Fuses
from tests.campaign.nursery import WORKER, Nursery
from tests.campaign.proxy import TcpProxy
from tests.campaign.worker import BUG, FOLDER
from tests.harness.chain.kept import Kept
from tests.harness.chain.peers import INHERITED, controller_manager, csi_attacher
from tests.harness.driver.journal import Entry, read_entries
from tests.harness.driver.orders import OrderFile
from tests.harness.kubernetes import Kubernetes
from tests.harness.repository import ROOT

DRIVER: Final = "campaign.csi.example"
READY_SECONDS: Final = 120.0
GLANCE_SECONDS: Final = 0.1
ASKED: Final = aiohttp.ClientTimeout(total=5)
HISTORY: Final = ("--storage-media-type=application/json", "--etcd-compaction-interval=0")
"""Flags of kube-apiserver: what etcd keeps is readable without Kubernetes' own library, and all of it is kept."""
BOUNDS: Final = {
    "ATTEMPT_TIMEOUT": 5,
    "REQUEST_TIMEOUT": 2,
    "PUBLISH_BUDGET": 40,
    "CLEAR_BUDGET": 40,
    "BACKEND_TIMEOUT": 4,
    "BACKEND_BUDGET": 40,
    "RETRY_INTERVAL_MAX": 1,
    "DRAIN_TIMEOUT": 2,
    "HEARTBEAT_TIMEOUT": 3,
    "RECONCILE_INTERVAL": 20,
    "RECONCILE_SETTLE": 3,
    "HEAL": "off",
    "EVENTS": "warnings",
}
"""Settings of the workers. NB: volumes of the client have no VolumeAttachments, so a reconciliation would let go of them."""


@dataclass(slots=True)
class Seat:
    """The place of one worker: its program, its failpoints, and the address of its health."""

    kept: Kept
    fuses: Fuses
    address: str
    command: Sequence[str]
    environ: Mapping[str, str]

    def as_it_was(self) -> None:
        """Have this version, with its logs, from the next start on."""
        self.kept.command, self.kept.environ = self.command, self.environ

    async def ready(self) -> None:
        """Wait until it serves."""
        async with asyncio.timeout(READY_SECONDS):
            while not await self.serves():
                await asyncio.sleep(GLANCE_SECONDS)

    async def serves(self) -> bool:
        """Return whether it says that it is ready."""
        url = f"http://{self.address}/readyz"
        try:
            async with aiohttp.ClientSession(timeout=ASKED) as session, session.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


@dataclass(slots=True)
class Parts:
    """All parts, running."""

    folder: Path
    real: RealKubernetes
    kubernetes: Kubernetes
    temporal: str
    api_proxy: TcpProxy
    temporal_proxy: TcpProxy
    client: Client
    kept: dict[str, Kept]
    seats: list[Seat] = field(default_factory=list)

    @property
    def orders(self) -> OrderFile:
        """The orders of the driver."""
        return OrderFile(self.folder / "orders.json")

    def journal(self) -> list[Entry]:
        """Return the journal of the driver."""
        return read_entries(self.folder / "journal.jsonl")

    def resume(self) -> None:
        """Let every process go on that may be stopped."""
        for kept in self.kept.values():
            kept.send(signal.SIGCONT)


@asynccontextmanager
async def open_parts(assets: Path, folder: Path, workers: int = 3, bug: str = "") -> AsyncIterator[Parts]:
    """Run all parts while the block lasts; their files and logs are in `folder`. `bug` is planted in the workers."""
    async with AsyncExitStack() as stack:
        kept: dict[str, Kept] = {}

        @asynccontextmanager
        async def keep(command: Sequence[str], log: Path, _: Path) -> AsyncIterator[Kept]:
            async with Kept.start(command, log) as started:
                kept[log.stem] = started
                yield started

        temporal = await _temporal(stack, folder, keep)
        real = await stack.enter_async_context(RealKubernetes.start(assets, folder, USERS, HISTORY, run=keep))
        await grant(real)
        parts = Parts(
            folder=folder,
            real=real,
            kubernetes=Kubernetes(real.server(), real.server(ACCOUNT)),
            temporal=f"{HOST}:{temporal}",
            api_proxy=await stack.enter_async_context(TcpProxy.start(_port(real.url))),
            temporal_proxy=await stack.enter_async_context(TcpProxy.start(temporal)),
            client=await _connected(f"{HOST}:{temporal}"),
            kept=kept,
        )
        stack.callback(parts.resume)
        await _open_peers(stack, assets, parts, workers, {BUG: bug})
        await asyncio.gather(*(seat.ready() for seat in parts.seats))
        yield parts


async def _temporal(stack: AsyncExitStack, folder: Path, run: Runner) -> int:
    port = free_port()
    command = server_command(port, database=folder / "temporal.db")
    await stack.enter_async_context(run(command, folder / "temporal.log", folder))
    return port


async def _connected(address: str) -> Client:
    silent = Runtime(telemetry=TelemetryConfig(logging=None))  # the report alone is printed
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                client = await Client.connect(address, namespace=NAMESPACE, data_converter=pydantic_data_converter, runtime=silent)
            except RuntimeError:
                await asyncio.sleep(GLANCE_SECONDS)
                continue
            if await register_search_attributes(client) is None:
                return client


async def _open_peers(stack: AsyncExitStack, assets: Path, parts: Parts, workers: int, more: Mapping[str, str]) -> None:
    folder, kept = parts.folder, parts.kept
    kept["driver"] = await stack.enter_async_context(Kept.start(_driver(folder), folder / "driver.log", _environ()))
    kept["kube-controller-manager"] = await stack.enter_async_context(controller_manager(parts.kubernetes, assets, folder))
    nursery = await stack.enter_async_context(Nursery.start(folder, _environ()))
    ports = free_ports(workers)
    for number in range(1, workers + 1):
        seat = await stack.enter_async_context(_seat(parts, number, ports[number - 1], more, nursery))
        parts.seats.append(seat)
        kept[f"worker-{number}"] = seat.kept
    kept["csi-attacher"] = await stack.enter_async_context(
        csi_attacher(parts.kubernetes, assets, folder / "worker-1" / "csi.sock", folder)
    )


def _driver(folder: Path) -> list[str]:
    paths = {
        "--endpoint": f"unix://{folder}/driver.sock",
        "--journal": f"{folder}/journal.jsonl",
        "--orders": f"{folder}/orders.json",
    }
    return [sys.executable, "-m", "tests.harness.driver", "--name", DRIVER, *(part for pair in paths.items() for part in pair)]


@asynccontextmanager
async def _seat(parts: Parts, number: int, port: int, more: Mapping[str, str], nursery: Nursery) -> AsyncIterator[Seat]:
    folder, address = parts.folder / f"worker-{number}", f"{HOST}:{port}"
    folder.mkdir()
    server = parts.real.server(ACCOUNT)
    kubeconfig = ApiServer(f"https://{HOST}:{parts.api_proxy.port}", server.ca, server.token).write_kubeconfig(
        folder / "kubeconfig"
    )
    environ = {
        **_environ(),
        **more,
        **{f"MOORING_{name}": str(value) for name, value in BOUNDS.items()},
        "MOORING_HTTP_ADDRESS": address,
        "MOORING_CSI_ENDPOINT": f"unix://{folder}/csi.sock",
        "MOORING_DRIVER_ENDPOINT": f"unix://{parts.folder}/driver.sock",
        "TEMPORAL_ADDRESS": f"{HOST}:{parts.temporal_proxy.port}",
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "KUBECONFIG": str(kubeconfig),
        FOLDER: str(folder),
    }
    async with Kept.start(WORKER, folder / "worker.log", environ, nursery.running) as kept:
        yield Seat(kept, Fuses(folder), address, WORKER, environ)


def _environ() -> dict[str, str]:
    return {**{name: os.environ[name] for name in INHERITED if name in os.environ}, "PYTHONPATH": str(ROOT)}


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])

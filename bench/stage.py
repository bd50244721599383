"""The servers and the volumes that operations are measured on: a tuned development server of Temporal, or its own on PostgreSQL,
and a real API server if KUBEBUILDER_ASSETS is set (else the embedded one, which no row is about).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from temporalio.client import Client

from bench.cost import pid_of
from bench.postgres_temporal import PostgresTemporal
from bench.pvs import DRIVER, create, name
from mooring import names
from mooring.client import MooringClient
from mooring.devstack.folders import own_folder
from mooring.devstack.temporal import DevTemporal
from mooring.devstack.workers import WorkerProcess
from mooring.models import VolumeRef
from mooring.settings import default_task_queue
from tests.harness.kubernetes import Kubernetes, open_kubernetes


class TemporalServer(Protocol):
    """A running server of Temporal, whatever it writes to."""

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which Temporal's clients find the server."""

    async def connect(self) -> Client:
        """Return a client that converts payloads as Mooring does."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers, the environment that leads a worker to them, and `volumes` that nobody has used yet."""

    temporal: TemporalServer
    temporal_processes: tuple[int, ...]
    kubernetes: Kubernetes
    environ: Mapping[str, str]
    folder: Path
    client: Client
    volumes: Iterator[str]

    @property
    def mooring(self) -> MooringClient:
        """A client of the workers."""
        return MooringClient(self.client, driver=DRIVER, task_queue=default_task_queue(DRIVER))

    def worker(self, **settings: str) -> AbstractAsyncContextManager[WorkerProcess]:
        """Run a worker with these settings besides, ready from the beginning."""
        return WorkerProcess.start({**self.environ, **settings}, self.folder / "worker.log")

    def api_server(self) -> int:
        """Return the process of kube-apiserver, or 0 where it is the embedded one."""
        return pid_of("kube-apiserver", f"--secure-port={self.kubernetes.admin.url.rpartition(':')[2]}")

    def take(self, count: int) -> list[str]:
        """Return so many volumes that nobody has used yet."""
        return [next(self.volumes) for _ in range(count)]


async def history(client: Client, handle: str) -> tuple[int, int]:
    """Return the events and the bytes of the history of the volume's last operation."""
    volume = names.volume_id(VolumeRef(driver=DRIVER, volume_handle=handle))
    events = (await client.get_workflow_handle(volume).fetch_history()).events
    return len(events), sum(event.ByteSize() for event in events)


def created(volumes: int) -> int:
    """Return how many PVs there are so that so many volumes are free."""
    return 3 * volumes // 2 + 2


@asynccontextmanager
async def opened_stage(volumes: int, *, postgres: bool = False) -> AsyncIterator[Stage]:
    """Run the servers, with so many volumes that are free and half as many that are attached, while the block lasts."""
    found = os.environ.get("KUBEBUILDER_ASSETS")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(own_folder("mooring-bench")))
        temporal, processes = await _temporal(stack, folder, postgres=postgres)
        kubernetes = await stack.enter_async_context(open_kubernetes(Path(found) if found else None, folder))
        numbers = range(created(volumes))
        await create(kubernetes.admin, numbers)
        config = kubernetes.account.write_kubeconfig(folder / "kubeconfig")
        mooring = {"MOORING_DRIVER": DRIVER, "MOORING_RECONCILE_INTERVAL": "0"}
        environ = {**os.environ, **temporal.environ, "KUBECONFIG": str(config), **mooring}
        free = iter([name(number) for number in numbers if number % 3])
        yield Stage(temporal, processes, kubernetes, environ, folder, await temporal.connect(), free)


async def _temporal(stack: AsyncExitStack, folder: Path, *, postgres: bool) -> tuple[TemporalServer, tuple[int, ...]]:
    """Start Temporal, and return it with its processes, the database's among them."""
    if not postgres:
        server = await stack.enter_async_context(DevTemporal.start())
        return server, (server.child.pid,)
    durable = await stack.enter_async_context(PostgresTemporal.start(folder))
    return durable, (durable.child.pid, durable.database.child.pid)

"""All that Mooring's main job needs, on this machine: Temporal, Kubernetes, one or more workers.

Invariants: every worker has rebuilt its index before the stack is handed out; everything ends with the block, or with this process
if it is killed. Logs and kubeconfigs are in a folder of its own, open to its owner alone and removed in the end.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from mooring.devstack.cluster import ClusterKind, StackCluster, open_cluster
from mooring.devstack.folders import own_folder
from mooring.devstack.ports import free_port
from mooring.devstack.process import StackError
from mooring.devstack.temporal import DevTemporal
from mooring.devstack.volumes import create_all, node_objects, pv
from mooring.devstack.workers import WorkerProcess, without_settings
from mooring.models import DEFAULT_DRIVER
from mooring.names import CSI_DRIVER
from mooring.settings import NodeCheck
from mooring.temporal.pages import UI_ADDRESS, runs_page

TEMPORAL_PORT: Final = 7233
UI_PORT: Final = 8233
WORKER_PORT: Final = 9440
NAMES: Final = ("MOORING_DRIVER", "MOORING_TASK_QUEUE")
FEW: Final = 3
"""Volumes, and nodes, to try the commands on."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Size and ports of a stack. A port that isn't given is the usual one, or any other if that is taken.

    `volumes`: None for a few, and a few nodes, where the stack has a Kubernetes of its own.
    """

    kubernetes: ClusterKind = ClusterKind.AUTO
    workers: int = 1
    volumes: int | None = 0
    temporal_port: int | None = None
    ui_port: int | None = None
    database: Path | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack; `folder` holds its logs. `volumes` and `nodes` are the numbers of those that it has made."""

    folder: Path
    temporal: DevTemporal
    cluster: StackCluster
    workers: tuple[WorkerProcess, ...]
    volumes: int
    nodes: int
    names: Mapping[str, str]
    """The variables by which the workers are found."""

    @classmethod
    @asynccontextmanager
    async def start(cls, options: StackOptions, environ: Mapping[str, str]) -> AsyncIterator["Stack"]:
        """Run a stack while the block lasts; MOORING_* in `environ` are the workers' settings.

        Raises:
            StackError: a part is unavailable or can't be started.

        """
        async with AsyncExitStack() as parts:
            folder = parts.enter_context(own_folder("mooring"))
            cluster = await parts.enter_async_context(open_cluster(options.kubernetes, environ, folder))
            volumes, nodes = await _seed(cluster, options.volumes, environ.get("MOORING_DRIVER", DEFAULT_DRIVER))
            temporal = await parts.enter_async_context(_temporal(options, folder))
            checked = {"MOORING_NODE_CHECK": NodeCheck.CSINODE} if nodes else {}
            settings = {**checked, **without_settings(environ), **temporal.environ, "KUBECONFIG": cluster.workers}
            workers = [await parts.enter_async_context(_worker(n, settings, folder)) for n in range(options.workers)]
            names = {name: environ[name] for name in NAMES if name in environ}
            yield cls(folder, temporal, cluster, tuple(workers), volumes, nodes, names)

    @property
    def exports(self) -> dict[str, str]:
        """The variables by which commands in another shell find this stack."""
        ui = {UI_ADDRESS: self.temporal.ui_url} if self.temporal.ui_url else {}
        return {**self.names, **self.temporal.environ, **ui, "KUBECONFIG": self.cluster.kubeconfig}

    @property
    def runs(self) -> str:
        """The page of the Temporal UI that lists the driver's operations, "" without a UI."""
        query = f'{CSI_DRIVER}="{self.names.get("MOORING_DRIVER", DEFAULT_DRIVER)}"'
        ui = self.temporal.ui_url
        return runs_page(ui, self.temporal.environ["TEMPORAL_NAMESPACE"], query) if ui else ""

    async def broken(self) -> StackError:
        """Wait until a process ends by itself, which none should, and return the error to raise."""
        parts = {"Temporal": self.temporal.child} | {f"Worker {n}": each.child for n, each in enumerate(self.workers, 1)}
        waits = {asyncio.create_task(child.wait()): name for name, child in parts.items()}
        try:
            ended, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        name = waits[ended.pop()]
        return StackError(f"{name} has ended, and the stack can't work without it.", parts[name].last_words())


async def _seed(cluster: StackCluster, volumes: int | None, driver: str) -> tuple[int, int]:
    """Create volumes and nodes in the stack's own cluster, and return their numbers."""
    if cluster.own is None:
        if volumes:
            raise StackError(f"No volumes are created in {cluster.what}: omit --volumes, or choose another kind of Kubernetes.")
        return 0, 0
    nodes = FEW if volumes is None else 0
    volumes = FEW if volumes is None else volumes
    await create_all(cluster.own, (pv(number, driver) for number in range(1, volumes + 1)))
    await create_all(cluster.own, chain.from_iterable(node_objects(number, driver) for number in range(1, nodes + 1)))
    return volumes, nodes


def _temporal(options: StackOptions, folder: Path) -> AbstractAsyncContextManager[DevTemporal]:
    port = free_port(TEMPORAL_PORT) if options.temporal_port is None else options.temporal_port
    ui_port = free_port(UI_PORT) if options.ui_port is None else options.ui_port
    return DevTemporal.start(port=port, ui_port=ui_port, database=options.database, folder=folder)


def _worker(number: int, settings: Mapping[str, str], folder: Path) -> AbstractAsyncContextManager[WorkerProcess]:
    return WorkerProcess.start(settings, folder / f"worker-{number + 1}.log", free_port(WORKER_PORT + number))

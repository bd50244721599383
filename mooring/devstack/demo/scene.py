"""The parts of the demo: a real Temporal server, 1,000 PVs behind a proxy that can fail, a backend that can be controlled, and
worker processes that can be killed.

Invariant: the record on a PV is read from the API server itself, bypassing Mooring and the proxy.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.demo.backend import FOLDER, NAME, BackendFiles
from mooring.devstack.demo.volumes import all_pvs
from mooring.devstack.folders import own_folder
from mooring.devstack.kubernetes import EmbeddedKubernetes
from mooring.devstack.process import StackError
from mooring.devstack.proxy import FaultProxy
from mooring.devstack.temporal import DevTemporal
from mooring.devstack.volumes import PVS
from mooring.devstack.workers import WorkerProcess, without_settings
from mooring.models import DEFAULT_DRIVER, RebuildResult, VolumeRecord
from mooring.names import REBUILD
from mooring.process.clock import utc_now
from mooring.records.annotations import read

T = TypeVar("T")

PATIENCE: Final = 20.0
"""Seconds that anything awaited in the demo may take."""
SETTINGS: Final = {
    "MOORING_BACKEND": NAME,
    "MOORING_ATTEMPT_TIMEOUT": "3",
    "MOORING_REQUEST_TIMEOUT": "1",
    "MOORING_HEARTBEAT_TIMEOUT": "2",
    "MOORING_RETRY_INTERVAL_MAX": "1",
    "MOORING_DRAIN_TIMEOUT": "2",
}
"""Short limits, so that trouble shows at once."""


@dataclass(slots=True)
class Scene:
    """The parts; `worker` is the one that was started last."""

    folder: Path
    temporal: DevTemporal
    client: Client
    mooring: MooringClient
    kubernetes: EmbeddedKubernetes
    proxy: FaultProxy
    backend: BackendFiles
    environ: Mapping[str, str]
    parts: AsyncExitStack
    worker: WorkerProcess | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls, environ: Mapping[str, str]) -> AsyncIterator["Scene"]:
        """Run everything but a worker while the block lasts; MOORING_* settings in `environ` are ignored."""
        async with AsyncExitStack() as parts:
            folder = parts.enter_context(own_folder("mooring-demo"))
            kubernetes = await parts.enter_async_context(EmbeddedKubernetes.start())
            kubernetes.seed(all_pvs())
            proxy = await parts.enter_async_context(FaultProxy.start(kubernetes.kubeconfig()))
            temporal = await parts.enter_async_context(DevTemporal.start(ui_port=0, folder=folder))
            client = await temporal.connect()
            found = {"KUBECONFIG": str(proxy.write_kubeconfig(folder / "kubeconfig")), FOLDER: str(folder)}
            settings = {**without_settings(environ, "MOORING_"), **SETTINGS, **found, **temporal.environ}
            mooring, backend = MooringClient(client), BackendFiles(folder)
            yield cls(folder, temporal, client, mooring, kubernetes, proxy, backend, settings, parts)

    async def start_worker(self) -> RebuildResult:
        """Start a worker, and return the result of its rebuild."""
        known = {workflow_id async for workflow_id in self._rebuilds()}
        log = self.folder / f"worker-{len(known) + 1}.log"
        self.worker = await self.parts.enter_async_context(WorkerProcess.start(self.environ, log))
        return await until("the rebuild is listed", lambda: self._rebuild_but(known))

    async def kill_worker(self) -> int:
        """Kill the worker as `kill -9` does, and return its pid."""
        if self.worker is None:
            raise StackError("No worker has been started.")
        await self.worker.child.kill()
        return self.worker.child.pid

    async def record(self, pv: str) -> VolumeRecord:
        """Read the record on a PV."""
        async with aiohttp.ClientSession(self.kubernetes.url) as session, session.get(f"{PVS}/{pv}") as answer:
            found: dict[str, Any] = (await answer.json())["metadata"]
        return read(DEFAULT_DRIVER, pv, found["uid"], found.get("annotations"), utc_now()).record

    async def _rebuilds(self) -> AsyncIterator[str]:
        async for run in self.client.list_workflows(f"WorkflowType = '{REBUILD}' AND ExecutionStatus = 'Completed'"):
            yield run.id

    async def _rebuild_but(self, known: set[str]) -> RebuildResult | None:
        async for workflow_id in self._rebuilds():
            if workflow_id not in known:
                found: RebuildResult = await self.client.get_workflow_handle(workflow_id, result_type=RebuildResult).result()
                return found
        return None


async def until(what: str, look: Callable[[], Awaitable[T | None]]) -> T:
    """Poll `look` until it returns a value, and return that; StackError, naming `what`, after `PATIENCE` seconds without one."""
    try:
        async with asyncio.timeout(PATIENCE):
            while (found := await look()) is None:  # noqa: ASYNC110 - nothing to be woken by
                await asyncio.sleep(0.05)
            return found
    except TimeoutError:
        raise StackError(f"Waited {PATIENCE:g} s without success until {what}.") from None

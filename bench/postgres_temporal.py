"""Temporal's own server on PostgreSQL, as docker-compose.yml starts it: its configuration, its databases' schemas, its shards.

The development server of all other rows is the same server on SQLite in memory. The dynamic configuration of the two is alike:
deploy/temporal/dynamicconfig.yaml here, mooring/devstack/temporal.py there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from bench.postgres import USER, Postgres
from mooring.devstack.ports import HOST, free_ports
from mooring.devstack.process import Child, StackError, running
from mooring.devstack.temporal import NAMESPACE, TemporalServer

ROOT: Final = Path(__file__).parents[1]
SERVICES: Final = ("FRONTEND", "HISTORY", "MATCHING", "WORKER")
PLUGIN: Final = "postgres12_pgx"
RETENTION: Final = timedelta(days=1)
SCHEMA_SECONDS: Final = 120.0
READY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class PostgresTemporal(TemporalServer):
    """A running server, and the database that it writes to."""

    child: Child
    database: Postgres

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path) -> AsyncIterator[PostgresTemporal]:
        """Run both while the block lasts, with the namespace `default`; their logs are in the folder.

        Raises:
            StackError: PostgreSQL or Temporal can't be started.

        """
        program = await _built()
        async with Postgres.start() as database:
            await _schemas(program.parent, database.port, folder)
            settings = _settings(database.port)
            command = [str(program), "--allow-no-auth", "start"]
            async with running(command, folder / "temporal-server.log", folder, settings) as child:
                server = cls(f"{HOST}:{settings['FRONTEND_GRPC_PORT']}", child, database)
                await server._ready()
                yield server

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await self._serves():
                    if self.child.ended:
                        raise StackError("Temporal's server ended while it started.", self.child.last_words())
                    await asyncio.sleep(0.1)
        except TimeoutError:
            message = f"Temporal's server on PostgreSQL is not ready after {READY_SECONDS:g} s."
            raise StackError(message, self.child.last_words()) from None

    async def _serves(self) -> bool:
        """Make the namespace, and return whether it is there."""
        try:
            client = await self.connect()
            await _register(client)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
        except (RuntimeError, RPCError):
            return False
        return True


async def _register(client: Client) -> None:
    lasts = Duration()
    lasts.FromTimedelta(RETENTION)
    try:
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(namespace=NAMESPACE, workflow_execution_retention_period=lasts)
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _built() -> Path:
    """Return the path of Temporal's server, which is built where it isn't there yet."""
    build = ["bash", str(ROOT / "temporal-server" / "build.sh")]
    process = await asyncio.create_subprocess_exec(*build, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    if process.returncode:
        raise StackError("Temporal's server can't be built; see above.")
    return Path(printed.decode().strip())


async def _schemas(tools: Path, port: int, folder: Path) -> None:
    """Create the databases by the script that docker-compose.yml runs."""
    where = {"SQL_PLUGIN": PLUGIN, "SQL_HOST": HOST, "SQL_PORT": str(port), "SQL_USER": USER, "SQL_PASSWORD": ""}
    environ = {**where, "PATH": os.pathsep.join([str(tools), os.environ["PATH"]])}
    script = ["sh", "-c", 'sh "$1" && echo done', "schemas", str(ROOT / "deploy" / "temporal" / "schema.sh")]
    async with running(script, folder / "schemas.log", folder, environ) as child:
        await asyncio.wait_for(child.wait(), SCHEMA_SECONDS)
    if child.last_words()[-1:] != ["done"]:
        raise StackError("The schemas of Temporal's databases can't be created.", child.last_words())


def _settings(database: int) -> dict[str, str]:
    """Return the server's environment, from which it makes its configuration: docker-compose.yml's, on free ports of loopback."""
    kinds = [f"{service}_{kind}_PORT" for service in SERVICES for kind in ("GRPC", "MEMBERSHIP")]
    ports = [*kinds, "FRONTEND_HTTP_PORT"]
    return {
        "DB": PLUGIN,
        "DB_PORT": str(database),
        "POSTGRES_SEEDS": HOST,
        "POSTGRES_USER": USER,
        "BIND_ON_IP": HOST,
        "LOG_LEVEL": "error",
        "DYNAMIC_CONFIG_FILE_PATH": str(ROOT / "deploy" / "temporal" / "dynamicconfig.yaml"),
        **dict(zip(ports, map(str, free_ports(len(ports))), strict=True)),
    }

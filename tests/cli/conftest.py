"""The command as its users run it: in this process where only answers matter, in one of its own where the process does."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from mooring.cli.main import app
from mooring.client import MooringClient
from mooring.devstack.proxy import FaultProxy
from mooring.devstack.temporal import DevTemporal
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.repository import ROOT
from worker import MooringWorker

REPOSITORY = ROOT
SCHEMA = ROOT / "docs" / "output.schema.json"
MANY = 1000


@dataclass(frozen=True, slots=True)
class Ran:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON or YAML that it printed."""
        return yaml.safe_load(self.out)

    @property
    def form(self) -> str:
        """The form of the JSON that it printed, of the first object in a list; the documented schema has it."""
        printed = json.loads(self.out)
        jsonschema.validate(printed, json.loads(SCHEMA.read_text()))
        return str((printed[0] if isinstance(printed, list) else printed)["form"])

    @property
    def rows(self) -> list[dict[str, str]]:
        """The table that it printed, by header."""
        headers, *lines = [line.split() for line in self.out.splitlines()]
        return [dict(zip(headers, cells, strict=False)) for cells in lines]


Mooring = Callable[..., Awaitable[Ran]]


@pytest.fixture
def environment(temporal: DevTemporal, driver: str, cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    """The variables that lead a command to this test's servers and driver."""
    kubeconfig = cluster.proxy.write_kubeconfig(tmp_path / "kubeconfig")
    return {"TEMPORAL_ADDRESS": temporal.address, "MOORING_DRIVER": driver, "KUBECONFIG": str(kubeconfig)}


@pytest.fixture
def run(environment: dict[str, str]) -> Mooring:
    """`await run("get", "vol", VARIABLE="...")` is the command `VARIABLE=... mooring get vol`."""

    async def run(*arguments: str, **variables: str) -> Ran:
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env={**environment, **variables})
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
async def operator(kubernetes: Kubernetes) -> AsyncIterator[FaultProxy]:
    """An operator's way to the API server: operators who look at a cluster have other rights than a worker."""
    async with FaultProxy.start(kubernetes.admin.kubeconfig()) as proxy:
        yield proxy


@pytest.fixture
def look(run: Mooring, operator: FaultProxy, tmp_path: Path) -> Mooring:
    """The same as `run`, with an operator's rights."""
    kubeconfig = str(operator.write_kubeconfig(tmp_path / "operator"))

    async def look(*arguments: str, **variables: str) -> Ran:
        return await run(*arguments, **{"KUBECONFIG": kubeconfig, **variables})

    return look


@pytest.fixture
async def rolling_back(
    backed_worker: MooringWorker, cluster: Cluster, backend: JournalBackend, mooring: MooringClient
) -> AsyncIterator[None]:
    """A publish of `vol` to node-a that is refused by a backend which can't detach either."""
    await cluster.create("vol")
    backend.publish_errors = [refusal("no free port")]
    backend.unpublish_errors = [refusal("no answer") for _ in range(MANY)]
    publishing = asyncio.create_task(mooring.publish("vol", "node-a", deadline=120))
    yield
    backend.unpublish_errors.clear()
    await asyncio.gather(publishing, return_exceptions=True)


async def process(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """Start the command in a process of its own."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "mooring", *arguments]
    return await asyncio.create_subprocess_exec(
        *command, stdout=pipe, stderr=pipe, cwd=REPOSITORY, env={**os.environ, **environment}
    )

"""The Go module: its programs are compiled once a session, with the go that kube/go.sh finds or fetches, and run as processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from mooring.devstack.temporal import DevTemporal
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.repository import ROOT
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

SOURCES = ROOT / "go"
COMPILE_SECONDS = 800
"""Seconds for a build: with cold caches and two idle cores it takes two minutes; modules are downloaded, too."""
RUN_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Ran:
    """The exit code and the output of a program."""

    code: int
    out: str
    err: str


Example = Callable[..., Coroutine[Any, Any, Ran]]


async def ran(*command: str | Path, seconds: float, env: dict[str, str], cwd: Path = SOURCES) -> Ran:
    """Run a program to its end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, cwd=cwd, env=env)
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def built(*command: str | Path, cwd: Path = SOURCES) -> str:
    """Return the output of a build tool, which must succeed."""
    flags = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    tool = await ran(*command, seconds=COMPILE_SECONDS, env={**os.environ, **flags}, cwd=cwd)
    assert tool.code == 0, f"{' '.join(map(str, command))} failed, in {cwd}:\n{tool.out}{tool.err}"
    return tool.out


@pytest.fixture(scope="session")
async def go() -> Path:
    """The go command."""
    return Path((await built("bash", ROOT / "kube" / "go.sh")).strip())


@pytest.fixture(scope="session")
async def program(go: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled example."""
    binary = tmp_path_factory.mktemp("go") / "mooring-example"
    await built(go, "build", "-o", binary, "./example")
    return binary


@pytest.fixture
async def backed_worker(
    temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend
) -> AsyncIterator[MooringWorker]:
    """A ready worker whose backend may take its time: calls held open there remain so until they are let go."""
    settings = quick(driver, backend="in:tests", backend_timeout=90, backend_budget=90)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running


@pytest.fixture
def example(program: Path, temporal: DevTemporal, driver: str, tmp_path: Path) -> Example:
    """`await example("publish", "-volume", "vol", VARIABLE="...")` runs the example on this test's server and driver."""
    common = ("-driver", driver, "-timeout", "30s")

    async def example(verb: str, *flags: str, **variables: str) -> Ran:
        env = {"HOME": str(tmp_path), **temporal.environ, **variables}
        return await ran(program, verb, *common, *flags, seconds=RUN_SECONDS, env=env)

    return example

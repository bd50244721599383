"""PostgreSQL and Temporal's server on it, for the bench: found where they are installed, and gone with the block."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bench.postgres import Postgres, installed
from bench.postgres_temporal import PostgresTemporal
from mooring.client import MooringClient
from mooring.devstack.ports import HOST
from mooring.devstack.process import StackError
from mooring.devstack.workers import WorkerProcess
from mooring.settings import default_task_queue
from tests.harness.patience import PATIENCE


def put(initdb: Path) -> Path:
    """Install an initdb, and return its folder."""
    initdb.parent.mkdir(parents=True)
    initdb.touch(0o755)
    return initdb.parent


def test_the_programs_on_path_are_taken_first(tmp_path: Path) -> None:
    wanted = put(tmp_path / "bin" / "initdb")
    put(tmp_path / "debian" / "15" / "bin" / "initdb")

    assert installed(str(wanted), tmp_path / "debian") == wanted


def test_of_debian_s_versions_the_newest_is_taken(tmp_path: Path) -> None:
    put(tmp_path / "9" / "bin" / "initdb")
    wanted = put(tmp_path / "15" / "bin" / "initdb")

    assert installed("", tmp_path) == wanted


def test_a_machine_without_postgresql_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="PostgreSQL is not installed"):
        installed("", tmp_path)


@pytest.fixture
def programs() -> Path:
    """PostgreSQL's programs, if this machine has them."""
    try:
        return installed()
    except StackError as error:
        pytest.skip(str(error))


@pytest.mark.optional
async def test_the_server_accepts_connections_and_ends_with_the_block(programs: Path) -> None:
    async with Postgres.start() as server:
        _, writer = await asyncio.open_connection(HOST, server.port)
        writer.close()
        await writer.wait_closed()

    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(HOST, server.port)
    assert server.child.ended


@pytest.mark.optional
async def test_a_worker_publishes_by_temporal_on_postgresql(programs: Path, driver: str, tmp_path: Path) -> None:
    if "TEMPORAL_SERVER" not in os.environ:
        pytest.skip("no Temporal server: set TEMPORAL_SERVER to what temporal-server/build.sh prints")
    async with PostgresTemporal.start(tmp_path) as temporal:
        settings = {**temporal.environ, "MOORING_DRIVER": driver, "MOORING_KUBERNETES": "off"}
        async with WorkerProcess.start({**os.environ, **settings}, tmp_path / "worker.log"):
            mooring = MooringClient(await temporal.connect(), driver=driver, task_queue=default_task_queue(driver))
            result = await mooring.publish("vol-1", "node-a", deadline=PATIENCE)

    assert result.node_id == "node-a"

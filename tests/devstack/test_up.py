"""`mooring up` prints how to use the stack, and ends it when interrupted, or killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.cli.exit_codes import ExitCode
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT

UP = [sys.executable, "-m", "mooring", "up", "--kubernetes", "embedded", "--temporal-port", "0", "--ui-port", "0"]

OWN = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "MOORING_DRIVER": "disk.csi.test"}


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`mooring up`, just started."""
    with (tmp_path / "told").open("w") as told:
        process = await asyncio.create_subprocess_exec(
            *UP, cwd=tmp_path, env=os.environ | OWN, stdout=asyncio.subprocess.PIPE, stderr=told
        )
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def exports(process: asyncio.subprocess.Process) -> dict[str, str]:
    """Return the variables that it prints when the stack is up."""
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode().strip() for _ in range(6)]
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


async def test_it_prints_the_exports_alone_and_ends_when_told(up: asyncio.subprocess.Process, tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        found = await exports(up)
        up.send_signal(signal.SIGINT)
        rest, _ = await up.communicate()
    assert (up.returncode, rest) == (0, b"")
    assert list(found) == ["MOORING_DRIVER", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_UI_ADDRESS", "KUBECONFIG", "PATH"]
    assert found["MOORING_DRIVER"] == OWN["MOORING_DRIVER"]
    assert found["PATH"] == f'{Path(sys.executable).parent}:"$PATH"'
    assert not is_there(found["KUBECONFIG"])
    page = f"{found['TEMPORAL_UI_ADDRESS']}/namespaces/default/workflows?query=CsiDriver%3D%22disk.csi.test%22"
    assert page in (tmp_path / "told").read_text()


async def test_killed_it_leaves_neither_a_server_nor_a_folder(up: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        found = await exports(up)
        folder = Path(found["KUBECONFIG"]).parent
        assert folder.is_dir()
        up.kill()
        while is_there(folder) or await listens(found["TEMPORAL_ADDRESS"]):
            await asyncio.sleep(0.05)


async def test_its_volumes_and_nodes_can_be_used_by_their_names_at_once(up: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        found = await exports(up)
        assert await mooring(found, "list", "-o", "name") == ["volume/vol-0001", "volume/vol-0002", "volume/vol-0003"]
        await mooring(found, "publish", "vol-0001", "worker-1")
        assert await mooring(found, "list", "--node", "worker-1", "-o", "name") == ["volume/vol-0001"]
        await mooring(found, "publish", "vol-0002", "worker-9", ends=ExitCode.NOT_FOUND)


async def mooring(environ: dict[str, str], *arguments: str, ends: ExitCode = ExitCode.OK) -> list[str]:
    """Return the lines that the command prints."""
    command = [sys.executable, "-m", "mooring", *arguments]
    environment = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == ends
    return out.decode().splitlines()


def is_there(path: str | Path) -> bool:
    return Path(path).exists()


async def listens(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True

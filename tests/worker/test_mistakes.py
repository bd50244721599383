"""A worker that is started with a mistake: one line names the variable, its value and the way out."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from mooring.devstack.ports import HOST, free_port
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT

MADE_ONCE = """
from temporalio.converter import PayloadCodec

class Codec(PayloadCodec):
    async def encode(self, payloads):
        return list(payloads)

    decode = encode

made = []

def make():
    made.append(Codec())
    return made[0] if len(made) == 1 else 1 / 0
"""
"""A user's codec, whose factory fails when the worker that has begun asks it again."""


async def started(*program: str, **settings: str) -> asyncio.subprocess.Process:
    """Start a worker with these settings, which needs no Kubernetes; `program` is worker.py unless it is another."""
    own = {"MOORING_KUBERNETES": "off", "MOORING_HTTP_ADDRESS": f"{HOST}:0", "PATH": os.environ["PATH"]}
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, *(program or [str(ROOT / "worker.py")])]
    return await asyncio.create_subprocess_exec(*command, env=own | settings, stderr=asyncio.subprocess.PIPE)


async def refused(**settings: str) -> str:
    """Return the last words of a worker with these settings, which exits because of them."""
    process = await started(**settings)
    _, said = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 2
    return said.decode()


async def test_a_backend_that_can_not_be_made_is_told_with_the_place_in_its_code(tmp_path: Path) -> None:
    module = tmp_path / "broken_backend.py"
    module.write_text("import os\n\ndef make():\n    return os.environ['DISK_API']\n")

    said = await refused(MOORING_BACKEND="broken_backend:make", PYTHONPATH=str(tmp_path))

    assert said.count("\n") == 1
    assert all(each in said for each in ("MOORING_BACKEND=broken_backend:make", "KeyError: 'DISK_API'", f"{module}, line 4"))


@pytest.mark.parametrize(
    ("variable", "value", "rule"), [("MOORING_KUBERNETES", "foo", "auto or off"), ("MOORING_PAGE_SIZE", "abc", "a whole number")]
)
async def test_a_wrong_setting_is_told_in_one_line(variable: str, value: str, rule: str) -> None:
    assert await refused(**{variable: value}) == f"The settings are wrong: {variable} is '{value}'; it must be {rule}.\n"


async def test_a_backend_in_no_package_is_told_with_where_it_is_looked_for_and_no_place_in_pythons_own_code() -> None:
    said = await refused(MOORING_BACKEND="nonesuch:make")

    assert all(each in said for each in ("MOORING_BACKEND=nonesuch:make", "PYTHONPATH"))
    assert "importlib" not in said


async def test_in_json_a_mistake_is_an_entry_as_well() -> None:
    entry = json.loads(await refused(MOORING_LOG_FORMAT="json", MOORING_PAGE_SIZE="abc"))

    assert (entry["level"], "MOORING_PAGE_SIZE is 'abc'" in entry["message"]) == ("CRITICAL", True)


async def test_in_json_an_error_that_nobody_expected_is_an_entry_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "once.py").write_text(MADE_ONCE)
    codec = {"MOORING_PAYLOAD_CODEC": "once:make", "PYTHONPATH": str(tmp_path)}
    process = await started("-m", "mooring", "worker", MOORING_LOG_FORMAT="json", **codec)
    _, said = await asyncio.wait_for(process.communicate(), PATIENCE)
    *_, last = [json.loads(line) for line in said.decode().splitlines()]

    assert process.returncode == 1
    assert "Traceback" in last["exception"]


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        ("precious", "is not a socket"),
        ("precious/csi.sock", "exists"),
        ("/proc/csi/csi.sock", "no such file or directory"),
        ("/proc/csi.sock", "no such file or directory"),
    ],
)
async def test_a_socket_that_can_not_be_bound_is_told_in_one_line(tmp_path: Path, place: str, cause: str) -> None:
    (tmp_path / "precious").write_text("")

    said = await refused(MOORING_CSI_ENDPOINT=f"unix://{tmp_path / place}")

    assert "Traceback" not in said
    told = next(line for line in said.splitlines() if "MOORING_CSI_ENDPOINT" in line)
    assert all(each in told for each in (f"unix://{tmp_path / place}", cause, "Name another path"))


async def test_an_address_in_use_is_told_in_one_line() -> None:
    with socket.create_server((HOST, 0)) as other:
        address = f"{HOST}:{other.getsockname()[1]}"
        said = await refused(MOORING_HTTP_ADDRESS=address)

    assert f"MOORING_HTTP_ADDRESS is {address}, which can't be listened on: address already in use." in said
    assert "Traceback" not in said


async def test_a_misspelt_setting_is_logged_and_ends_nothing() -> None:
    process = await started(MOORING_PAGESIZE="7", TEMPORAL_ADDRESS=f"{HOST}:{free_port()}")
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(PATIENCE):
        while b"Health and metrics" not in said:
            said += await process.stderr.readline()
    process.kill()
    await process.communicate()

    assert b"MOORING_PAGESIZE is not a setting and has no effect; did you mean MOORING_PAGE_SIZE?" in said

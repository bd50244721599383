"""Payloads under the codec of docs/histories.md: all goes on as ever, and no history says which volume or node it is about."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.client import Client

from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.process import running
from mooring.errors import HeldElsewhere
from mooring.temporal import connect
from mooring.temporal.connection import load_codec
from tests.harness.cluster import Cluster
from tests.harness.repository import ROOT

CODEC: Final = "sealed:codec"
HANDLE: Final = "volume-of-the-codec"
WITHOUT_PV: Final = "unrecorded-of-the-codec"
NODE: Final = "node-of-the-codec"
RUN_SECONDS: Final = 60


@pytest.fixture
def environ(temporal_client: Client, tmp_path: Path) -> dict[str, str]:
    """The variables by which a process finds the server, the codec and its keys."""
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "histories.md").read_text(), re.DOTALL)
    (tmp_path / "sealed.py").write_text(program)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"current": "2026", "keys": {"2026": base64.b64encode(os.urandom(32)).decode()}}))
    return {
        "TEMPORAL_ADDRESS": temporal_client.service_client.config.target_host,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "MOORING_PAYLOAD_CODEC": CODEC,
        "SEALED_KEYS": str(keys),
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "PATH": os.environ["PATH"],
    }


@pytest.fixture
async def sealed(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client with the codec."""
    monkeypatch.syspath_prepend(environ["PYTHONPATH"].split(":")[0])
    monkeypatch.setenv("SEALED_KEYS", environ["SEALED_KEYS"])
    return await connect(environ=environ, codec=load_codec(CODEC))


def payloads(message: object) -> Iterator[bytes]:
    """Yield what every payload in a message holds, but for search attributes, which Temporal has to read."""
    if isinstance(message, Payload):
        yield message.data
    elif isinstance(message, Message) and not isinstance(message, SearchAttributes):
        for _, value in message.ListFields():
            yield from payloads(value)
    elif isinstance(message, Mapping | Sequence) and not isinstance(message, str | bytes):
        for value in message.values() if isinstance(message, Mapping) else message:
            yield from payloads(value)


async def held_in_histories(client: Client, driver: str) -> bytes:
    """Return the data of all payloads in the histories of the driver's runs, as the server has it."""
    found: list[bytes] = []
    async for run in client.list_workflows(f"CsiDriver = '{driver}'"):
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        for event in history.events:
            found += payloads(event)
    assert len(found) > 20
    return b"\n".join(found)


async def said(environ: dict[str, str], *command: str) -> str:
    """Return the output of a command that succeeds."""
    process = await create_subprocess_exec(sys.executable, "-m", "mooring", *command, env=environ, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(RUN_SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_operations_go_on_as_ever_and_no_payload_says_what_they_are_about(
    environ: dict[str, str],
    sealed: Client,
    temporal_client: Client,
    cluster: Cluster,
    api_server: ApiServer,
    driver: str,
    tmp_path: Path,
) -> None:
    settings = {"DRIVER": driver, "NODE_CHECK": "off", "HTTP_ADDRESS": "127.0.0.1:0", "RECONCILE_SETTLE": "0.1", "HEAL": "off"}
    environ |= {f"MOORING_{name}": value for name, value in settings.items()}
    environ["KUBECONFIG"] = str(cluster.proxy.write_kubeconfig(tmp_path / "kubeconfig"))
    mooring = MooringClient(sealed, driver=driver)
    await cluster.create(HANDLE)
    async with running([sys.executable, "-m", "mooring", "worker"], tmp_path / "worker.log", tmp_path, environ):
        assert (await mooring.publish(HANDLE, NODE, deadline=RUN_SECONDS)).epoch == 1
        assert (await mooring.publish(HANDLE, NODE)).reclaimed
        assert not (await mooring.publish(WITHOUT_PV, NODE)).persisted
        with pytest.raises(HeldElsewhere, match=NODE):
            await mooring.publish(HANDLE, "another")
        environ["KUBECONFIG"] = str(api_server.write_kubeconfig(tmp_path / "operator"))
        told = [await said(environ, *command) for command in (("history", HANDLE), ("list",), ("explain", f"volume/{HANDLE}"))]
        drift = json.loads(await said(environ, "drift", "--now", "-o", "json"))
        for handle in (HANDLE, WITHOUT_PV):
            assert (await mooring.unpublish(handle, NODE)).released == (NODE,)

    assert all(NODE in each for each in told)
    assert drift
    held = await held_in_histories(temporal_client, driver)
    assert [name for name in (HANDLE, WITHOUT_PV, NODE) if name.encode() in held] == []


@pytest.mark.parametrize(("name", "command"), [("json:dumps", ("worker",)), ("builtins:dict", ("history", "vol"))])
async def test_a_codec_that_is_none_is_refused_by_name(environ: dict[str, str], name: str, command: tuple[str, ...]) -> None:
    environ["MOORING_PAYLOAD_CODEC"] = name
    process = await create_subprocess_exec(sys.executable, "-m", "mooring", *command, env=environ, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(RUN_SECONDS):
        _, err = await process.communicate()

    assert process.returncode == ExitCode.USAGE
    assert f"MOORING_PAYLOAD_CODEC={name}" in err.decode()

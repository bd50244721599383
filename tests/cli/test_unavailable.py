"""The command where something that it needs is unavailable, and where it is interrupted."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring import names
from mooring.cli.exit_codes import ExitCode
from mooring.models import VolumeRef
from tests.cli.conftest import Mooring, process
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from worker import MooringWorker


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
async def dropping() -> AsyncIterator[str]:
    """The address of something that resets every connection as it is made."""
    server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("command", [["get", "vol"], ["publish", "vol", "node-a"], ["history", "vol"], ["rebuild"]])
async def test_without_temporal_every_command_says_so_in_one_line(run: Mooring, command: list[str]) -> None:
    ran = await run(*command, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (ran.code, ran.out) == (ExitCode.UNAVAILABLE, "")
    assert ran.err.startswith("Error: Temporal at 127.0.0.1:1 can't be reached: connection refused. Check TEMPORAL_ADDRESS")
    assert ran.err.count("\n") == 1


async def test_a_port_where_something_else_answers_is_told(run: Mooring, cluster: Cluster) -> None:
    address = cluster.proxy.url.removeprefix("http://")
    ran = await run("get", "vol", TEMPORAL_ADDRESS=address)
    # NB: which of the two depends on who closes the connection first.
    why = "the server there (speaks another protocol|closed the connection)"
    assert re.search(f"Temporal at {re.escape(address)} can't be reached: {why}", ran.err)


async def test_a_server_that_drops_connections_is_told(run: Mooring, dropping: str) -> None:
    ran = await run("get", "vol", TEMPORAL_ADDRESS=dropping)
    assert ran.code == ExitCode.UNAVAILABLE
    assert f"Temporal at {dropping} can't be reached: the server there closed the connection" in ran.err


async def test_a_server_that_never_answers_is_given_up(run: Mooring, silent: str) -> None:
    ran = await run("get", "vol", TEMPORAL_ADDRESS=silent)
    assert ran.code == ExitCode.UNAVAILABLE
    assert f"Temporal at {silent} did not answer" in ran.err


async def test_options_come_before_the_environment(run: Mooring) -> None:
    ran = await run("--address", "127.0.0.1:2", "get", "vol", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert "127.0.0.1:2" in ran.err


async def test_an_unknown_namespace_is_named(run: Mooring) -> None:
    ran = await run("--namespace", "nowhere", "history", "vol")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "there is no namespace nowhere; name another one" in ran.err
    assert "temporal operator namespace create --namespace nowhere" in ran.err
    assert ".." not in ran.err


async def test_without_a_worker_the_command_says_so(run: Mooring) -> None:
    ran = await run("publish", "--no-pv", "vol", "node-a", "--timeout", "0.5")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "No worker polls task queue mooring-" in ran.err
    assert "the publish of volume vol to node node-a waits for one" in ran.err


@pytest.mark.parametrize("command", [["get", "vol"], ["publish", "vol", "node-a"]])
async def test_without_a_worker_a_question_is_not_asked(run: Mooring, command: list[str]) -> None:
    ran = await run(*command)
    assert ran.code == ExitCode.UNAVAILABLE
    assert "No worker polls task queue mooring-" in ran.err
    assert "can't begin" in ran.err


@pytest.mark.parametrize("command", [["get", "vol"], ["list"]])
async def test_a_driver_name_that_none_can_have_is_refused_before_anything_is_looked_for(run: Mooring, command: list[str]) -> None:
    ran = await run("--driver", "FOO BAR", *command)
    assert (ran.code, "FOO BAR" in ran.err) == (ExitCode.USAGE, True)


async def test_a_config_file_that_is_no_toml_is_told_by_place_and_without_its_secrets(run: Mooring, tmp_path: Path) -> None:
    config = tmp_path / "temporal.toml"
    config.write_text('[profile.default]\napi_key = "hush\n')
    ran = await run("get", "vol", TEMPORAL_CONFIG_FILE=str(config))
    assert ran.code == ExitCode.UNAVAILABLE
    assert "the file is not valid TOML (line 2, " in ran.err
    assert "hush" not in ran.err


async def test_a_certificate_file_that_is_missing_is_named(run: Mooring, tmp_path: Path) -> None:
    missing = tmp_path / "client.pem"
    ran = await run("get", "vol", TEMPORAL_TLS_CLIENT_CERT_PATH=str(missing), TEMPORAL_TLS_CLIENT_KEY_PATH=str(missing))
    assert ran.code == ExitCode.UNAVAILABLE
    assert f"{missing}: no such file or directory" in ran.err
    assert all(each not in ran.err for each in ("Errno", "TEMPORAL_ADDRESS"))


async def test_a_host_that_has_no_address_is_told(run: Mooring) -> None:
    ran = await run("get", "vol", TEMPORAL_ADDRESS="nowhere.invalid:7233")
    assert "nowhere.invalid:7233 can't be reached: no address is known for this host name." in ran.err


async def test_an_operation_that_takes_longer_than_the_timeout_is_pending(
    worker: MooringWorker, temporal_client: Client, driver: str, run: Mooring
) -> None:
    await start_elsewhere(temporal_client, driver)
    ran = await run("publish", "--no-pv", "vol", "node-b", "--timeout", "0.5")
    assert (ran.code, ran.out) == (ExitCode.PENDING, "")
    assert "The publish of volume vol to node node-b had no answer within 0.5 s" in ran.err


async def test_without_kubernetes_list_says_so(run: Mooring) -> None:
    assert (await run("list", KUBECONFIG="/nonexistent")).code == ExitCode.USAGE
    assert (await run("list", KUBECONFIG="")).code == ExitCode.USAGE


async def test_with_verbose_the_traceback_is_shown_too(run: Mooring) -> None:
    ran = await run("--verbose", "get", "vol", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert "Traceback" in ran.err
    assert "\nError: Temporal at" in ran.err


async def test_an_interrupted_wait_leaves_the_operation_running(
    temporal_client: Client, driver: str, environment: dict[str, str]
) -> None:
    waiting = await process(environment, "publish", "--no-pv", "vol", "node-a")
    run = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=driver, volume_handle="vol")))
    await started(temporal_client, run.id)
    waiting.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(waiting.communicate(), PATIENCE)
    assert (waiting.returncode, out) == (ExitCode.INTERRUPTED, b"")
    assert b"If the publish of volume vol to node node-a had begun, it goes on" in err
    assert (await run.describe()).close_time is None


async def started(client: Client, workflow_id: str) -> None:
    """Wait until there is a run of the id."""
    async with asyncio.timeout(PATIENCE):
        while not [found async for found in client.list_workflows(f"WorkflowId = '{workflow_id}'")]:
            await asyncio.sleep(0.05)


async def start_elsewhere(client: Client, driver: str) -> None:
    """Begin a publish of the volume "vol" that no worker takes."""
    payload = {"driver": driver, "volume_handle": "vol", "node_id": "node-a"}
    volume_id = names.volume_id(VolumeRef(driver=driver, volume_handle="vol"))
    await client.start_workflow(names.PUBLISH, payload, id=volume_id, task_queue="nobody-polls-this")


async def test_a_worker_that_is_set_up_wrong_is_a_usage_error(environment: dict[str, str]) -> None:
    worker = await process({**environment, "MOORING_BACKEND": "nonsense"}, "worker")
    out, err = await asyncio.wait_for(worker.communicate(), PATIENCE)
    assert (worker.returncode, out) == (ExitCode.USAGE, b"")
    assert b"nonsense" in err


async def test_a_file_that_is_no_kubeconfig_is_called_that(run: Mooring) -> None:
    ran = await run("list", KUBECONFIG="/etc/passwd")
    assert ran.code == ExitCode.USAGE
    assert ran.err.startswith("Error: /etc/passwd is no kubeconfig: it has no fields. ")
    assert "MOORING_KUBERNETES" not in ran.err


async def test_a_worker_without_kubernetes_is_told_how_to_do_without(environment: dict[str, str]) -> None:
    worker = await process({**environment, "KUBECONFIG": "", "MOORING_HTTP_ADDRESS": "127.0.0.1:0"}, "worker")
    _, err = await asyncio.wait_for(worker.communicate(), PATIENCE)
    assert worker.returncode == ExitCode.USAGE
    assert b"KUBECONFIG isn't set" in err
    assert b"MOORING_KUBERNETES=off" in err

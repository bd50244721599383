"""`mooring evacuate`, on real servers."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from mooring.states import State
from tests.cli.conftest import Mooring, process
from tests.harness.cluster import Cluster
from tests.harness.dead_node import FOREVER, TAINT, DeadNode, ended
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker


@pytest.fixture
async def dead_node(temporal_client: Client, cluster: Cluster, mooring: MooringClient) -> AsyncIterator[DeadNode]:
    """A node that holds `vol`, and a worker that evacuates it by command alone."""
    settings = quick(cluster.driver, node_check="csinode", evacuate="off", node_gone=FOREVER)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        dead_node = DeadNode(cluster, temporal_client, mooring)
        await dead_node.admit("vol")
        yield dead_node


async def waits(dead_node: DeadNode) -> None:
    """Wait until the evacuation waits for proof."""
    async with asyncio.timeout(PATIENCE):
        while not await dead_node.is_begun():
            await asyncio.sleep(0.05)
    await dead_node.reaches(dead_node.evacuation, State.AWAITING_PROOF, total=1)


async def test_it_follows_the_evacuation_to_its_end(dead_node: DeadNode, run: Mooring) -> None:
    await dead_node.taint(TAINT)

    ran = await run("evacuate", "node-a")

    assert ran.code == 0, ran
    assert ran.out.startswith("The evacuation of node node-a is done, because Node ")
    assert ran.out.endswith("1 volume released, 0 left.\n")
    assert await dead_node.holders("vol") == [None]


async def test_it_fails_and_says_what_to_do_where_the_pv_of_what_the_node_holds_went(
    dead_node: DeadNode, cluster: Cluster, run: Mooring
) -> None:
    await dead_node.taint(TAINT)
    await cluster.delete("vol")

    async with asyncio.timeout(PATIENCE):
        while "`mooring unpublish vol node-a`" not in (ran := await run("evacuate", "node-a")).out:
            await asyncio.sleep(0.1)

    assert ran.code == ExitCode.FAILED


async def test_it_says_what_it_waits_for_and_how_to_approve_it(
    dead_node: DeadNode, run: Mooring, environment: dict[str, str]
) -> None:
    command = await process(environment, "evacuate", "node-a")
    assert command.stderr is not None
    told = ""
    async with asyncio.timeout(PATIENCE):
        while "has to" not in told:
            told = (await command.stderr.readline()).decode()

    approved = await run("approve", "evacuate/node-a", "--by", "ada", "--reason", "it is off")
    out, _ = await asyncio.wait_for(command.communicate(), PATIENCE)

    assert "exists and is not Ready. It has to have the taint node.kubernetes.io/out-of-service" in told
    assert "`mooring approve evacuate/node-a --by WHO --reason WHY`" in told
    assert (approved.code, command.returncode) == (0, 0)
    assert b"because ada confirmed it: it is off" in out


async def test_it_approves_at_once_where_told_to(dead_node: DeadNode, run: Mooring) -> None:
    ran = await run("evacuate", "node-a", "--approve", "--by", "ada", "--reason", "it is off", "-o", "json")

    assert (ran.code, ran.form) == (0, "mooring.evacuation/v1"), ran
    assert ran.data["approval"] == {"by": "ada", "reason": "it is off"}
    assert (ran.data["released"], ran.data["left"], ran.data["asked_by"]) == (1, 0, "ada")


@pytest.mark.parametrize("halves", [["--approve"], ["--reason", "it is off"], ["--approve", "--reason", " ", "--by", "ada"]])
async def test_an_approval_without_its_grounds_is_a_usage_error(run: Mooring, halves: list[str]) -> None:
    ran = await run("evacuate", "node-a", *halves)

    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert "reason" in ran.err


async def test_it_may_only_start_it(dead_node: DeadNode, run: Mooring) -> None:
    await dead_node.taint(TAINT)

    ran = await run("evacuate", "node-a", "--no-wait")

    assert ran.code == 0
    assert "is under way" in ran.out
    assert (await ended(dead_node.evacuation)).released == 1


async def test_a_program_that_only_starts_it_gets_its_id(dead_node: DeadNode, run: Mooring) -> None:
    ran = await run("evacuate", "node-a", "--no-wait", "-o", "json")

    assert ran.data == {"form": ran.form, "workflow_id": dead_node.evacuation.id}


async def test_an_approval_names_its_approver(dead_node: DeadNode, run: Mooring) -> None:
    ran = await run("approve", "evacuate/node-a", "--reason", "it is off", USER="")

    assert (ran.code, "name the approver with --by" in ran.err) == (2, True)


async def test_an_approval_of_no_evacuation_names_a_command_that_lists_those_that_wait(dead_node: DeadNode, run: Mooring) -> None:
    await run("evacuate", "node-a", "--no-wait")
    await waits(dead_node)

    ran = await run("approve", "evacuate/node-o", "--reason", "it is off", "--by", "ada")

    assert ran.code == ExitCode.NOT_FOUND
    assert "mooring evacuate" not in ran.err
    [command] = [each for each in ran.err.split("`") if each.startswith("mooring ")]
    async with asyncio.timeout(PATIENCE):
        while dead_node.evacuation.id not in (await run(*shlex.split(command)[1:], "-o", "name")).out:
            await asyncio.sleep(0.1)


async def test_on_a_terminal_it_shows_a_bar(dead_node: DeadNode, run: Mooring) -> None:
    running = asyncio.ensure_future(run("evacuate", "node-a", TTY_COMPATIBLE="1", TTY_INTERACTIVE="1", COLUMNS="120"))
    await waits(dead_node)
    await asyncio.sleep(1)
    await dead_node.taint(TAINT)
    await dead_node.evacuate()
    ran = await running

    assert ran.code == 0, ran
    assert "waits for proof" in ran.err
    assert "1 of 1 volume released" in ran.err


async def test_without_a_worker_it_says_so(run: Mooring) -> None:
    ran = await run("evacuate", "id/node-a")

    assert ran.code == ExitCode.UNAVAILABLE
    assert "No worker polls task queue" in ran.err


async def test_interrupted_it_says_that_the_evacuation_goes_on(dead_node: DeadNode, environment: dict[str, str]) -> None:
    command = await process(environment, "evacuate", "node-a")
    await waits(dead_node)
    command.send_signal(signal.SIGINT)

    _, err = await asyncio.wait_for(command.communicate(), PATIENCE)

    assert command.returncode == ExitCode.INTERRUPTED
    assert b"The evacuation of node node-a goes on if it had begun" in err
    assert (await dead_node.reaches(dead_node.evacuation, State.AWAITING_PROOF)).released == 0

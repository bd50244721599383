"""Every state of a run has a text with its meaning and with what to do."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.evacuation.client import start_evacuation
from mooring.models import VolumeRef
from mooring.models.evacuation import EvacuateRequest
from mooring.settings import default_task_queue
from mooring.states import GUIDANCE, State, guidance
from tests.harness.cluster import Cluster
from tests.harness.details import details
from tests.harness.workers import indexed
from worker import MooringWorker

HANDBOOK = Path("docs/operations.md").read_text()


def test_every_state_has_its_guidance() -> None:
    assert set(GUIDANCE) == set(State)


@pytest.mark.parametrize("state", State)
def test_the_handbook_says_the_same(state: State) -> None:
    assert f"| `{state}` | {GUIDANCE[state].meaning} {GUIDANCE[state].advice} |" in HANDBOOK


async def test_a_run_shows_what_its_state_means(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    run = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol")))

    assert await details(run, "Attached") == guidance(State.ATTACHED)
    assert "mooring explain vol" in str(await (await run.describe()).static_details())


STRANGE = ["it's $HOME", "a `tick` and ``two``", "-rf", 'say "so" & | ; *', "ends in \\"]


def command(markdown: str) -> list[str]:
    """Return the first command of Mooring's that Markdown shows, as a shell splits it."""
    spans = re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", markdown)
    return next(shlex.split(span) for _, span in spans if span.strip().startswith("mooring"))


@pytest.mark.parametrize("handle", STRANGE)
async def test_the_command_in_a_runs_details_is_safe_to_paste(
    worker: MooringWorker, mooring: MooringClient, temporal_client: Client, driver: str, handle: str
) -> None:
    await mooring.unpublish(handle, "node-a")

    run = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=driver, volume_handle=handle)))
    static = str(await (await run.describe()).static_details())

    assert command(static) == ["mooring", "explain", *(["--"] if handle.startswith("-") else []), handle]


@pytest.mark.parametrize("node", STRANGE)
async def test_so_is_the_one_that_approves_an_evacuation(
    worker: MooringWorker, temporal_client: Client, cluster: Cluster, node: str
) -> None:
    await cluster.create("vol", {cluster.keys.node: node})
    await indexed(worker, "vol")
    asked = EvacuateRequest(driver=cluster.driver, node_id=node)
    evacuation = await start_evacuation(temporal_client, default_task_queue(cluster.driver), asked)

    shown = await details(evacuation, "approve")

    assert command(shown) == [
        "mooring",
        "approve",
        f"evacuate/{node}",
        "--by",
        "WHO",
        "--reason",
        "WHY",
    ]
    await evacuation.cancel()

"""Every state of a run says what it means and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.guidance import GUIDANCE, guidance
from mooring.models import VolumeRef
from mooring.names import State
from tests.harness.cluster import Cluster
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
    metadata = await run.query("__temporal_workflow_metadata")

    assert metadata.current_details == guidance(State.ATTACHED)
    assert "mooring explain vol" in str(await (await run.describe()).static_details())

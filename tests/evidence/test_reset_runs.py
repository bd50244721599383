"""A run that was reset acts after the reset, whenever its first event was."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.client import Client

from mooring.client import MooringClient
from mooring.evidence import last_run as evidence
from mooring.models import PublishResult, VolumeRef
from tests.evidence.conftest import Serving
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.resets import FIRST, last_run, reset

SKEW = timedelta(seconds=0.01)


async def test_it_is_newer_than_a_record_that_was_written_before_the_reset(
    serving: Serving, temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    await cluster.create("vol")
    async with serving():
        await mooring.publish("vol", "node-a")
        first = await last_run(temporal_client, cluster, "vol")
        await mooring.publish("vol", "node-a")
        seen = (await mooring.get("vol")).record
        again = await reset(temporal_client, first, FIRST, PublishResult)
        await asyncio.wait_for(again.result(), PATIENCE)

    last = await evidence.last_run(temporal_client, volume, "", SKEW, again.run_id or "")

    assert seen is not None
    assert last is not None
    assert [run.run_id for run in await evidence.newer(temporal_client, volume, last, seen, SKEW)] == [again.run_id]

"""Temporal's knowledge of a driver's volumes."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from mooring import names
from mooring.models import PersistInput, VolumeRef
from mooring.temporal.visibility import RunVisibility
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment


async def test_all_that_wait_for_a_pv_are_found_however_many_they_are(temporal_client: Client, driver: str) -> None:
    handles = [f"vol-{number}" for number in range(5)]
    for handle in handles:
        waiting = PersistInput(
            volume=VolumeRef(driver=driver, volume_handle=handle), attachment=attachment("node-a"), operation="publish-1"
        )
        await temporal_client.start_workflow(
            names.PERSIST,
            waiting,
            id=names.unpersisted_id(waiting.volume),
            task_queue=f"mooring-{driver}",
            memo={names.ATTACHMENT_MEMO: waiting.attachment},
        )

    runs = RunVisibility(temporal_client, driver, search_attributes=True, at_most=2)
    async with asyncio.timeout(PATIENCE):
        while len(await runs.waiting()) < len(handles):  # the visibility store lags
            await asyncio.sleep(0.1)

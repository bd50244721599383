"""Releases of records that land, while the step that makes them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.resets import Run, last_run


@contextmanager
def unheard(cluster: Cluster) -> Iterator[None]:
    """Have the next write land without an answer, and keep whoever wrote it from looking while the block lasts."""
    cluster.proxy.lose_answer("PATCH", times=1)
    looks = cluster.proxy.hold("GET", path="/persistentvolumes/")
    try:
        yield
    finally:
        looks.release()


async def end_release(client: Client, cluster: Cluster, handle: str) -> None:
    """Have the step that releases the record fail, as where its worker is killed and none takes it up again in time."""
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder(handle) or not await _fail(client, await last_run(client, cluster, handle)):
            await asyncio.sleep(0.05)


async def _fail(client: Client, run: Run) -> bool:
    """Fail the step if an attempt of it is under way, and return whether one was."""
    for step in (await run.describe()).raw_description.pending_activities:
        if step.activity_type.name == "release_attachment":
            attempt = client.get_async_activity_handle(workflow_id=run.id, run_id=run.run_id, activity_id=step.activity_id)
            with suppress(RPCError):  # between two attempts there is none
                await attempt.fail(ApplicationError("nobody has said what became of it", non_retryable=True))
                return True
    return False

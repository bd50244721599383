"""The end of a world on the simulated Temporal: what is cleaned up after it writes nothing."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.worker import Worker

from tests.simulation.clock import Process, run
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.server import Server
from tests.simulation.temporal_server.service import connect

QUEUE = "queue"
MINUTE = timedelta(minutes=1)


@activity.defn
async def stay() -> str:
    """Wait to be cancelled, and end well."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "stayed"
    return "never"


@workflow.defn
class Stays:
    """Has somebody stay."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(stay, start_to_close_timeout=MINUTE)


def written(server: Server) -> int:
    """Return how many events there are."""
    return sum(len(found.events) for runs in server.runs() for found in runs)


async def _killed_in_an_activity(server: Server) -> int:
    """Kill a worker that carries out an activity, and return how many events there are."""
    client, process = connect(server), Process("killed")
    process.run(Worker(client, task_queue=QUEUE, workflows=[Stays], activities=[stay]).run())
    handle = await client.start_workflow(Stays.run, id="run", task_queue=QUEUE)
    while not (await handle.describe()).raw_description.pending_activities:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    process.kill()
    return written(server)


async def _killed_before_it_starts_a_run(server: Server) -> int:
    """Kill a process whose clean-up starts a run, and return how many events there are."""

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await connect(server).start_workflow("Stays", id="run", task_queue=QUEUE)

    process = Process("killed")
    process.run(work())
    await asyncio.sleep(1)
    process.kill()
    return written(server)


def test_an_activity_of_a_killed_worker_does_not_end_after_the_world() -> None:
    server = Server(random.Random(1))  # noqa: S311 - a seed is the point
    with installed():
        assert 0 < run(_killed_in_an_activity(server)) == written(server)


def test_no_run_starts_after_the_end_of_the_world() -> None:
    server = Server(random.Random(1))  # noqa: S311 - a seed is the point
    assert run(_killed_before_it_starts_a_run(server)) == 0
    assert server.runs() == []

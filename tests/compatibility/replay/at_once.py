"""Operations that are done within their first workflow task, or would have been."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from mooring.models import PublishResult
from tests.compatibility.replay.recorder import DRIVER, Recorder
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.resets import FIRST, last_run, reset
from tests.harness.workers import quick, running_worker


async def record_at_once(client: Client, cluster: Cluster) -> None:
    """Record undisturbed operations, with a backend and without, and those whose first task had no end."""
    async with running_worker(client, quick(DRIVER), cluster.proxy.kubeconfig()) as worker:
        recorder = Recorder(client, cluster, worker)
        await _record_undisturbed(recorder, "with-first-step")
        await _record_hanging(recorder)
        await _record_begun_again(recorder)
    backend = JournalBackend()
    settings = quick(DRIVER, backend="in:tests")
    async with running_worker(client, settings, cluster.proxy.kubeconfig(), backend) as worker:
        await _record_undisturbed(Recorder(client, cluster, worker), "with-first-step-backed")


async def _record_undisturbed(recorder: Recorder, name: str) -> None:
    await recorder.new(name)
    await recorder.operation(f"publish-{name}", name, recorder.mooring.publish(name, "node-a"))
    await recorder.operation(f"unpublish-{name}", name, recorder.mooring.unpublish(name, "node-a"))


async def _record_hanging(recorder: Recorder) -> None:
    """Record a publish whose write is not done at once, so that it becomes a visible step."""
    await recorder.new("hanging")
    held = recorder.cluster.proxy.hold("PATCH", times=1)
    await recorder.operation("publish-first-step-hangs", "hanging", recorder.mooring.publish("hanging", "node-a"))
    held.release()
    await held.landed()


async def _record_begun_again(recorder: Recorder) -> None:
    """Record a publish whose first task is begun again, since it is reset to that."""
    await recorder.new("begun-again")
    await recorder.mooring.publish("begun-again", "node-a")
    run = await reset(recorder.client, await last_run(recorder.client, recorder.cluster, "begun-again"), FIRST, PublishResult)
    await asyncio.wait_for(run.result(), PATIENCE)
    await recorder.save("publish-begun-again", run.id)

"""A message that reaches a run before its first workflow task finds it ready, and the run goes on to its end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from mooring import names
from mooring.models import (
    AdoptRequest,
    Approval,
    Migrating,
    PersistInput,
    Precondition,
    PublishRequest,
    UnpublishRequest,
    VolumeRef,
)
from mooring.models.evacuation import EvacuateRequest
from mooring.models.reconciliation import ReconcileRequest
from mooring.settings import Settings
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment
from tests.harness.workers import quick, running_worker
from workflows.registry import WORKFLOWS

TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
Run = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Word:
    """A message that may reach a run: the `kind` and name of a handler with its argument, or a cancellation."""

    workflow: str
    kind: str
    name: str = ""
    argument: Any = None

    def __str__(self) -> str:
        return "-".join(filter(None, (self.workflow, self.kind, self.name)))

    async def reach(self, run: Run) -> None:
        """Send it; a message that waits for an answer of the run waits for its worker."""
        if self.kind == "cancel":
            await run.cancel()
        elif self.kind == "signal":
            await run.signal(self.name, self.argument)
        elif self.kind == "query":
            await run.query(self.name)
        else:
            await run.execute_update(self.name, self.argument)


def requests(driver: str) -> dict[str, Any]:
    """Return a request for each workflow."""
    volume = VolumeRef(driver=driver, volume_handle="vol")
    held = attachment("node-a")
    return {
        names.PUBLISH: PublishRequest(driver=driver, volume_handle="vol", node_id="node-a"),
        names.UNPUBLISH: UnpublishRequest(driver=driver, volume_handle="vol", node_id="node-a"),
        names.PERSIST: PersistInput(volume=volume, attachment=held, operation=str(uuid.uuid4())),
        names.ADOPT: AdoptRequest(driver=driver, volume_handle="vol", attachment=held, epoch=0, volume_attachment="csi-1"),
        names.MIGRATE: Migrating(volume=volume, mark=Precondition(pv="pv", uid="uid"), from_nodes=("node-a",), to_node="node-b"),
        names.EVACUATE: EvacuateRequest(driver=driver, node_id="node-a"),
        names.READ: volume,
        names.REBUILD: None,
        names.RECONCILE: ReconcileRequest(driver=driver),
    }


WORDS = [
    Word(names.PERSIST, "signal", "settle", attachment("node-a")),
    Word(names.PERSIST, "signal", "settle", attachment("node-x")),
    Word(names.EVACUATE, "signal", names.EVACUATE, EvacuateRequest(driver="d.csi.test", node_id="node-a")),
    Word(names.EVACUATE, "query", names.PROGRESS),
    Word(names.EVACUATE, "update", names.APPROVE, Approval(by="jo", reason="it is off")),
    Word(names.RECONCILE, "query", names.PROGRESS),
    Word(names.RECONCILE, "update", names.APPROVE, Approval(by="jo", reason="a try")),
    *(Word(each.__name__, "cancel") for each in WORKFLOWS),
]


def test_every_handler_is_tried() -> None:
    handlers = set()
    for each in WORKFLOWS:
        definition = workflow._Definition.must_from_class(each)
        kinds = {"signal": definition.signals, "query": definition.queries, "update": definition.updates}
        handlers |= {(each.__name__, kind, str(name)) for kind, found in kinds.items() for name in found}
    assert handlers == {(word.workflow, word.kind, word.name) for word in WORDS if word.kind != "cancel"}


@asynccontextmanager
async def begun(client: Client, settings: Settings, word: Word) -> AsyncIterator[tuple[Run, asyncio.Task[None]]]:
    """Yield a run that no worker has seen, and the message on its way to it."""
    argument = requests(settings.driver)[word.workflow]
    arguments = [] if argument is None else [argument]
    workflow_id = f"{word.workflow}/{settings.driver}/vol"
    run = await client.start_workflow(
        word.workflow, args=arguments, id=workflow_id, task_queue=settings.queue, task_timeout=names.TASK_TIMEOUT
    )
    reaching = asyncio.create_task(word.reach(run))
    with suppress(TimeoutError):  # a query and an update wait for the worker
        await asyncio.wait_for(asyncio.shield(reaching), 0.5)
    try:
        yield run, reaching
    finally:
        reaching.cancel()
        await asyncio.gather(reaching, return_exceptions=True)


async def passes_its_first_task(run: Run) -> None:
    """Wait until the run has done a workflow task, none having failed."""
    async with asyncio.timeout(PATIENCE):
        while True:
            events = [event.event_type for event in (await run.fetch_history()).events]
            assert TASK_FAILED not in events
            if EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in events:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("word", WORDS, ids=str)
async def test_a_word_before_the_first_task_wedges_no_run(
    temporal_client: Client, cluster: Cluster, driver: str, word: Word
) -> None:
    settings = quick(driver)
    async with begun(temporal_client, settings, word) as (run, reaching):
        async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
            await passes_its_first_task(run)
            await asyncio.wait([reaching], timeout=PATIENCE)
            assert reaching.done()
            with suppress(RPCError):  # most have ended by themselves
                await run.terminate()

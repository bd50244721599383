"""The runs of a driver that are under way: at work, waiting or stuck, the oldest first.

Contract: the list is from the namespace's visibility, which may lag, and needs none of Mooring's search attributes: without them a
run's state is "Running", and the node of an operation is unknown. Rebuilds and reads are none of it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from mooring import names
from mooring.errors import TemporalUnavailable
from mooring.models import Attachment, Model
from mooring.process.at_once import ask_each
from mooring.temporal.open_runs import LONG
from mooring.temporal.reasons import in_words
from mooring.temporal.run_reader import OPERATIONS
from mooring.temporal.runs import read_run

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution

MAX_LISTED: Final = 10_000
MAX_CONCURRENT: Final = 16
KINDS: Final = {
    **OPERATIONS,
    names.PERSIST: "wait",
    names.EVACUATE: "evacuation",
    names.MIGRATE: "migration",
    names.RECONCILE: "reconciliation",
}
STUCK_KINDS: Final = frozenset(OPERATIONS[each] for each in (names.PUBLISH, names.UNPUBLISH, names.ADOPT))
"""Kinds of run that never take long unless they are stuck."""
_STATE: Final = SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)
_NODE: Final = SearchAttributeKey.for_keyword(names.NODE_ID)
_OF_VOLUMES: Final = ("volume", "unpersisted", "migration")


class UnderWay(Model):
    """A run that is open. `volume_handle` and `node_id` are "" where it is about none, or about every; `held`: what it holds."""

    kind: str
    volume_handle: str
    node_id: str
    state: str
    started_at: datetime
    workflow_id: str
    run_id: str
    task_queue: str
    held: Attachment | None = None

    def is_stuck(self, now: datetime) -> bool:
        """Return whether it has been open for longer than it can take."""
        return self.kind in STUCK_KINDS and now - self.started_at > LONG


async def list_under_way(client: Client, driver: str) -> list[UnderWay]:
    """List the driver's open runs, the oldest first.

    Raises:
        TemporalUnavailable: Temporal didn't answer.

    """
    prefixes = [f"{kind}/{driver}/" for kind in (*_OF_VOLUMES, "evacuate")]
    mine = " OR ".join(f"WorkflowId STARTS_WITH {names.quoted(prefix)}" for prefix in (*prefixes, f"{names.reconcile_id(driver)}-"))
    reconciles = re.compile(re.escape(names.reconcile_id(driver)) + r"-\d{4}-\d\d-\d\dT")  # NB: not those of driver `DRIVER-x`
    try:
        listed = [
            run
            async for run in client.list_workflows(f"ExecutionStatus = 'Running' AND ({mine})", limit=MAX_LISTED)
            if run.id.startswith(tuple(prefixes)) or reconciles.match(run.id)
        ]
        found = await ask_each(lambda run: _under_way(client, driver, run), listed, MAX_CONCURRENT)
    except RPCError as error:
        raise TemporalUnavailable(f"Temporal did not list the open runs of driver {driver}: {in_words(error)}.") from error
    return sorted(found, key=lambda run: run.started_at)


async def _under_way(client: Client, driver: str, run: WorkflowExecution) -> UnderWay:
    attributes = run.typed_search_attributes
    held = await _held(run) if run.workflow_type == names.PERSIST else None
    name = run.id.removeprefix(f"{run.id.partition('/')[0]}/{driver}/")
    node = name if run.workflow_type == names.EVACUATE else attributes.get(_NODE) or ""
    return UnderWay(
        kind=KINDS.get(run.workflow_type, run.workflow_type),
        volume_handle=await _handle(client, run, name) if run.id.startswith(_OF_VOLUMES) else "",
        node_id=held.node_id if held else node,
        state=attributes.get(_STATE) or "Running",
        started_at=run.start_time,
        workflow_id=run.id,
        run_id=run.run_id,
        task_queue=run.task_queue,
        held=held,
    )


async def _held(run: WorkflowExecution) -> Attachment | None:
    try:
        held: Attachment = await run.memo_value(names.ATTACHMENT_MEMO, type_hint=Attachment)
    except (KeyError, ValueError, RuntimeError):  # another program's run, which says nothing
        return None
    return held


async def _handle(client: Client, run: WorkflowExecution, name: str) -> str:
    """Return the handle of the volume that the run is about, its short form if Temporal has forgotten the rest."""
    if not names.is_short_form(name):
        return name
    noted: str | None = (await run.memo()).get(names.HANDLE_MEMO)
    if noted:
        return noted
    asked = await read_run(client, run.id, run.run_id)
    handle = asked.payload.get("volume_handle") if asked and isinstance(asked.payload, dict) else None
    return handle if isinstance(handle, str) and names.short(handle) == name else name

"""Temporal's knowledge of a driver's volumes beside their records: waits for a PV, uncleared records, open operations.

Contract: the lists of runs are from the namespace's visibility, which may lag; the newest operation of a volume, and whether it is
open, from Temporal's own state of it, which doesn't. If Temporal doesn't answer, TemporalUnavailable is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from mooring import names
from mooring.errors import TemporalUnavailable
from mooring.models import Attachment, UnpublishRequest, UnpublishResult, VolumeRef
from mooring.process.at_once import ask_each
from mooring.states import State
from mooring.temporal.reasons import in_words
from mooring.temporal.runs import look_up, read_result, read_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription


MAX_CONCURRENT: Final = 16
MAX_RUNS: Final = 1000
"""Runs that are looked at for uncleared records, the newest ones: where there are more, the next reconciliation sees them."""
ANSWERS: Final = 20
"""Unpublishes of one volume whose answers are read, the newest ones."""

MAX_LISTED: Final = 20_000
"""Runs that are looked through for volumes without a record, the newest ones."""

logger = logging.getLogger(__name__)
_NODE: Final = SearchAttributeKey.for_keyword(names.NODE_ID)


@dataclass(frozen=True, slots=True)
class Waits:
    """An attachment that waits for its PV, in the run `run_id`."""

    node_id: str
    since: datetime
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """The newest operation of a volume, as visibility has it; `name` is the volume's in workflow ids."""

    name: str
    run_id: str
    started_at: datetime
    is_open: bool


class RunVisibility:
    """The runs of one driver. `search_attributes`: the namespace knows Mooring's. `at_most`: see `RUNS`."""

    def __init__(self, client: Client, driver: str, *, search_attributes: bool, at_most: int = MAX_RUNS) -> None:
        self._client = client
        self._at_most = at_most
        self._search_attributes = search_attributes
        self._driver = driver

    async def waiting(self) -> dict[str, Waits]:
        """Map each volume handle to the wait for its PV, of all volumes: an evacuation may leave none of them behind."""
        prefix = f"unpersisted/{self._driver}/"
        query = f"WorkflowType = '{names.PERSIST}' AND ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH '{prefix}'"
        found: dict[str, Waits] = {}
        for run in await self._list(query):
            try:
                found[await _handle(run, prefix)] = await _waits(run)
            except (KeyError, ValueError, RuntimeError) as error:
                logger.warning(
                    "Run %s of %s does not say which node holds the volume, so it is left out: %s", run.run_id, run.id, error
                )
        return found

    async def has_heard_of(self, node_id: str) -> bool:
        """Return whether a run is about the node, True where the namespace can't be asked for the runs of a node."""
        if await look_up(self._client, names.evacuate_id(self._driver, node_id)) is not None:
            return True
        if any(waits.node_id == node_id for waits in (await self.waiting()).values()):
            return True
        query = f"{names.CSI_DRIVER} = {names.quoted(self._driver)} AND {names.NODE_ID} = {names.quoted(names.short(node_id))}"
        try:
            return bool(await self._list(query, at_most=1))
        except TemporalUnavailable:
            return True

    async def waits(self, volume_handle: str) -> bool:
        """Return whether an attachment of the volume waits for its PV."""
        return await self._hold(volume_handle) is not None

    async def waits_with_secrets(self, volume_handle: str) -> bool:
        """Return whether an attachment of the volume waits for its PV for which the CO has supplied secrets."""
        run = await self._hold(volume_handle)
        if run is None:
            return False
        return await run.memo_value(names.SECRETS_MEMO, False, type_hint=bool)

    async def uncleared(self, held: Collection[str]) -> dict[str, str]:
        """Map those of these volumes whose newest operation left the record uncleared to the node that it was about, "" for
        every."""
        if not self._search_attributes or not held:
            return {}
        query = (
            f"WorkflowType = '{names.UNPUBLISH}' AND {names.CSI_DRIVER} = '{self._driver}' "
            f"AND {names.ATTACHMENT_STATE} = '{State.NOT_CLEARED}'"
        )
        listed = await self._list(query, at_most=self._at_most)
        runs = {run.run_id: run for run in listed}
        newest = await self._newest(self._named(listed, held))
        return {handle: _node(runs[run.run_id]) for handle, run in newest.items() if run.run_id in runs}

    async def busy(self, handles: Iterable[str]) -> set[str]:
        """Return those of these volumes on which an operation is open."""
        newest = await self._newest(handles)
        return {handle for handle, run in newest.items() if run.status is WorkflowExecutionStatus.RUNNING}

    async def newest_listed(self) -> dict[str, ListedRun]:
        """Return the newest operation of each volume, by the volume's name in workflow ids, of the newest `LISTED` operations."""
        found: dict[str, ListedRun] = {}
        async for run in self._runs(f"WorkflowId STARTS_WITH '{self._prefix}'", at_most=MAX_LISTED):
            name = run.id.removeprefix(self._prefix)
            known = found.get(name)
            if known is None or run.start_time > known.started_at:
                found[name] = ListedRun(name, run.run_id, run.start_time, run.status is WorkflowExecutionStatus.RUNNING)
        return found

    async def handle_of(self, listed: ListedRun) -> str:
        """Return the handle of the volume that an operation is about, "" if Temporal has forgotten the name of its short form."""
        if not names.is_short_form(listed.name):
            return listed.name
        try:
            run = await read_run(self._client, self._prefix + listed.name, listed.run_id)
        except RPCError as error:
            raise TemporalUnavailable(f"Temporal did not return the handle of volume {listed.name}: {in_words(error)}.") from error
        handle = run.payload.get("volume_handle") if run is not None and isinstance(run.payload, dict) else None
        return handle if isinstance(handle, str) and names.short(handle) == listed.name else ""

    async def answer_to(self, asked: UnpublishRequest, writer: str) -> UnpublishResult | None:
        """Return the result of an earlier run of the very same request, or None if none is known that has released anything.

        One that is open has not, and is not waited for.

        `writer` is the run that wrote the volume's record last, which visibility may not list yet; "" if unknown.
        """
        workflow_id = names.volume_id(asked)
        query = f"{names.runs_of(workflow_id)} AND WorkflowType = '{names.UNPUBLISH}'"
        listed = await self._list(query, at_most=ANSWERS)
        for run_id in dict.fromkeys(filter(None, (writer, *(run.run_id for run in listed)))):
            answer = await self._answer(workflow_id, run_id, asked)
            if answer is not None and answer.released:
                return answer
        return None

    async def _hold(self, volume_handle: str) -> WorkflowExecutionDescription | None:
        """Return the open run that holds the volume while it has no PV, or None."""
        run = await look_up(self._client, names.unpersisted_id(VolumeRef(driver=self._driver, volume_handle=volume_handle)))
        return run if run is not None and run.status is WorkflowExecutionStatus.RUNNING else None

    async def _answer(self, workflow_id: str, run_id: str, asked: UnpublishRequest) -> UnpublishResult | None:
        try:
            return await read_result(self._client, workflow_id, run_id, names.UNPUBLISH, asked, UnpublishResult)
        except RPCError as error:
            what = f"the outcome of {workflow_id}, run {run_id}"
            raise TemporalUnavailable(f"Temporal did not return {what}: {in_words(error)}.") from error

    def _named(self, runs: Sequence[WorkflowExecution], handles: Collection[str]) -> set[str]:
        """Return those of these volumes that the runs are about."""
        asked = {run.id.removeprefix(self._prefix) for run in runs}
        shortened = {names.short(handle): handle for handle in handles if names.may_be_shortened(handle)} if asked else {}
        return {handle for name in asked if (handle := shortened.get(name, name)) in handles}

    @property
    def _prefix(self) -> str:
        return f"volume/{self._driver}/"

    async def _newest(self, handles: Iterable[str]) -> dict[str, WorkflowExecutionDescription]:
        """Map each volume handle to its newest operation."""

        async def describe(handle: str) -> tuple[str, WorkflowExecutionDescription | None]:
            return handle, await look_up(self._client, self._prefix + names.short(handle))

        found = await ask_each(describe, sorted(set(handles)), MAX_CONCURRENT)
        return {handle: run for handle, run in found if run is not None}

    async def _list(self, query: str, at_most: int | None = None) -> list[WorkflowExecution]:
        return [run async for run in self._runs(query, at_most)]

    async def _runs(self, query: str, at_most: int | None = None) -> AsyncIterator[WorkflowExecution]:
        try:
            async for run in self._client.list_workflows(query, limit=at_most):
                yield run
        except RPCError as error:
            raise TemporalUnavailable(f"Temporal did not list the runs of driver {self._driver}: {in_words(error)}.") from error


async def _handle(run: WorkflowExecution, prefix: str) -> str:
    handle: str = (await run.memo()).get(names.HANDLE_MEMO, run.id.removeprefix(prefix))
    return handle


async def _waits(run: WorkflowExecution) -> Waits:
    held = await run.memo_value(names.ATTACHMENT_MEMO, type_hint=Attachment)
    return Waits(held.node_id, run.start_time, run.run_id)


def _node(run: WorkflowExecution) -> str:
    return run.typed_search_attributes.get(_NODE) or ""

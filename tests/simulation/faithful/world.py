"""What a scenario may use: a client, workers, and ids of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.simulation.faithful.samples import WORKFLOWS, do
from tests.simulation.faithful.traces import same, trace
from tests.simulation.temporal_server.history import kind_of

_PATIENCE = 60.0
TASK_TIMEOUT = timedelta(seconds=10)


@dataclass(slots=True)
class World:
    """One scenario's world; what it starts is what is compared."""

    client: Client
    name: str
    _runs: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Answers of the server that are compared as well."""
    hidden: list[str] = field(default_factory=list)
    """Names that are others each time that the scenario plays, beside its own."""

    @property
    def queue(self) -> str:
        """The scenario's task queue."""
        return f"queue of {self.name}"

    def id(self, which: str = "run") -> str:
        """Return a workflow id."""
        return f"{self.name}/{which}"

    @asynccontextmanager
    async def worker(self, **settings: Any) -> AsyncIterator[Worker]:
        """Have a worker serve."""
        settings = {"graceful_shutdown_timeout": timedelta(seconds=5), **settings}
        worker = Worker(
            self.client,
            task_queue=self.queue,
            workflows=WORKFLOWS,
            activities=[do],
            workflow_runner=UnsandboxedWorkflowRunner(),
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=10),
            max_heartbeat_throttle_interval=timedelta(seconds=0.5),
            disable_eager_activity_execution=True,
            **settings,
        )
        async with worker:
            yield worker

    async def start(self, kind: Any, *given: Any, which: str = "run", **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a run."""
        options = {"task_timeout": TASK_TIMEOUT, **options}
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(
            kind.run, args=list(given), id=self.id(which), task_queue=self.queue, **options
        )
        self.note(handle.id, handle.result_run_id or "")
        return handle

    async def run(self, kind: Any, *given: Any, which: str = "run", **options: Any) -> Any:
        """Start a run, and wait for its end; return its result, or the name of its failure."""
        return await self.end(await self.start(kind, *given, which=which, **options))

    async def end(self, handle: WorkflowHandle[Any, Any]) -> Any:
        """Wait for the end of a run; return its result, or the failures."""
        async with asyncio.timeout(_PATIENCE):
            try:
                found = await handle.result()
            except Exception as error:
                found = _chain(error)
        self.said.append(str(found))
        return found

    def note(self, workflow_id: str, run_id: str) -> None:
        """Have a run compared."""
        if (workflow_id, run_id) not in self._runs:
            self._runs.append((workflow_id, run_id))

    async def reaches(self, handle: WorkflowHandle[Any, Any], kind: str, times: int = 1) -> None:
        """Wait until the run has so many events of a type."""
        await self.until(lambda events: sum(kind_of(event) == kind for event in events) >= times, handle.id, handle.result_run_id)

    async def until(self, holds: Callable[[Sequence[Any]], bool], workflow_id: str, run_id: str | None = None) -> None:
        """Wait until something holds of a run's events."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                with contextlib.suppress(Exception):
                    if holds(await self._events(workflow_id, run_id or "")):
                        return
                await asyncio.sleep(0.05)

    async def begins(self, handle: WorkflowHandle[Any, Any], attempt: int = 1) -> None:
        """Wait until a worker has an activity of the run."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                pending = (await handle.describe()).raw_description.pending_activities
                if any(each.attempt >= attempt and each.HasField("last_started_time") for each in pending):
                    return
                await asyncio.sleep(0.05)

    async def traces(self) -> dict[str, list[str]]:
        """Return what is compared."""
        traced = {}
        for number, (workflow_id, run_id) in enumerate(self._runs):
            events = await self._events(workflow_id, run_id)
            traced[f"{number} {same(workflow_id.rpartition('/')[2])}"] = trace(events)
        return {which: [self._nameless(line) for line in lines] for which, lines in (*traced.items(), ("said", self.said))}

    def _nameless(self, line: str) -> str:
        for name in (self.name, *self.hidden):
            line = line.replace(name, "a name")
        return line

    async def _events(self, workflow_id: str, run_id: str) -> list[Any]:
        handle = self.client.get_workflow_handle(workflow_id, run_id=run_id or None)
        return [event async for event in handle.fetch_history_events()]


def _chain(error: BaseException | None) -> str:
    names = []
    while error is not None:
        names.append(f"{type(error).__name__}: {error}")
        error = getattr(error, "cause", None)
    return " < ".join(names)

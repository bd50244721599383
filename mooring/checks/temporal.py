"""Temporal and the workers: the server answers, the namespace is set up, a worker polls, and no drift is left."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import IndexedValueType, NamespaceState, TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.checks.drift import judge_drift, judge_schedule
from mooring.checks.operations import judge_operations
from mooring.checks.results import Answer, Question, failed, ok, warning
from mooring.errors import TemporalUnavailable
from mooring.reconciliation.report import last_report
from mooring.reconciliation.schedule import scheduled_queue
from mooring.temporal.connection import SEARCH_ATTRIBUTES
from mooring.temporal.queues import LIVELY, QueueWorkers, queue_workers
from mooring.temporal.reasons import create_namespace, in_words
from mooring.temporal.under_way import list_under_way

if TYPE_CHECKING:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse
    from temporalio.client import Client

TEMPORAL: Final = "Temporal"
WORKERS: Final = "Workers"
OPERATIONS: Final = "Operations"
DRIFT: Final = "Drift"
REACHABLE: Final = "temporal-reachable"
NAMESPACE: Final = "temporal-namespace"
WORKFLOWS: Final = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
ACTIVITIES: Final = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
RETENTION: Final = timedelta(hours=24)
"""Shortest retention without a warning: runs kept for less are gone before anybody looks into a bad night."""


class TemporalChecks:
    """The questions to one server about one driver's workers. `connect` makes the client, `now` is UTC."""

    def __init__(self, connect: Callable[[], Awaitable[Client]], driver: str, queue: str, now: Callable[[], datetime]) -> None:
        self._connect = connect
        self._now = now
        self._driver = driver
        self._queue = queue
        self._client: Client | None = None
        self._described: DescribeNamespaceResponse | None = None

    def questions(self) -> Sequence[Question]:
        """Return all questions, in order."""
        serve = "workers-serve"
        return (
            Question(TEMPORAL, REACHABLE, "Temporal can be reached", self._reachable, TemporalUnavailable.advice),
            Question(TEMPORAL, NAMESPACE, "The namespace exists", self._namespace, needs=(REACHABLE,)),
            Question(
                TEMPORAL, "temporal-search-attributes", "Search attributes are registered", self._attributes, needs=(NAMESPACE,)
            ),
            Question(TEMPORAL, "temporal-retention", "Ended runs are kept long enough", self._retention, needs=(NAMESPACE,)),
            Question(WORKERS, serve, f"Workers poll task queue {self._queue}", self._serving, needs=(NAMESPACE,)),
            Question(
                WORKERS,
                "workers-adopt",
                f"Workers poll task queue {names.adoption_queue(self._queue)}",
                self._adopting,
                needs=(NAMESPACE, serve),
            ),
            Question(
                WORKERS,
                "workers-wait",
                f"Workers poll task queue {names.waiting_queue(self._queue)}",
                self._waiting,
                needs=(NAMESPACE, serve),
            ),
            Question(OPERATIONS, "operations-stuck", "No operation is stuck", self._stuck, needs=(NAMESPACE,)),
            Question(
                DRIFT, "drift-schedule", "A worker carries out the Schedule of reconciliations", self._scheduled, needs=(NAMESPACE,)
            ),
            Question(DRIFT, "drift", "Records, cluster and backend agree", self._in_step, needs=(NAMESPACE,)),
        )

    @property
    def _temporal(self) -> Client:
        if self._client is None:
            raise LookupError("not connected")
        return self._client

    async def _reachable(self) -> Answer:
        self._client = await self._connect()
        return ok(self._client.service_client.config.target_host)

    async def _namespace(self) -> Answer:
        name = self._temporal.namespace
        try:
            found = await self._temporal.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except RPCError as error:
            return _no_namespace(name, error)
        if found.namespace_info.state != NamespaceState.NAMESPACE_STATE_REGISTERED:
            return failed(f"Namespace {name} is being deleted.", "Name another one with TEMPORAL_NAMESPACE or --namespace.")
        self._described = found
        return ok(name)

    async def _attributes(self) -> Answer:
        asked = ListSearchAttributesRequest(namespace=self._temporal.namespace)
        try:
            found = (await self._temporal.operator_service.list_search_attributes(asked)).custom_attributes
        except RPCError as error:
            why = f"The namespace's search attributes can't be read: {in_words(error)}."
            return warning(why, "Let this account list search attributes.")
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        missing = [name for name in SEARCH_ATTRIBUTES if name not in found]
        taken = [name for name in SEARCH_ATTRIBUTES if name in found and found[name] != keyword]
        if taken:
            why = f"{', '.join(taken)} would have to be of type Keyword, so operations are shown without any search attribute."
            return warning(why, "Run Mooring in a namespace of its own.")
        if missing:
            register = _register(self._temporal.namespace, missing)
            return warning(f"{', '.join(missing)} can't be searched for.", "Register them, then restart the workers.", register)
        return ok(", ".join(SEARCH_ATTRIBUTES))

    async def _retention(self) -> Answer:
        kept = self._described.config.workflow_execution_retention_ttl.ToTimedelta() if self._described else timedelta()
        if kept >= RETENTION:
            return ok(f"{kept / timedelta(hours=1):g} h")
        name = self._temporal.namespace
        return warning(
            f"Namespace {name} forgets a run {kept / timedelta(hours=1):g} h after its end, and the history of holders with it.",
            "Keep runs for a week.",
            f"temporal operator namespace update --namespace {shlex.quote(name)} --retention 168h",
        )

    async def _serving(self) -> Answer:
        return await self._polled(self._queue, "Start a worker (`mooring worker`), or see why none is ready (its /readyz).")

    async def _adopting(self) -> Answer:
        return await self._polled(
            names.adoption_queue(self._queue), "Restart the workers one by one; each polls this queue from its start."
        )

    async def _waiting(self) -> Answer:
        queue = names.waiting_queue(self._queue)
        found = await queue_workers(self._temporal, queue, ACTIVITIES)
        if found.served:
            others = (await queue_workers(self._temporal, self._queue, ACTIVITIES)).served - found.served
            beside = f"; not by {', '.join(sorted(others))}, as version 0.1.0 doesn't" if others else ""
            return ok(", ".join(sorted(found.served)) + beside)
        if unserved := found.unserved:
            return failed(f"{unserved.cause}.", unserved.fix, unserved.command)
        return failed(
            f"No worker has polled task queue {queue} in the last {LIVELY.seconds} s, so evacuations, heals and the watch over "
            "migrations wait.",
            "Run a worker newer than version 0.1.0; it polls this queue while it serves.",
        )

    async def _scheduled(self) -> Answer:
        queue = await scheduled_queue(self._temporal, self._driver)
        return judge_schedule(self._driver, self._queue, queue, await self._workers(queue))

    async def _in_step(self) -> Answer:
        report = await last_report(self._temporal, self._driver)
        return judge_drift(report, self._driver, self._now(), await self._workers(report.running_queue if report else ""))

    async def _stuck(self) -> Answer:
        return judge_operations(await list_under_way(self._temporal, self._driver), self._now())

    async def _workers(self, queue: str) -> QueueWorkers | None:
        """Return the workers of a queue, None for no queue."""
        return await queue_workers(self._temporal, queue, WORKFLOWS) if queue else None

    async def _polled(self, queue: str, fix: str) -> Answer:
        """Check that both kinds of task are polled for."""
        workflows = await queue_workers(self._temporal, queue, WORKFLOWS)
        activities = await queue_workers(self._temporal, queue, ACTIVITIES)
        if lively := sorted(workflows.served & activities.served):
            return ok(", ".join(lively) + (f"; not {activities.idle_in_full}" if activities.idle else ""))
        if unserved := workflows.unserved or activities.unserved:
            return failed(f"{unserved.cause}.", unserved.fix, unserved.command)
        heard = workflows.served | activities.served
        half = f" ({', '.join(sorted(heard))} only for one of the two kinds of task)" if heard else ""
        return failed(f"No worker has polled task queue {queue} in the last {LIVELY.seconds} s{half}, so operations wait.", fix)


def _no_namespace(name: str, error: RPCError) -> Answer:
    if error.status is RPCStatusCode.NOT_FOUND:
        return failed(
            f"There is no namespace {name}.",
            "Name another one with TEMPORAL_NAMESPACE or --namespace, or create it.",
            create_namespace(name),
        )
    why = f"Namespace {name} can't be read: {in_words(error)}."
    return failed(why, "Give this account access to the namespace (TEMPORAL_API_KEY, TLS).")


def _register(namespace: str, missing: Sequence[str]) -> str:
    each = " ".join(f"--name {name} --type Keyword" for name in missing)
    return f"temporal operator search-attribute create --namespace {shlex.quote(namespace)} {each}"

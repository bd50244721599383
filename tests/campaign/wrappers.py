"""The wrappers around a worker's parts that lead each of their calls by two failpoints: before its effect, and after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from temporalio import activity
from temporalio import client as sdk_client
from temporalio import worker as sdk_worker
from temporalio.service import RPCError, RPCStatusCode

from mooring.client import MooringClient
from mooring.errors import BackendUncertain, TemporalUnavailable
from tests.campaign.failpoints import Failpoints

if TYPE_CHECKING:
    from mooring.csi.driver import ListingBackend
    from mooring.kubernetes.credentials.connections import Response, Sender, Senders
    from mooring.kubernetes.credentials.login import Login
    from mooring.kubernetes.credentials.renewal import Renewal
    from mooring.models import BackendCall, PublishRequest, PublishResult, UnpublishRequest, UnpublishResult

T = TypeVar("T")
P = TypeVar("P", sdk_client.WorkflowExecutionAsyncIterator, sdk_client.WorkflowHistoryEventAsyncIterator)


async def between(points: Failpoints, step: str, error: Callable[[str], Exception], work: Callable[[], Awaitable[T]]) -> T:
    """Do the work between the two points of its step; a refusal is an answer, too."""
    await points.hit(f"{step}.before", error)
    try:
        done = await work()
    except Exception:
        await points.hit(f"{step}.after", error)
        raise
    await points.hit(f"{step}.after", error)
    return done


@dataclass(frozen=True, slots=True)
class FailingSender:
    """The connection of one request to the API server."""

    points: Failpoints
    sender: Sender

    @property
    def login(self) -> Login:
        """The login that it is made with."""
        return self.sender.login

    async def send(self, method: str, target: str, headers: dict[str, str], body: Any, bounds: aiohttp.ClientTimeout) -> Response:
        """Send a request."""
        step = f"kubernetes.{_verb(method, target)}"
        return await between(
            self.points, step, aiohttp.ClientConnectionError, lambda: self.sender.send(method, target, headers, body, bounds)
        )


def _verb(method: str, target: str) -> str:
    path, _, query = target.partition("?")
    if method == "GET" and "watch=" in query:
        return "WATCH"
    return "LIST" if method == "GET" and path.endswith("s") and "limit=" in query else method


@dataclass(frozen=True, slots=True)
class FailingSenders:
    """The source of each request's connection."""

    points: Failpoints
    senders: Senders

    @property
    def renewal(self) -> Renewal:
        """The source of the login."""
        return self.senders.renewal

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Sender]:
        """Lend a connection."""
        async with self.senders.use() as sender:
            yield FailingSender(self.points, sender)

    async def close(self) -> None:
        """Close every connection."""
        await self.senders.close()


@dataclass(frozen=True, slots=True)
class FailingDriver:
    """The driver behind the endpoint."""

    points: Failpoints
    driver: ListingBackend

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach."""
        return await between(self.points, "driver.publish", BackendUncertain, lambda: self.driver.publish(call))

    async def unpublish(self, call: BackendCall) -> None:
        """Detach."""
        await between(self.points, "driver.unpublish", BackendUncertain, lambda: self.driver.unpublish(call))

    def has_secrets(self, volume_handle: str) -> bool:
        """Return whether secrets of the volume are in memory."""
        return self.driver.has_secrets(volume_handle)

    async def published(self) -> AsyncGenerator[tuple[str, str]]:
        """Yield every volume handle with its node id."""
        await self.points.hit("driver.list.before", BackendUncertain)
        async for each in self.driver.published():
            yield each
        await self.points.hit("driver.list.after", BackendUncertain)


class FailingClient(MooringClient):
    """The client by which the CSI endpoint asks for operations."""

    def __init__(self, points: Failpoints, client: sdk_client.Client, *, driver: str, task_queue: str) -> None:
        super().__init__(client, driver=driver, task_queue=task_queue, eager=True)
        self._points = points

    async def request_publish(self, asked: PublishRequest, *, deadline: float = 15.0) -> PublishResult:
        """Publish."""
        ask = super().request_publish
        return await between(self._points, "csi.publish", TemporalUnavailable, lambda: ask(asked, deadline=deadline))

    async def request_unpublish(self, asked: UnpublishRequest, *, deadline: float = 15.0) -> UnpublishResult:
        """Unpublish."""
        ask = super().request_unpublish
        return await between(self._points, "csi.unpublish", TemporalUnavailable, lambda: ask(asked, deadline=deadline))


class FailingInterceptor(sdk_client.Interceptor, sdk_worker.Interceptor):
    """The interceptor of a Temporal client, and of the workers that use it."""

    def __init__(self, points: Failpoints) -> None:
        self._points = points

    def intercept_client(self, next: sdk_client.OutboundInterceptor) -> sdk_client.OutboundInterceptor:  # noqa: A002 - the SDK's
        """Lead the client's requests by their points."""
        return _Requests(self._points, next)

    def intercept_activity(self, next: sdk_worker.ActivityInboundInterceptor) -> sdk_worker.ActivityInboundInterceptor:  # noqa: A002
        """Lead activities by theirs."""
        return _Activities(self._points, next)


class _Requests(sdk_client.OutboundInterceptor):
    def __init__(self, points: Failpoints, after: sdk_client.OutboundInterceptor) -> None:
        super().__init__(after)
        self._points = points

    async def start_workflow(self, input: sdk_client.StartWorkflowInput) -> sdk_client.WorkflowHandle[Any, Any]:  # noqa: A002
        return await between(self._points, "temporal.start", _unavailable, lambda: self.next.start_workflow(input))

    async def describe_workflow(self, input: sdk_client.DescribeWorkflowInput) -> sdk_client.WorkflowExecutionDescription:  # noqa: A002
        return await between(self._points, "temporal.describe", _unavailable, lambda: self.next.describe_workflow(input))

    async def cancel_workflow(self, input: sdk_client.CancelWorkflowInput) -> None:  # noqa: A002
        await between(self._points, "temporal.cancel", _unavailable, lambda: self.next.cancel_workflow(input))

    async def count_workflows(self, input: sdk_client.CountWorkflowsInput) -> sdk_client.WorkflowExecutionCount:  # noqa: A002
        return await between(self._points, "temporal.count", _unavailable, lambda: self.next.count_workflows(input))

    def list_workflows(self, input: sdk_client.ListWorkflowsInput) -> sdk_client.WorkflowExecutionAsyncIterator:  # noqa: A002
        return _led(self._points, "temporal.list", self.next.list_workflows(input))

    def fetch_workflow_history_events(
        self,
        input: sdk_client.FetchWorkflowHistoryEventsInput,  # noqa: A002
    ) -> sdk_client.WorkflowHistoryEventAsyncIterator:
        return _led(self._points, "temporal.history", self.next.fetch_workflow_history_events(input))


class _Activities(sdk_worker.ActivityInboundInterceptor):
    def __init__(self, points: Failpoints, after: sdk_worker.ActivityInboundInterceptor) -> None:
        super().__init__(after)
        self._points = points

    async def execute_activity(self, input: sdk_worker.ExecuteActivityInput) -> Any:  # noqa: A002
        step = f"activity.{activity.info().activity_type}"
        return await between(self._points, step, RuntimeError, lambda: self.next.execute_activity(input))


def _led(points: Failpoints, step: str, pages: P) -> P:
    """Lead the request of each page by its points; the last event of a history is the answer of an operation."""
    fetch = pages.fetch_next_page

    async def fetch_next_page(*, page_size: int | None = None) -> None:
        await between(points, step, _unavailable, lambda: fetch(page_size=page_size))

    pages.fetch_next_page = fetch_next_page  # type: ignore[method-assign]
    return pages


def _unavailable(why: str) -> RPCError:
    return RPCError(why, RPCStatusCode.UNAVAILABLE, b"")

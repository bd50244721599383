"""The door of the server: the real client of the SDK sends its requests here instead of over a connection.

Contract: a request is answered after a delay that the dice decide, or fails with the status that the real server gives. A
deadline of the caller's ends the wait, as gRPC does; what the request has begun goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.client import Plugin as ClientPlugin
from temporalio.common import MetricMeter
from temporalio.service import ConnectConfig, RPCStatusCode, _BridgeServiceClient
from temporalio.worker import Plugin as WorkerPlugin
from temporalio.worker import Replayer, ReplayerConfig, UnsandboxedWorkflowRunner, Worker, WorkerConfig

from tests.simulation.clock import is_over
from tests.simulation.temporal_server.errors import refusal, world_ended
from tests.simulation.temporal_server.payloads import CONVERTER
from tests.simulation.temporal_server.requests import Requests
from tests.simulation.temporal_server.server import Server, no_time

R = TypeVar("R", bound=Message)


_RETRIES: Final = 10
_FIRST_PAUSE: Final = 0.1
_GROWTH: Final = 1.7
_LONGEST_PAUSE: Final = 5.0


class Fate(Enum):
    """What becomes of a request."""

    ANSWERED = "answered"
    LOST = "lost"
    UNHEARD = "unheard"
    """Carried out, and its answer lost."""


def answered(_: random.Random) -> Fate:
    """Return that a request is answered."""
    return Fate.ANSWERED


@dataclass(frozen=True, slots=True)
class Bridge:
    """The connection of a worker, in the stead of the SDK's."""

    server: Server


@dataclass(frozen=True, slots=True)
class NoRuntime:
    """The SDK's runtime, without threads."""

    metric_meter: MetricMeter = MetricMeter.noop


class Service(_BridgeServiceClient):
    """Requests to the server.

    `delay` is the time that one takes on its way there, and its answer on the way back; `fate` decides what becomes of each.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(ConnectConfig(target_host="simulated:7233"))
        self._bridge_client = Bridge(server)  # type: ignore[assignment]
        self._runtime = NoRuntime()  # type: ignore[assignment]
        self.server = server
        self.delay = no_time
        self.fate: Callable[[random.Random], Fate] = answered
        self._requests = Requests(server)

    async def _rpc_call(
        self,
        rpc: str,
        req: Message,
        resp_type: type[R],
        *,
        service: str,
        retry: bool,
        metadata: Mapping[str, str | bytes],  # noqa: ARG002 - the SDK names it
        timeout: timedelta | None,
    ) -> R:
        handle = getattr(self._requests, rpc, None)
        if handle is None:
            raise refusal(RPCStatusCode.UNIMPLEMENTED, f"The simulated server knows no {service}/{rpc}.")
        try:
            async with asyncio.timeout(timeout.total_seconds() if timeout else None):
                found = await self._patiently(handle, req, _RETRIES if retry else 0)
        except TimeoutError:
            raise refusal(RPCStatusCode.DEADLINE_EXCEEDED, "Timeout expired") from None
        if not isinstance(found, resp_type):
            raise TypeError(f"{rpc} is answered by {resp_type.__name__}, not by {type(found).__name__}.")
        return found

    async def _patiently(self, handle: Callable[[Any], Any], req: Message, retries: int) -> Any:
        """Return the answer; a request that is lost is repeated, as the SDK's own client does."""
        pause = _FIRST_PAUSE
        while True:
            if is_over():
                raise world_ended()
            fate = self.fate(self.server.dice)
            await self._travel()
            if fate is not Fate.LOST:
                answer = handle(req)
                found: Any = await answer if asyncio.iscoroutine(answer) else answer
                await self._travel()
                if fate is Fate.ANSWERED:
                    return found
            if not retries:
                raise refusal(RPCStatusCode.UNAVAILABLE, "connection reset by peer")
            retries -= 1
            await asyncio.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    async def _travel(self) -> None:
        seconds = self.delay(self.server.dice)
        if seconds:
            await asyncio.sleep(seconds)


class InProcess(ClientPlugin, WorkerPlugin):
    """A plugin of the SDK: workers of the client run workflows on the loop that they are on, and without the sandbox."""

    def configure_client(self, config: Any) -> Any:
        return config

    async def connect_service_client(self, config: Any, next: Any) -> Any:  # noqa: A002 - the SDK names it
        return await next(config)

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        config["workflow_runner"] = UnsandboxedWorkflowRunner()
        config["debug_mode"] = True
        return config

    async def run_worker(self, worker: Worker, next: Any) -> None:  # noqa: A002 - the SDK names it
        await next(worker)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        return config

    def run_replayer(self, replayer: Replayer, histories: Any, next: Any) -> Any:  # noqa: A002 - the SDK names it
        return next(replayer, histories)


def connect(server: Server, identity: str = "simulated") -> Client:
    """Return a client of the server that converts payloads as Mooring does."""
    service = Service(server)
    service.config.identity = identity
    return Client(service, namespace=server.namespace, data_converter=CONVERTER, plugins=[InProcess()])

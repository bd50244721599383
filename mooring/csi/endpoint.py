"""The CSI endpoint's server: gRPC on a unix socket that only its owner may use.

Contract: the socket exists from the beginning of the block to its end; one that a dead process left behind is replaced, one that is
listened on is not. RPCs that Mooring doesn't serve go to the driver, if there is one.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mooring.csi.controller import Controller
from mooring.csi.driver import OPTIONS
from mooring.csi.identity import Identity
from mooring.csi.passthrough import PassThrough
from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.process.tracing import UNTRACED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mooring.csi.inflight import InFlightRequests
    from mooring.csi.state import EndpointState
    from mooring.process.tracing import Tracing

SCHEME: Final = "unix://"
GRACE: Final = 2.0
"""Seconds that calls under way get when the endpoint closes; their operations go on without them."""
SERVICES: Final = tuple(csi_pb2.DESCRIPTOR.services_by_name[name].full_name for name in ("Identity", "Controller"))


class EndpointUnavailable(Exception):
    """A socket that the process can't listen on; `why` says so of the path, and `way_out` what to do."""

    def __init__(self, path: Path, why: str, way_out: str = "Name another path, or correct that.") -> None:
        super().__init__(f"MOORING_CSI_ENDPOINT (--endpoint) is {SCHEME}{path}, which can't be listened on: {why}. {way_out}")


@asynccontextmanager
async def csi_endpoint(
    endpoint: str,
    state: EndpointState,
    inflight: InFlightRequests,
    channel: aio.Channel | None = None,
    tracing: Tracing = UNTRACED,
) -> AsyncIterator[None]:
    """Serve at `unix:///path` while the block runs, in front of the driver that `channel` leads to.

    Raises:
        EndpointUnavailable: the path is taken, or nothing can be put there.

    """
    path = Path(endpoint.removeprefix(SCHEME))
    server = _server(state, inflight, PassThrough(channel) if channel else None, tracing)
    try:
        _clear(path)
        _bind(server, path)
    except OSError as error:
        raise EndpointUnavailable(path, _cause(error)) from None
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE)
        _remove(path)


def _server(state: EndpointState, inflight: InFlightRequests, onward: PassThrough | None, tracing: Tracing) -> aio.Server:
    server = aio.server(options=OPTIONS)
    csi_pb2_grpc.add_IdentityServicer_to_server(Identity(state), server)
    csi_pb2_grpc.add_ControllerServicer_to_server(Controller(state, inflight, onward, tracing), server)
    health_pb2_grpc.add_HealthServicer_to_server(_Health(state), server)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    if onward is not None:
        server.add_generic_rpc_handlers((onward,))
    return server


class _Health(health_pb2_grpc.HealthServicer):
    """The standard health service: serving once the worker is ready."""

    def __init__(self, state: EndpointState) -> None:
        self._state = state

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: aio.ServicerContext[object, object]
    ) -> health_pb2.HealthCheckResponse:
        """Report whether the plugin, or one of its services, serves."""
        if request.service and request.service not in SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no service {request.service}.")
        states = health_pb2.HealthCheckResponse
        return states(status=states.SERVING if self._state.ready_worker else states.NOT_SERVING)


def _clear(path: Path) -> None:
    """Make the folder of the socket, and remove a socket that a dead process left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise EndpointUnavailable(path, "it exists and is not a socket", "Name another path, or remove it.")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()  # whoever listened is gone
            return
    raise EndpointUnavailable(path, "another process listens on it", "Stop that process, or name another path.")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _bind(server: aio.Server, path: Path) -> None:
    mask = os.umask(0o177)  # NB: the socket is made with its mode, so that there is no moment at which others may connect
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:  # NB: gRPC keeps the cause to itself, which a plain socket meets as well
        with socket.socket(socket.AF_UNIX) as plain:
            plain.bind(str(path))
        _remove(path)
        raise EndpointUnavailable(path, str(error)) from None
    finally:
        os.umask(mask)


def _cause(error: OSError) -> str:
    of = f" ({error.filename})" if error.filename else ""
    return f"{(error.strerror or str(error)).lower()}{of}"

"""The parts between a CO and a worker: the endpoint, and the driver behind it, as the settings say.

Contract: the endpoint is up before anything else, because a sidecar that finds no socket exits. With a driver behind, the worker
serves that driver's volumes under that driver's name.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mooring.backend import Backend, load_backend
from mooring.csi.driver import DriverBackend, ListingBackend, describe, driver_channel, lists_nodes
from mooring.csi.endpoint import csi_endpoint
from mooring.csi.inflight import InFlightRequests
from mooring.csi.state import EndpointState
from mooring.errors import BackendUncertain
from mooring.models import DRIVER_NAME
from mooring.process.backoff import pauses
from mooring.process.repeats import RepeatedWarning
from mooring.process.tracing import UNTRACED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

    from mooring.process.tracing import Tracing
    from mooring.settings import Settings

DESCRIBE_SECONDS: Final = 2.0
CALL_SHARE: Final = 0.9
"""Share of an attempt's time that the driver gets, so that the attempt can still report its answer."""

_NAME: Final = re.compile(DRIVER_NAME)
logger = logging.getLogger(__name__)


class WrongDriver(Exception):
    """The driver behind the endpoint is not the one that MOORING_DRIVER names."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The state of the endpoint, and the way to the driver, if there is one."""

    state: EndpointState
    inflight: InFlightRequests
    channel: aio.Channel | None
    tracing: Tracing = UNTRACED

    async def meet_driver(self, settings: Settings) -> Settings:
        """Wait for the driver's description and return the settings with its name, or as they are if there is no driver.

        Raises:
            WrongDriver: its name is not the one that was set, or not one that a driver may have.

        """
        if self.channel is None:
            return settings
        repeated = RepeatedWarning(logger)
        for pause in pauses(0.1, 2.0):
            try:
                behind = await describe(self.channel, DESCRIBE_SECONDS)
                break
            except BackendUncertain as error:
                repeated.warn(str(error))
                await asyncio.sleep(pause)
        name = behind.info.name
        _check(name, settings)
        self.state.driver, self.state.behind = name, behind
        logger.info("The driver behind this endpoint is %s %s.", name, behind.info.vendor_version)
        return settings.model_copy(update={"driver": name})

    def backend(self, settings: Settings) -> Backend:
        """Return the driver if it attaches at all, or else the backend that the settings name."""
        if self.channel is None or self.state.behind is None or not self.state.behind.attaches:
            return load_backend(settings.backend)
        made = ListingBackend if lists_nodes(self.state.behind) else DriverBackend
        return made(self.channel, self.inflight, settings.backend_timeout * CALL_SHARE, self.tracing)


def _check(name: str, settings: Settings) -> None:
    if not _NAME.fullmatch(name):
        raise WrongDriver(
            f"The driver at {settings.driver_endpoint} calls itself {name!r}. A CSI driver's name has at most 63 characters of a "
            "domain name, and begins and ends with a letter or a digit."
        )
    if "driver" in settings.model_fields_set and settings.driver != name:
        raise WrongDriver(f"MOORING_DRIVER is {settings.driver}, but the driver at {settings.driver_endpoint} is {name}.")


@asynccontextmanager
async def open_sidecar(settings: Settings, tracing: Tracing = UNTRACED) -> AsyncIterator[Sidecar]:
    """Open the front that the settings describe: with or without a socket to listen on, with or without a driver.

    Raises:
        EndpointUnavailable: see `csi_endpoint`.

    """
    state = EndpointState(settings.driver, fronts_driver=bool(settings.driver_endpoint))
    inflight = InFlightRequests(time.monotonic)
    async with AsyncExitStack() as stack:
        channel = None
        if settings.driver_endpoint:
            channel = await stack.enter_async_context(driver_channel(settings.driver_endpoint))
        if settings.csi_endpoint:
            await stack.enter_async_context(csi_endpoint(settings.csi_endpoint, state, inflight, channel, tracing))
            logger.info("CSI endpoint: %s", settings.csi_endpoint)
        yield Sidecar(state, inflight, channel, tracing)

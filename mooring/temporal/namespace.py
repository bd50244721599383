"""The Temporal namespace that a process works in: waiting for it, and serving in it for as long as it exists.

Contract: no refusal of Temporal is taken for final, because its cause (a namespace, a right) may be mended there. It is reported
and waited for, whatever is missing; the work that serves is ended in order, and begun again. One answer that the
namespace is missing ends nothing.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from temporalio.api.enums.v1 import NamespaceState
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from mooring.errors import TemporalUnavailable
from mooring.process.backoff import pauses
from mooring.process.lifetime import first, set_with, unless
from mooring.process.repeats import RepeatedWarning
from mooring.temporal.reasons import create_namespace, in_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from temporalio.client import Client

ANSWER_SECONDS: Final = 5.0
LOOK_EVERY: Final = 5.0
"""Seconds between two looks at a namespace that is in use. NB: a poll that is open when it goes says so only after a minute."""
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Looks:
    """The conclusion from successive looks at a namespace in use; `known` is its id.

    NB: a server that restarts or fails over may answer once that there is no such namespace, and all workers ask it.
    """

    name: str
    known: str
    _missed: bool = False

    def answered(self, found: str, why: str) -> str:
        """Take in the id found, or "" and why the namespace takes no work; return the reason why it is gone, "" while it isn't."""
        missed, self._missed = self._missed, not found
        if not found:
            return why if missed else ""
        return "" if found == self.known else f"Namespace {self.name} was deleted and created again."

    def unanswered(self) -> None:
        """Take in that the server didn't answer, which is no reason."""
        self._missed = False


class Tenure:
    """The time that something serves in the client's namespace; `refused` is Temporal's reason to refuse it, "" for none."""

    def __init__(self, client: Client) -> None:
        self.refused = ""
        self._client = client
        self._halt = asyncio.Event()

    def refuse(self, why: str) -> None:
        """End the work that serves, because Temporal refuses it."""
        self.refused = self.refused or why
        self._halt.set()

    async def serve(self, stop: asyncio.Event, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        """Have the work serve until `stop` is set; its own event reports that, and is also set if Temporal refuses it.

        It begins again once there is a namespace.
        """
        for pause in pauses(0.5, 30.0):
            known = await unless(stop, patiently(partial(namespace_id, self._client), self._tell))
            if known is None:
                return
            self.refused = ""
            async with set_with(stop) as self._halt:
                await self._while_there(known, work)
            if not self.refused:
                return
            logger.error("%s Everything served ends, and begins again once this is corrected.", self.refused)
            await first(stop, asyncio.sleep(pause))

    def _tell(self, why: str) -> None:
        self.refused = why

    async def _while_there(self, known: str, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        async def watch() -> None:
            self.refuse(await _goes(self._client, known))

        watching = asyncio.create_task(watch())
        try:
            await work(self._halt)
        finally:
            watching.cancel()


async def namespace_id(client: Client) -> str:
    """Return the id of the client's namespace.

    Raises:
        TemporalUnavailable: it takes no work, or Temporal doesn't answer.

    """
    found, why = await _look(client)
    if why:
        raise TemporalUnavailable(why, "")  # NB: it says what to do already
    return found


async def patiently(ask: Callable[[], Awaitable[T]], tell: Callable[[str], None]) -> T:
    """Return the answer, however often Temporal can't give it; `tell` receives each reason."""
    waits, repeated = pauses(0.5, 5.0), RepeatedWarning(logger)
    while True:
        try:
            return await ask()
        except TemporalUnavailable as error:
            tell(str(error))
            repeated.warn(str(error))
            await asyncio.sleep(next(waits))


async def _goes(client: Client, known: str) -> str:
    """Wait until the namespace with this id takes no more work, and return the reason."""
    looks = Looks(client.namespace, known)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            found, why = await _look(client)
        except TemporalUnavailable as error:
            logger.debug("%s", error)
            looks.unanswered()
            continue
        gone = looks.answered(found, why)
        if gone:
            return gone


async def _look(client: Client) -> tuple[str, str]:
    """Return the id of the namespace, or "" and the reason why it takes no work; raise TemporalUnavailable without an answer."""
    name = client.namespace
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    except TimeoutError:
        raise TemporalUnavailable(f"Temporal did not answer in {ANSWER_SECONDS:g} s whether there is a namespace {name}.") from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            create = f"Name another one with TEMPORAL_NAMESPACE, or create it: `{create_namespace(name)}`."
            return "", f"There is no namespace {name}. {create}"
        access = "Give this account access to it (TEMPORAL_API_KEY, TLS)."
        raise TemporalUnavailable(f"Namespace {name} can't be used: {in_words(error)}. {access}") from error
    if found.namespace_info.state == NamespaceState.NAMESPACE_STATE_DELETED:
        return "", f"Namespace {name} is being deleted; name another one with TEMPORAL_NAMESPACE."
    return found.namespace_info.id, ""

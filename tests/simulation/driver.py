"""The reference driver on virtual time: its storage and its service, reached by the deployed `DriverBackend` without a socket.

Contract: a call that was made is carried out, or not, whether its caller still waits or not; the journal says so as `late` where it
doesn't. A code after which Mooring may take it that nothing was done (`REFUSALS`) is only given where nothing was done, and
NOT_FOUND never to a detach: a driver that lies about these is outside of what is promised.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, cast

import grpc
from grpc import aio

from mooring.csi.driver import ListingBackend
from mooring.csi.inflight import InFlightRequests
from mooring.csi.wire import csi_pb2
from tests.harness.driver.controller import Controller
from tests.harness.driver.identity import Identity
from tests.harness.driver.journal import Call, Entry, Event, attachments_of
from tests.harness.driver.options import Options
from tests.harness.driver.storage import Refusal, Storage
from tests.simulation.clock import OUTSIDE, PROCESS, is_over
from tests.simulation.history import History
from tests.simulation.mishaps import Mishaps

CODE: Final = grpc.StatusCode
TRAVEL_SECONDS: Final = (0.0005, 0.005)
OPEN: Final = (CODE.UNAVAILABLE, CODE.DEADLINE_EXCEEDED, CODE.UNKNOWN, CODE.ABORTED, CODE.CANCELLED)
"""Codes after which the outcome of a call is unknown."""
UNDONE: Final = (CODE.INTERNAL, CODE.DATA_LOSS, CODE.RESOURCE_EXHAUSTED)
"""Codes that are final, and say nothing of what was done."""
REFUSALS: Final = (
    CODE.PERMISSION_DENIED,
    CODE.FAILED_PRECONDITION,
    CODE.OUT_OF_RANGE,
    CODE.UNAUTHENTICATED,
    CODE.UNIMPLEMENTED,
)
"""Codes that say that nothing was done."""
ONLY_PUBLISH: Final = (CODE.NOT_FOUND, CODE.INVALID_ARGUMENT, CODE.ALREADY_EXISTS)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class DriverRates:
    """Chances, from 0 to 1, and the most seconds that each fault takes."""

    hanging: float = 0.0
    """Chance that a call is carried out late, which may be after its caller has given up."""
    hanging_seconds: float = 120.0
    slow_answers: float = 0.0
    slow_seconds: float = 30.0
    refusals: float = 0.0
    """Chance that a call is not carried out, with any code but OK; a detach gets none of `ONLY_PUBLISH`."""
    wrong_answers: float = 0.0
    """Chance that a call which was carried out is answered with a code that leaves it open or says that it failed."""


CALM: Final = DriverRates()


@dataclass(frozen=True, slots=True)
class Fate:
    """The fate of one call: the seconds until it is carried out and until it is answered, and the code in place of either."""

    travels: float
    returns: float
    refused: grpc.StatusCode | None = None
    answered: grpc.StatusCode | None = None


@dataclass(slots=True)
class HistoryJournal:
    """The driver's journal, as a part of the world's history."""

    history: History
    now: Callable[[], datetime]

    def write(self, event: Event, call: Call, *, order: str = "", nodes: Iterable[str] = (), code: str = "") -> Entry:
        """Add a line."""
        entry = Entry(self.now(), event, call, order, tuple(nodes), code)
        self.history.append(entry)
        return entry


class SimulatedDriver:
    """A driver; `heedless`: it enforces no fencing token. `rates` and `mishaps` may be changed at any time."""

    def __init__(
        self,
        dice: random.Random,
        now: Callable[[], datetime],
        history: History,
        *,
        name: str = "reference.csi.example",
        heedless: bool = False,
        attach_limit: int = 0,
        expected_secret: str = "",
    ) -> None:
        self.rates = CALM
        self.mishaps = Mishaps()
        self._dice = dice
        self._history = history
        nowhere = Path("/nonexistent")
        options = Options("", nowhere, nowhere, name, attach_limit, heedless, expected_secret)
        journal = HistoryJournal(history, now)
        passage = VirtualPassage(journal, self._fate)
        self._storage = Storage(journal, [], options)
        self._controller = Controller(self._storage, passage, options, [])
        self._services = {
            "csi.v1.Controller": self._controller,
            "csi.v1.Identity": Identity(name),
        }

    def channel(self) -> aio.Channel:
        """Return a way to the driver, as the stubs of gRPC take it."""
        return cast("aio.Channel", Channel(self._services))

    def backend(self, seconds: float = 10.0, inflight: InFlightRequests | None = None) -> ListingBackend:
        """Return the deployed backend before this driver; `seconds` bound a call."""
        return ListingBackend(self.channel(), inflight or InFlightRequests(asyncio.get_running_loop().time), seconds)

    async def attach(self, volume: str, node: str) -> None:
        """Have somebody who is no client of Mooring's attach a volume, without a token."""
        mode = csi_pb2.VolumeCapability.AccessMode(mode=csi_pb2.VolumeCapability.AccessMode.SINGLE_NODE_WRITER)
        capability = csi_pb2.VolumeCapability(access_mode=mode)
        asked = csi_pb2.ControllerPublishVolumeRequest(volume_id=volume, node_id=node, volume_capability=capability)
        await self._controller.ControllerPublishVolume(asked, cast("Any", Context(())))

    def forget(self, volume: str) -> None:
        """Have an operator let the driver forget the volume's highest token."""
        self._storage.tokens.highest.pop(volume, None)

    def attached(self) -> dict[str, list[str]]:
        """Return the nodes of each volume that is attached anywhere."""
        entries = (event for event in self._history if isinstance(event, Entry))
        return {volume: sorted(nodes) for volume, nodes in attachments_of(entries).items() if nodes}

    def _fate(self, call: Call) -> Fate:
        """Decide about a call, by dice of its own, so that what comes of it changes no later one."""
        dice = random.Random(self._dice.getrandbits(64))  # noqa: S311 - a seed is the point
        calm = Fate(dice.uniform(*TRAVEL_SECONDS), dice.uniform(*TRAVEL_SECONDS))
        fate = _upset(self.rates, dice, calm, call)
        words = f"{call.rpc} {call.volume} {call.node or 'all'} {_words(fate)}"
        return fate if fate == calm or self.mishaps.befalls("call", call.number, words) else calm


def _upset(rates: DriverRates, dice: random.Random, calm: Fate, call: Call) -> Fate:
    travels, returns = calm.travels, calm.returns
    if _happens(dice, rates.hanging):
        travels += dice.uniform(0, rates.hanging_seconds)
    if _happens(dice, rates.slow_answers):
        returns += dice.uniform(0, rates.slow_seconds)
    if _happens(dice, rates.refusals):
        usual = (*OPEN, *UNDONE, *REFUSALS)
        return Fate(travels, returns, refused=dice.choice((*usual, *ONLY_PUBLISH) if call.rpc == "publish" else usual))
    wrong = dice.choice((*OPEN, *UNDONE)) if _happens(dice, rates.wrong_answers) else None
    return Fate(travels, returns, answered=wrong)


def _happens(dice: random.Random, chance: float) -> bool:
    return chance > 0 and dice.random() < chance


def _words(fate: Fate) -> str:
    """Say what becomes of a call."""
    late = TRAVEL_SECONDS[1]
    said = [f"is carried out {fate.travels:.1f} s later"] if fate.travels > late and fate.refused is None else []
    said += [f"is refused with {fate.refused.name}"] if fate.refused else []
    said += [f"is answered {fate.returns:.1f} s later"] if fate.returns > late else []
    said += [f"is carried out and answered with {fate.answered.name}"] if fate.answered else []
    return ", ".join(said)


class VirtualPassage:
    """The way of each call through the driver, on the event loop's time."""

    def __init__(self, journal: HistoryJournal, fate: Callable[[Call], Fate]) -> None:
        self._journal = journal
        self._fate = fate
        self._under_way: dict[asyncio.Task[Any], None] = {}

    async def take(self, call: Call, apply: Callable[[], R]) -> R | Refusal:
        """Carry the call out, and return its answer; after the end of the world nobody is there."""
        if is_over():
            return Refusal(CODE.UNAVAILABLE, "the world has ended")
        self._journal.write("call", call)
        is_awaited, caller = [True], PROCESS.get()
        going = self._go(call, apply, self._fate(call), lambda: not is_awaited or (caller is not None and caller.killed))
        task = asyncio.get_running_loop().create_task(going, name=f"{call.rpc} {call.number}", context=OUTSIDE)
        self._under_way[task] = None
        task.add_done_callback(self._under_way.pop)
        try:
            return await asyncio.shield(task)
        finally:
            is_awaited.clear()

    async def _go(self, call: Call, apply: Callable[[], R], fate: Fate, is_late: Callable[[], bool]) -> R | Refusal:
        await asyncio.sleep(fate.travels)
        answer = self._carry_out(call, apply, fate, is_late=is_late())
        await asyncio.sleep(fate.returns)
        self._journal.write("answer", call, code=answer.code.name if isinstance(answer, Refusal) else "OK")
        return answer

    def _carry_out(self, call: Call, apply: Callable[[], R], fate: Fate, *, is_late: bool) -> R | Refusal:
        if is_late:
            self._journal.write("late", call)
        if fate.refused is not None:
            return _refusal(fate.refused, call, "not carried out")
        try:
            answer = apply()
        except Refusal as refusal:
            return refusal
        return answer if fate.answered is None else _refusal(fate.answered, call, "carried out")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel to services in the process."""

    services: dict[str, Any]

    def unary_unary(self, method: str, **codec: Any) -> Callable[..., Any]:  # noqa: ARG002 - messages stay what they are
        """Return the method, as a stub calls it."""
        _, service, name = method.split("/")
        serve = getattr(self.services[service], name)

        async def call(request: Any, *, timeout: float | None = None, metadata: Iterable[tuple[str, str]] = ()) -> Any:
            try:
                async with asyncio.timeout(timeout):
                    return await serve(request, Context(tuple(metadata)))
            except TimeoutError:
                raise _error(CODE.DEADLINE_EXCEEDED, "Deadline Exceeded") from None

        return call


@dataclass(frozen=True, slots=True)
class Context:
    """The context of one call, of which the services use this much."""

    metadata: tuple[tuple[str, str], ...]

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the caller's metadata."""
        return self.metadata

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        """End the call with an error, as its caller sees it."""
        raise _error(code, details)


def _refusal(code: grpc.StatusCode, call: Call, done: str) -> Refusal:
    return Refusal(code, f"{call.rpc} of volume {call.volume} on node {call.node!r} fails by the dice, {done}")


def _error(code: grpc.StatusCode, details: str) -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), details)

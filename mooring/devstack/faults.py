"""The misbehaviour that `FaultProxy` can be given: the requests, the rules that select them, and the effects on them.

A rule is for a method (`WATCH` for a watch, `*` for any), a part of the path and, where given, a predicate; it acts on its
first `times` matches (None: on all) and then lets requests pass. `seen` counts the matches it acted on. A watch can be
failed, delayed and dropped; it is never held, and its answer not lost: `cut_watches` is for that.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

When = Callable[["ProxiedRequest"], bool] | None

PATIENCE: Final = 30.0
"""Seconds that a test waits for a held request before it is told that none came."""


@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """A request as the proxy received it."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


class Loss(Enum):
    """Ways for a client to lose touch: its connection is cut, or no answer ever arrives."""

    CUT = "cut"
    HANG = "hang"


@dataclass(slots=True)
class Rule:
    """Selection of requests, with a limit to how often it applies."""

    method: str
    path: str = ""
    when: When = None
    times: int | None = None
    seen: int = 0

    def takes(self, request: ProxiedRequest) -> bool:
        """Return whether the rule acts on this request, and count the request if so."""
        if self.times is not None and self.seen >= self.times:
            return False
        if self.method not in ("*", request.method) or self.path not in request.path:
            return False
        if self.when is not None and not self.when(request):
            return False
        self.seen += 1
        return True

    def stop(self) -> None:
        """Let all further requests pass."""
        self.times = 0


@dataclass(slots=True)
class FailedAnswer(Rule):
    """An answer in the server's place; the request is not forwarded."""

    status: int = 500
    reason: str = ""
    message: str = ""
    retry_after: int | None = None

    def body(self) -> dict[str, object]:
        """Return the `Status` to answer with."""
        reason = self.reason or REASONS.get(self.status, "")
        message = self.message or f"{self.status} by a rule of the fault proxy"
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return {**head, "message": message, "reason": reason, "code": self.status}


REASONS: Final = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(slots=True)
class Delay(Rule):
    """A delay before the request is forwarded."""

    seconds: float = 0.0


@dataclass(slots=True)
class Drop(Rule):
    """A connection that is cut or hangs before anything is forwarded."""

    loss: Loss = Loss.CUT


@dataclass(slots=True)
class Followed(Rule):
    """A request that is forwarded, with the server's answer reported to the test."""

    _answers: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    async def landed(self) -> int:
        """Wait for the server's next answer and return its HTTP status; raise TimeoutError after `PATIENCE` seconds."""
        async with asyncio.timeout(PATIENCE):
            return await self._answers.get()

    def answered(self, status: int) -> None:
        """Report the server's answer; called by the proxy."""
        self._answers.put_nowait(status)


@dataclass(slots=True)
class LoseAnswer(Followed):
    """A request that is forwarded, and whose answer is withheld from the client."""

    loss: Loss = Loss.CUT


@dataclass(slots=True)
class Hold(Followed):
    """A straggler: requests are held until `release`, then forwarded, whether or not the client still waits."""

    _held: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self) -> None:
        """Wait until a request is held; raise TimeoutError after `PATIENCE` seconds."""
        async with asyncio.timeout(PATIENCE):
            await self._held.wait()

    def release(self) -> None:
        """Forward the requests that are held; later ones are no longer held."""
        self._released.set()

    async def wait(self) -> None:
        """Hold one request until `release`; called by the proxy."""
        self._held.set()
        await self._released.wait()


R = TypeVar("R", bound=Rule)


class Faults:
    """The rules in force; the first that takes a request acts on it."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def rule_for(self, request: ProxiedRequest) -> Rule | None:
        """Return the rule that acts on this request, counting the request there, or None if there is none."""
        return next((rule for rule in self._rules if rule.takes(request)), None)

    def fail(
        self,
        method: str,
        *,
        status: int,
        path: str = "",
        when: When = None,
        times: int | None = None,
        retry_after: int | None = None,
        message: str = "",
    ) -> Rule:
        """Answer with this status in the server's place, and with a body as the server's: plain text for 429, else a `Status`."""
        return self._add(FailedAnswer(method, path, when, times, status=status, retry_after=retry_after, message=message))

    def delay(self, method: str, seconds: float, *, path: str = "", when: When = None, times: int | None = None) -> Rule:
        """Forward after `seconds`."""
        return self._add(Delay(method, path, when, times, seconds=seconds))

    def drop(self, method: str, *, path: str = "", when: When = None, times: int | None = None, loss: Loss = Loss.CUT) -> Rule:
        """Cut the connection, or hang, before anything is forwarded."""
        return self._add(Drop(method, path, when, times, loss=loss))

    def lose_answer(
        self, method: str, *, path: str = "", when: When = None, times: int | None = None, loss: Loss = Loss.CUT
    ) -> LoseAnswer:
        """Have the server carry the request out, and lose its answer: cut the connection, or hang."""
        return self._add(LoseAnswer(method, path, when, times, loss=loss))

    def hold(self, method: str, *, path: str = "", when: When = None, times: int | None = None) -> Hold:
        """Keep requests back until they are released; they then reach the server even if their client is long gone."""
        return self._add(Hold(method, path, when, times))

    def _add(self, rule: R) -> R:
        self._rules.append(rule)
        return rule

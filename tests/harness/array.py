"""An array that many volumes are attached at: a call that it has got goes on though nobody waits for it any more.

Contract: it enforces the fencing tokens as little as a driver may that enforces them at all: one below the highest is refused, an
equal one is taken. Two nodes at once, and a token that doesn't show which of two calls is the later (`tokens.py`), are breaches.
The later one is that which Temporal gave out later: a busy worker may begin with another first.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from temporalio import activity

from mooring.errors import BackendFailedPrecondition, BackendUncertain
from mooring.models import BackendCall
from tests.harness.tokens import Tokens, Verb


class Turn(Enum):
    """The fate of a call: it is kept back, and its caller waits or hears that nothing is known; or it is refused.

    NB: on a busy machine the server may never hear an answer that it asked for: a refused attach is refused to whoever asks again,
    until a detach shows that the refusal was heard.
    """

    HANGS = "hangs"
    STRAYS = "strays"
    REFUSED = "refused"


@dataclass(slots=True)
class Array:
    """An array, by volume: the nodes it is `attached` to, the `breaches`, the calls `kept` back, and the `turns` of later calls."""

    attached: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    breaches: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[str, list[tuple[Verb, BackendCall]]] = field(default_factory=lambda: defaultdict(list))
    turns: dict[tuple[Verb, str], list[Turn]] = field(default_factory=lambda: defaultdict(list))
    first: dict[tuple[str, str], Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """Effects that precede the next call that attaches them, by volume and node."""
    _order: Tokens = field(default_factory=Tokens)
    _highest: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _last: dict[str, datetime] = field(default_factory=lambda: defaultdict(lambda: datetime.min.replace(tzinfo=UTC)))
    """The time of the last call, by volume."""

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, unless another turn is due."""
        first = self.first.pop((call.volume.volume_handle, call.node_id), None)
        if first is not None:
            await first()
        await self._take("publish", call)
        return {"device": "/dev/sdx"}

    async def unpublish(self, call: BackendCall) -> None:
        """Detach, unless another turn is due."""
        await self._take("unpublish", call)

    def land(self, volume: str) -> None:
        """Carry out what was kept back, which nobody may wait for any more."""
        kept = self.kept.pop(volume, [])
        for verb, call in kept:
            self._carry_out(verb, call)

    async def _take(self, verb: Verb, call: BackendCall) -> None:
        volume = call.volume.volume_handle
        refusal = self._order.refusal(volume, verb, call.node_id, call.token)
        given_out = activity.info().started_time if activity.in_activity() else datetime.now(UTC)
        self.breaches[volume] += [refusal] if refusal and given_out > self._last[volume] else []
        self._last[volume] = datetime.now(UTC)
        if verb == "unpublish" and self.turns["publish", volume][:1] == [Turn.REFUSED]:
            del self.turns["publish", volume][0]
        turns = self.turns[verb, volume]
        if turns[:1] == [Turn.REFUSED]:
            raise BackendFailedPrecondition("The array is full.")
        match turns.pop(0) if turns else None:
            case None:
                refusal = self._carry_out(verb, call)
                if refusal:
                    raise BackendFailedPrecondition(refusal)
            case turn:
                self.kept[volume].append((verb, call))
                if turn is Turn.HANGS:
                    await asyncio.Event().wait()  # NB: ends when the activity runs out of time or is cancelled
                raise BackendUncertain("No answer.")

    def _carry_out(self, verb: Verb, call: BackendCall) -> str:
        """Change the nodes that have the volume; return the reason if the token is too low."""
        volume, token = call.volume.volume_handle, call.token or 0
        if token < self._highest[volume]:
            return f"{verb} of {volume} on {call.node_id} has token {token}, and {self._highest[volume]} was seen."
        self._highest[volume] = token
        nodes = self.attached[volume]
        if verb == "unpublish":
            nodes -= {call.node_id} if call.node_id else set(nodes)
        else:
            nodes.add(call.node_id)
        if len(nodes) > 1:
            self.breaches[volume].append(f"attached to {sorted(nodes)} at once by {verb} with token {token}")
        return ""

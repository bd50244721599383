"""A backend in memory that keeps a journal of every physical attach and detach, enforces the fencing tokens, and fails as asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from mooring.errors import BackendFailed, BackendFailedPrecondition, BackendInvalidArgument, MooringError
from mooring.models import BackendCall
from tests.harness.tokens import Tokens, Verb


@dataclass(slots=True)
class JournalBackend:
    """A backend that attaches for real, as far as its own `attached` goes: volume handle -> nodes.

    A test that `expects_stragglers` is content with calls that were `refused` for their token.
    """

    attached: dict[str, set[str]] = field(default_factory=dict)
    journal: list[tuple[str, str, str, int]] = field(default_factory=list)
    calls: list[BackendCall] = field(default_factory=list)
    tokens: Tokens = field(default_factory=Tokens)
    refused: list[str] = field(default_factory=list)
    expects_stragglers: bool = False
    publish_errors: list[MooringError] = field(default_factory=list)
    unpublish_errors: list[MooringError] = field(default_factory=list)
    apply_before_error: bool = False
    needs_node: bool = False
    """True if it refuses a detach without a node id, as many drivers do."""
    publish_gate: asyncio.Event | None = None
    unpublish_gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    context: dict[str, str] = field(default_factory=lambda: {"device": "/dev/sdx"})

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, unless an error is due."""
        self.entered.set()
        if self.publish_gate is not None:
            await self.publish_gate.wait()
        if self.publish_errors and not self.apply_before_error:
            raise self.publish_errors.pop(0)
        self._note("publish", call)
        self.attached.setdefault(call.volume.volume_handle, set()).add(call.node_id)
        if self.publish_errors:
            raise self.publish_errors.pop(0)
        return self.context

    async def unpublish(self, call: BackendCall) -> None:
        """Detach, unless an error is due."""
        self.leaving.set()
        if self.unpublish_gate is not None:
            await self.unpublish_gate.wait()
        if self.unpublish_errors:
            raise self.unpublish_errors.pop(0)
        if self.needs_node and not call.node_id:
            raise BackendInvalidArgument("A node id is needed.")
        self._note("unpublish", call)
        nodes = self.attached.setdefault(call.volume.volume_handle, set())
        nodes -= {call.node_id} if call.node_id else set(nodes)

    def _note(self, verb: Verb, call: BackendCall) -> None:
        refusal = self.tokens.refusal(call.volume.volume_handle, verb, call.node_id, call.token)
        if refusal:
            self.refused.append(refusal)
            raise BackendFailedPrecondition(f"{refusal}.")
        self.calls.append(call)
        self.journal.append((verb, call.volume.volume_handle, call.node_id, call.epoch))


def refusal(text: str = "the array is full") -> BackendFailed:
    """Return a final error of a backend."""
    return BackendFailed(text)

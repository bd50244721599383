"""The storage behind the driver: the attachments, with nothing but the journal to remember them by.

Contract: each method decides and writes without letting another call in between. Two nodes at once are let happen, and written
down as a violation unless every access mode allows it. A call whose fencing token is too old (`tokens.py`) changes nothing, and is
written down as a straggler, unless the driver is `heedless`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import grpc
from msgspec.structs import replace

from tests.harness.driver.journal import Attachments, Call, Entry, Writer, apply_entry, attachments_of
from tests.harness.driver.options import Options
from tests.harness.tokens import Tokens


@dataclass(slots=True, eq=False)
class Refusal(Exception):
    """A final answer other than OK."""

    code: grpc.StatusCode
    message: str


class Storage:
    """The storage as recorded in the journal."""

    def __init__(self, journal: Writer, entries: Sequence[Entry], options: Options) -> None:
        self._journal = journal
        self._options = options
        self._attachments: Attachments = attachments_of(entries)
        self.tokens = Tokens()
        for call in (entry.call for entry in entries if entry.event == "fence"):
            self.tokens.refusal(call.volume, call.rpc, call.node, call.token)

    def attach(self, call: Call) -> None:
        """Attach the volume to the call's node; attached there already for the same use, nothing."""
        self._check_fence(call)
        found = self._attachments.get(call.volume, {}).get(call.node)
        if found is None:
            self._check_limit(call)
            self._change("attach", call)
            self._judge(call)
        elif (found.mode, found.readonly) != (call.mode, call.readonly):
            message = f"volume {call.volume} is on node {call.node} as {found.mode}, readonly {found.readonly}: unpublish it first"
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, message)

    def detach(self, call: Call) -> None:
        """Detach the volume from the call's node, or from every node where that is empty."""
        self._check_fence(call)
        for node in tuple(self._attachments.get(call.volume, {})):
            if call.node in ("", node):
                self._change("detach", replace(call, node=node))

    def published(self) -> list[tuple[str, list[str]]]:
        """Return each volume that was ever attached, and the nodes that have it, by name."""
        return [(volume, sorted(nodes)) for volume, nodes in sorted(self._attachments.items())]

    def _change(self, event: Literal["attach", "detach"], call: Call) -> None:
        apply_entry(self._attachments, self._journal.write(event, call))

    def _judge(self, call: Call) -> None:
        nodes = self._attachments[call.volume]
        if len(nodes) > 1 and not all(each.multi_node for each in nodes.values()):
            self._journal.write("violation", call, nodes=sorted(nodes))

    def _check_limit(self, call: Call) -> None:
        there = sum(call.node in nodes for nodes in self._attachments.values())
        if 0 < self._options.attach_limit <= there:
            message = f"node {call.node} has {there} volumes, its limit: volume {call.volume} needs another node"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message)

    def _check_fence(self, call: Call) -> None:
        if self._options.heedless:
            return
        refusal = self.tokens.refusal(call.volume, call.rpc, call.node, call.token)
        self._journal.write("straggler" if refusal else "fence", call)
        if refusal:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, refusal)

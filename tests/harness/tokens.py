"""The checks of a backend that keeps the highest fencing token of each volume.

Contract: a token below the highest is refused, and so is an attach with the highest one, unless it repeats the attach that had it
first: of two calls for one volume the later bears the higher token. A call without one passes, and doesn't change the highest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verb = Literal["publish", "unpublish"]


@dataclass(slots=True)
class Tokens:
    """The highest token of each volume, and the call that had it first: `publish` or `unpublish`, and the node."""

    highest: dict[str, tuple[int, Verb, str]] = field(default_factory=dict)

    def refusal(self, volume: str, verb: Verb, node: str, token: int | None) -> str:
        """Return why the call is refused, or "" if it passes, in which case it is remembered."""
        highest, by, where = self.highest.get(volume, (0, verb, node))
        if token is None or (token == highest and (verb == "unpublish" or (by, where) == (verb, node))):
            return ""
        if token > highest:
            self.highest[volume] = (token, verb, node)
            return ""
        seen = f"{highest} was seen with {by} on node {where!r}"
        return f"{verb} of volume {volume} on node {node!r} has fencing token {token}, and {seen}"

"""The audit log of a real API server: the requests of its audited users, and the answers to them.

Contract: every request that has been answered is there. One entry a request, a watch included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

READS = ("get", "list", "watch")


class Right(NamedTuple):
    """A right that RBAC grants; a subresource follows the resource after a slash."""

    group: str
    resource: str
    verb: str


class _User(msgspec.Struct, frozen=True):
    username: str


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    resource: str = ""
    subresource: str = ""
    name: str = ""
    api_group: str = ""


class _Status(msgspec.Struct, frozen=True):
    code: int = 0


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """One request (audit.k8s.io/v1 Event)."""

    audit_id: str = msgspec.field(name="auditID")
    verb: str
    user: _User
    object_ref: _Object = _Object()
    response_status: _Status = _Status()
    annotations: dict[str, str] = {}

    @property
    def right(self) -> Right:
        """The right that it takes."""
        about = self.object_ref
        return Right(about.api_group, "/".join(filter(None, (about.resource, about.subresource))), self.verb)

    @property
    def forbidden(self) -> bool:
        """True if its user hadn't the right."""
        return self.annotations.get("authorization.k8s.io/decision") == "forbid"


_ENTRY = msgspec.json.Decoder(Entry)


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The log in this file."""

    path: Path

    def position(self) -> int:
        """Return where the log ends now, for `entries`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def entries(self, user: str, since: int = 0) -> list[Entry]:
        """Return this user's requests since a position, in the order of the answers."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as log:
            log.seek(since)
            lines = [line for line in log if line.endswith(b"\n")]  # the last one may be under way
        found = {entry.audit_id: entry for entry in map(_ENTRY.decode, lines) if entry.user.username == user}
        return list(found.values())

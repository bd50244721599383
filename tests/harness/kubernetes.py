"""The API server of a test session, embedded or real, and those who use it.

Invariant: on a real one Mooring's account has the rights that ship, and has asked for nothing beyond them when the session ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes, RealKubernetes
from mooring.devstack.kubernetes.account import ACCOUNT, USERS, grant
from tests.harness.audit import AuditLog


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """An API server, as an admin and as Mooring's account; `audit` is what the account did, where the server is real."""

    admin: ApiServer
    account: ApiServer
    audit: AuditLog | None = None


@asynccontextmanager
async def open_kubernetes(assets: Path | None, folder: Path) -> AsyncIterator[Kubernetes]:
    """Start the real server in `folder`, if there are binaries of it, else the embedded one, which knows no rights."""
    if assets is None:
        async with EmbeddedKubernetes.start() as embedded:
            yield Kubernetes(ApiServer(embedded.url), ApiServer(embedded.url))
        return
    async with RealKubernetes.start(assets, folder, USERS, audited=[ACCOUNT]) as real:
        await grant(real)
        audit = AuditLog(real.audit_log)
        yield Kubernetes(real.server(), real.server(ACCOUNT), audit)
        forbidden = {entry.right for entry in audit.entries(ACCOUNT) if entry.forbidden}
        assert not forbidden, f"Mooring asked for what deploy/kubernetes/rbac.yaml doesn't grant: {forbidden}"

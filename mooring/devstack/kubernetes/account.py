"""Mooring's account on a real API server: a ServiceAccount with exactly the rights in deploy/kubernetes/rbac.yaml."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from mooring.devstack.kubernetes.manifests import apply, read_manifests
from mooring.devstack.kubernetes.real import ADMINS, RealKubernetes
from mooring.devstack.process import StackError

RBAC: Final = Path(__file__).parents[3] / "deploy" / "kubernetes" / "rbac.yaml"
NAMESPACE: Final = "mooring"
ACCOUNT: Final = f"system:serviceaccount:{NAMESPACE}:mooring"
GROUPS: Final = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")
USERS: Final[Mapping[str, Sequence[str]]] = {**ADMINS, ACCOUNT: GROUPS}
"""Whom to start a server with."""
REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
GRANT_SECONDS: Final = 30.0


async def grant(real: RealKubernetes) -> None:
    """Grant the account its rights, and return once they are in effect.

    Raises:
        StackError: there is no rbac.yaml, which is only in a checkout, or the rights don't take effect.

    """
    if not RBAC.exists():
        raise StackError(f"{RBAC} isn't there: a real Kubernetes needs a checkout of Mooring. Ask for the embedded one.")
    await apply(real.server(), read_manifests(RBAC))
    try:
        async with asyncio.timeout(GRANT_SECONDS):
            while not await _may_patch(real):  # noqa: ASYNC110 - nothing to be woken by
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise StackError(f"{ACCOUNT} still may not patch PersistentVolumes: see whether {RBAC} binds it.") from None


async def _may_patch(real: RealKubernetes) -> bool:
    """Return whether the role is in effect; asks as admin, since the account itself must never be refused."""
    server = real.server()
    asked = {"resource": "persistentvolumes", "verb": "patch"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": ACCOUNT, "groups": list(GROUPS), "resourceAttributes": asked},
    }
    async with (
        aiohttp.ClientSession(server.url, headers=server.headers()) as session,
        session.post(REVIEWS, json=review, ssl=server.ssl()) as answer,
    ):
        found: dict[str, Any] = await answer.json()
        return answer.ok and bool(found["status"]["allowed"])

"""The rights that Mooring's account needs, and the check that an account has them.

NB: `RIGHTS` says what deploy/kubernetes/rbac.yaml grants; a wheel has no manifest to read it from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mooring.kubernetes.api import Request
from mooring.kubernetes.list_watch import decode

if TYPE_CHECKING:
    from mooring.kubernetes.api import KubernetesApi

RIGHTS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "persistentvolumes"): ("get", "list", "watch", "patch"),
    ("storage.k8s.io", "csinodes"): ("list", "watch"),
    ("storage.k8s.io", "volumeattachments"): ("list", "watch"),
    ("", "nodes"): ("list", "watch"),
    ("events.k8s.io", "events"): ("create", "patch"),
}
"""API group and resource -> verbs."""

REVIEWS: Final = "/apis/authorization.k8s.io/v1"


class _Decision(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Decision = msgspec.field(default_factory=_Decision)


_REVIEW: Final = msgspec.json.Decoder(_Review)


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount, by the form NAMESPACE:NAME."""

    namespace: str
    name: str

    @classmethod
    def of(cls, text: str) -> Account:
        """Parse the account's name; raise ValueError if it has another form."""
        namespace, colon, name = text.removeprefix("system:serviceaccount:").partition(":")
        if not (namespace and colon and name) or ":" in name:
            raise ValueError(f"{text!r} is not of the form NAMESPACE:NAME")
        return cls(namespace, name)

    def spec(self) -> dict[str, Any]:
        """Return the account as a SubjectAccessReview names it."""
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        return {"user": str(self), "groups": groups}

    def __str__(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"


async def missing_rights(api: KubernetesApi, account: Account | None) -> list[str]:
    """Return the rights, each as "verb resource", that the account lacks, or the user if it is None.

    Raises:
        NotFound: the API server has no access reviews.
        KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

    """
    wanted = [(group, resource, verb) for (group, resource), verbs in RIGHTS.items() for verb in verbs]
    allowed = await asyncio.gather(*(_may(api, account, *right) for right in wanted))
    return [f"{verb} {resource}" for (_, resource, verb), may in zip(wanted, allowed, strict=True) if not may]


async def _may(api: KubernetesApi, account: Account | None, group: str, resource: str, verb: str) -> bool:
    kind = "SubjectAccessReview" if account else "SelfSubjectAccessReview"
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": kind,
        "spec": {**(account.spec() if account else {}), "resourceAttributes": {"group": group, "resource": resource, "verb": verb}},
    }
    request = Request(
        f"ask whether {account or 'this account'} may {verb} {resource}", "POST", f"{REVIEWS}/{kind.lower()}s", body=body
    )
    return decode(_REVIEW, request, await api.request(request)).status.allowed

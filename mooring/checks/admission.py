"""The admission policy: it protects the records of the driver, and lets workers of this version write them.

Not kept here: the other questions about Kubernetes (kubernetes.py), and the policy itself (deploy/kubernetes/admission.yaml).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from mooring.checks.results import Answer, failed, ok, unknown, warning
from mooring.errors import KubernetesForbidden
from mooring.kubernetes.api import NotFound, Request
from mooring.kubernetes.list_watch import decode
from mooring.process.words import counted
from mooring.records.keys import NAMES

if TYPE_CHECKING:
    from mooring.kubernetes.api import KubernetesApi

POLICIES: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
POLICY: Final = "mooring"
_APPLY: Final = "kubectl apply -f deploy/kubernetes/admission.yaml"
_WITHOUT: Final = (
    "Without the policy, everyone who may patch PersistentVolumes may write records, and two nodes may get one volume."
)


class _Variable(msgspec.Struct):
    name: str = ""
    expression: str = ""


class _PolicySpec(msgspec.Struct):
    variables: list[_Variable] = msgspec.field(default_factory=list)


class _Policy(msgspec.Struct):
    spec: _PolicySpec = msgspec.field(default_factory=_PolicySpec)

    def says(self, variable: str, text: str) -> bool:
        """Return whether the expression of this variable has the text in it."""
        return any(each.name == variable and text in each.expression for each in self.spec.variables)


_DECODER: Final = msgspec.json.Decoder(_Policy)


async def protected(api: KubernetesApi, driver: str) -> Answer:
    """Answer whether the policy in the cluster is one for records of this driver, as this version writes them."""
    request = Request(f"read ValidatingAdmissionPolicy {POLICY}", "GET", f"{POLICIES}/{POLICY}")
    try:
        policy = decode(_DECODER, request, await api.request(request))
    except NotFound:
        return warning(_WITHOUT, "Set drivers and account in deploy/kubernetes/admission.yaml, and then:", _APPLY)
    except KubernetesForbidden:
        return unknown("get validatingadmissionpolicies.admissionregistration.k8s.io")
    if not policy.says("drivers", f"'{driver}'"):
        why = f"ValidatingAdmissionPolicy {POLICY} does not name driver {driver}, so its records are not protected."
        return warning(why, "Add it to the drivers in deploy/kubernetes/admission.yaml, and then:", _APPLY)
    lacking = [name for name in NAMES if not policy.says("keys", f"'{name}'")]
    return _outdated(lacking, refuses=not policy.says("shared", "true")) if lacking else ok()


def is_for_others(refusal: str) -> bool:
    """Return whether the policy has refused a write because it was not the workers' account that made it."""
    return f"ValidatingAdmissionPolicy '{POLICY}'" in refusal and "may write nothing but its record" not in refusal


def _outdated(lacking: list[str], *, refuses: bool) -> Answer:
    """Answer that the policy lacks annotations; it `refuses` them to the workers, or leaves them to everybody."""
    what = f"{counted(len(lacking), 'annotation')} that this version writes: {', '.join(lacking)}"
    why = f"ValidatingAdmissionPolicy {POLICY} is of another version and does not know {what}."
    fix = "Upgrade the Helm release; without Helm, set drivers, account and shared in this version's admission.yaml, and then:"
    if refuses:
        return failed(f"{why} It refuses the workers' writes of that, with status 403.", fix, _APPLY)
    return warning(f"{why} So everyone who may patch PersistentVolumes may write that.", fix, _APPLY)

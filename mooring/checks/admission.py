"""The admission policy: it protects the records of the driver, and lets workers of this version write them.

Not kept here: the other questions about Kubernetes (kubernetes.py), and the policy itself (deploy/kubernetes/admission.yaml).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from mooring.checks.results import Answer, Result, failed, ok, unknown, warning
from mooring.errors import KubernetesForbidden
from mooring.kubernetes.api import NotFound, Request
from mooring.kubernetes.list_watch import decode
from mooring.kubernetes.metadata import Metadata
from mooring.process.words import counted
from mooring.records.keys import NAMES

if TYPE_CHECKING:
    from mooring.kubernetes.api import KubernetesApi

POLICIES: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
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
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: _PolicySpec = msgspec.field(default_factory=_PolicySpec)

    def says(self, variable: str, text: str) -> bool:
        """Return whether the expression of this variable has the text in it."""
        return any(each.name == variable and text in each.expression for each in self.spec.variables)


class _Policies(msgspec.Struct):
    items: list[_Policy] = msgspec.field(default_factory=list)


_DECODER: Final = msgspec.json.Decoder(_Policies)


async def protected(api: KubernetesApi, driver: str) -> Answer:
    """Answer whether a policy in the cluster is one for records of this driver, as this version writes them."""
    try:
        policies = await _of_records(api)
    except KubernetesForbidden:
        return unknown("list validatingadmissionpolicies.admissionregistration.k8s.io")
    if not policies:
        return warning(_WITHOUT, "Set drivers and account in deploy/kubernetes/admission.yaml, and then:", _APPLY)
    names = [policy for policy in policies if policy.says("drivers", f"'{driver}'")]
    if not names:
        what = " and ".join(policy.metadata.name for policy in policies)
        why = f"No ValidatingAdmissionPolicy names driver {driver}, so its records are not protected; there is {what}."
        return warning(why, "Add it to the drivers in deploy/kubernetes/admission.yaml, and then:", _APPLY)
    judged = [_judge(policy) for policy in names]
    return next((answer for answer in judged if answer.result is not Result.OK), judged[0])


async def _of_records(api: KubernetesApi) -> list[_Policy]:
    """Return the policies that are about records, whatever they are called: a Helm release calls its own by its name."""
    request = Request("list ValidatingAdmissionPolicies", "GET", POLICIES)
    try:
        listed = decode(_DECODER, request, await api.request(request))
    except NotFound:
        return []
    return [policy for policy in listed.items if policy.says("keys", f"'{NAMES[0]}'")]


def _judge(policy: _Policy) -> Answer:
    """Answer whether the policy knows what this version writes; if not, it refuses that to the workers, or leaves it to all."""
    lacking = [name for name in NAMES if not policy.says("keys", f"'{name}'")]
    if not lacking:
        return ok()
    what = f"{counted(len(lacking), 'annotation')} that this version writes: {', '.join(lacking)}"
    why = f"ValidatingAdmissionPolicy {policy.metadata.name} is of another version and does not know {what}."
    fix = "Upgrade the Helm release; without Helm, set drivers, account and shared in this version's admission.yaml, and then:"
    if policy.says("shared", "true"):
        return warning(f"{why} So everyone who may patch PersistentVolumes may write that.", fix, _APPLY)
    return failed(f"{why} It refuses the workers' writes of that, with status 403.", fix, _APPLY)


def is_for_others(refusal: str) -> bool:
    """Return whether the policy has refused a write because it was not the workers' account that made it."""
    return "ValidatingAdmissionPolicy '" in refusal and ": Mooring alone (" in refusal

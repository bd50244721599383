"""The volume or the node that a person means, by any name that the cluster has for it.

A volume goes by its handle (`volume/HANDLE`), its PV (`pv/NAME`), `pvc/NAMESPACE/NAME` or `pod/NAMESPACE/NAME`; a node by its CSI
node id (`id/NODE-ID`) or its Node (`node/NAME`). Without a form, handle and PV, or id and Node, are both looked for.

Contract: a name with two meanings is refused, and each meaning is listed in a form that has no other. A name that is
unknown is taken for a handle or a node id, and `known` is False; where its form says that it is something else, it is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from mooring.cluster.node_ids import read_node_ids
from mooring.cluster.volume_attachments import node_id_of
from mooring.commands import arguments, code
from mooring.errors import InvalidRequest, NodeNotFound, VolumeNotFound
from mooring.kubernetes.api import NotFound, Request
from mooring.kubernetes.attachment_objects import VOLUME_ATTACHMENTS
from mooring.kubernetes.list_watch import decode, list_all
from mooring.kubernetes.node_objects import NODE_NAME, NODES
from mooring.kubernetes.pod_objects import POD
from mooring.kubernetes.pv_objects import PVS_WITH_STATUS, Pv, PvWithStatus, handle
from mooring.models import Skip

if TYPE_CHECKING:
    from mooring.kubernetes.api import KubernetesApi

HANDLE: Final = "volume"
PV: Final = "pv"
PVC: Final = "pvc"
POD_FORM: Final = "pod"
ID: Final = "id"
NODE: Final = "node"
VOLUME_FORMS: Final[Mapping[str, str]] = {
    HANDLE: HANDLE,
    PV: PV,
    "persistentvolume": PV,
    PVC: PVC,
    "persistentvolumeclaim": PVC,
    POD_FORM: POD_FORM,
}
NODE_FORMS: Final[Mapping[str, str]] = {ID: ID, NODE: NODE}
BOUND: Final = "Bound"


@dataclass(frozen=True, slots=True)
class Identified:
    """The meaning of a name: a volume handle or a node id.

    `known`: the cluster has it, or the name's form insists on it; None if the cluster couldn't be asked. `says`: how the name was
    understood, "" if it is the id itself. `doubt`: what there is of the name instead, if the id is unknown; "" for nothing.
    """

    id: str
    known: bool | None = True
    says: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a name, in a form that has no other: `pv/pv-8`; `what` describes it."""

    id: str
    form: str
    what: str


def split(name: str, forms: Mapping[str, str]) -> tuple[str, str]:
    """Return the form of the name and the rest, "" and the name if it has none."""
    form, slash, rest = name.partition("/")
    return (forms[form], rest) if slash and rest and form in forms else ("", name)


async def find_volume(api: KubernetesApi, driver: str, name: str) -> Identified:
    """Find the driver's volume with this name.

    Raises:
        VolumeNotFound: there is none, and the name is no volume handle.
        InvalidRequest: the name has several meanings, or is malformed.
        KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

    """
    form, rest = split(name, VOLUME_FORMS)
    claims = await _claims(api, form, rest)
    named = AskedVolume(driver, name, form, rest, claims)
    pvs = await list_all(api, PVS_WITH_STATUS, named.fits)
    found = _only([meaning for pv in named.current(pvs) if (meaning := named.meaning(pv))], name)
    if found is not None:
        return found
    others = [pv for pv in pvs if not named.is_handle(pv)]
    if others or form not in ("", HANDLE):
        raise _no_volume(named, others)
    return Identified(rest, known=False)


@dataclass(frozen=True, slots=True)
class AskedVolume:
    """A name of a volume: `rest` is that without its form; `claims` are the PersistentVolumeClaims that it means."""

    driver: str
    name: str
    form: str
    rest: str
    claims: Collection[str]

    def fits(self, pv: PvWithStatus) -> bool:
        """Return whether the name may mean the PV, of whichever driver."""
        return self.is_handle(pv) or self._is_pv(pv) or claim_of(pv) in self.claims

    def is_handle(self, pv: Pv) -> bool:
        """Return whether the name is the volume's handle."""
        return handle(self.driver, pv) == (self.rest if self.form == HANDLE else self.name)

    def current(self, pvs: Sequence[PvWithStatus]) -> Sequence[PvWithStatus]:
        """Return the PVs without those that were bound to the PersistentVolumeClaim before another one was."""
        bound = {claim_of(pv) for pv in pvs if pv.status.phase == BOUND}
        named = [pv for pv in pvs if self.is_handle(pv) or self._is_pv(pv)]
        return named + [pv for pv in pvs if pv not in named and (pv.status.phase == BOUND or claim_of(pv) not in bound)]

    def meaning(self, pv: Pv) -> Meaning | None:
        """Return the meaning that the PV gives the name, or None if it is none of the driver's volumes."""
        volume, called = handle(self.driver, pv), pv.metadata.name
        if isinstance(volume, Skip):
            return None
        if self.is_handle(pv):
            return Meaning(volume, f"{HANDLE}/{volume}", "")
        if self._is_pv(pv):
            return Meaning(volume, f"{PV}/{called}", f"PersistentVolume {called}, whose volume handle is {volume}")
        claim = f"PersistentVolumeClaim {claim_of(pv)}, whose PersistentVolume {called} has the volume handle {volume}"
        return Meaning(volume, f"{PV}/{called}", claim)

    def _is_pv(self, pv: Pv) -> bool:
        return self.form in ("", PV) and pv.metadata.name == self.rest


async def find_node(api: KubernetesApi, driver: str, name: str, held: Collection[str] = ()) -> Identified:
    """Find the node with this name, as the driver knows it; `held` are the node ids that records name.

    Raises:
        NodeNotFound: there is none, and the name is no node id.
        InvalidRequest: the name has several meanings.
        KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

    """
    form, rest = split(name, NODE_FORMS)
    if form == ID:
        return Identified(rest)
    node_ids = await read_node_ids(api, driver)
    meanings = [Meaning(name, f"{ID}/{name}", "")] if name in held or name in node_ids.values() else []
    if rest in node_ids:
        meanings.append(_by_node(node_ids[rest], rest))
    meanings = meanings or [_by_node(each, rest) for each in await _noted(api, driver, rest)]
    found = _only(meanings, name)
    return found or await _plain_node(api, driver, AskedNode(name, form, rest), registered=bool(node_ids))


@dataclass(frozen=True, slots=True)
class AskedNode:
    """A name of a node: `rest` is that without its form."""

    name: str
    form: str
    rest: str


async def _plain_node(api: KubernetesApi, driver: str, named: AskedNode, *, registered: bool) -> Identified:
    """Return the meaning of a name that is at most a Node's; `registered`: the driver gives Nodes ids of its own."""
    selector = {"fieldSelector": f"metadata.name={named.rest}"}
    nodes = await list_all(api, NODES, selector=selector) if NODE_NAME.fullmatch(named.rest) else []
    if nodes and not registered:
        return Identified(named.rest)
    doubt = f"Node {named.rest} exists, and nothing gives the node id that driver {driver} has for it" if nodes else ""
    if named.form == NODE:
        raise NodeNotFound(f"{doubt or f'There is no Node {named.rest}, nor a CSINode or VolumeAttachment of it'}.")
    return Identified(named.rest, known=False, doubt=doubt)


async def _noted(api: KubernetesApi, driver: str, node: str) -> list[str]:
    """Return the ids of the Node as external-attacher has noted them."""
    own = await list_all(api, VOLUME_ATTACHMENTS, lambda each: each.spec.attacher == driver and each.spec.node_name == node)
    return list(dict.fromkeys(noted for each in own if (noted := node_id_of(each, {}))))


async def _claims(api: KubernetesApi, form: str, rest: str) -> list[str]:
    """Return the PersistentVolumeClaims that the name means, as NAMESPACE/NAME."""
    if form not in (PVC, POD_FORM):
        return []
    namespace, _, name = rest.partition("/")
    if not (namespace and name) or "/" in name:
        raise InvalidRequest(f"{form}/{rest} has to be {form}/NAMESPACE/NAME.")
    if form == PVC:
        return [rest]
    request = Request(f"read Pod {rest}", "GET", f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}")
    try:
        pod = decode(POD, request, await api.request(request))
    except NotFound:
        pods = code(f"kubectl get pods -n {arguments(namespace)}")
        raise VolumeNotFound(f"There is no Pod {rest}.", f"Check the namespace and the name: {pods}.") from None
    return [f"{namespace}/{claim}" for claim in pod.claims]


def claim_of(pv: Pv) -> str:
    """Return the PersistentVolumeClaim that the PV is bound to, as NAMESPACE/NAME, "" for none."""
    return f"{pv.spec.claim_ref.namespace}/{pv.spec.claim_ref.name}" if pv.spec.claim_ref else ""


def _by_node(node_id: str, name: str) -> Meaning:
    return Meaning(node_id, f"{ID}/{node_id}", f"Node {name}, whose node id is {node_id}")


def _only(meanings: Sequence[Meaning], name: str) -> Identified | None:
    """Return the one meaning of a name, or None if it has none; raise InvalidRequest if it has several."""
    ids = {each.id: each for each in reversed(meanings)}
    if len(ids) > 1:
        each = " or ".join(f"{meaning.form} ({meaning.what or 'by that very name'})" for meaning in ids.values())
        raise InvalidRequest(f"{name} has several meanings; name one of them: {each}.")
    if not ids:
        return None
    [meaning] = ids.values()
    return Identified(meaning.id, says=f"{name} is {meaning.what}." if meaning.what and meaning.id != name else "")


def _no_volume(named: AskedVolume, others: Sequence[Pv]) -> VolumeNotFound:
    """Return the error that the name is none of the driver's volumes, with the command that shows more of what was named."""
    if others:
        return _anothers(named, others)
    if named.form == PV:
        return VolumeNotFound(f"There is no PersistentVolume {named.rest}.", f"Check the spelling: {code('kubectl get pv')}.")
    if named.form == POD_FORM and not named.claims:
        return VolumeNotFound(
            f"Pod {named.rest} has no PersistentVolumeClaim.", "Name the volume by its PersistentVolume or its handle."
        )
    claims = " or ".join(named.claims)
    commands = " and ".join(code(f"kubectl describe pvc -n {arguments(*claim.split('/'))}") for claim in named.claims)
    return VolumeNotFound(f"No PersistentVolume is bound to PersistentVolumeClaim {claims}.", f"{commands} says why, if it exists.")


def _anothers(named: AskedVolume, others: Sequence[Pv]) -> VolumeNotFound:
    drivers = " and ".join(f"PersistentVolume {pv.metadata.name} ({_driver(pv)})" for pv in others)
    what = f"{named.name} is no volume of driver {named.driver}, but"
    if any(pv.spec.csi for pv in others):
        return VolumeNotFound(f"{what} of another: {drivers}.", "Name the driver with --driver.")
    return VolumeNotFound(f"{what} {drivers}.", "Mooring attaches the volumes of CSI drivers alone.")


def _driver(pv: Pv) -> str:
    return f"driver {pv.spec.csi.driver}" if pv.spec.csi else "no CSI driver"

"""The decisions about volumes that were attached before Mooring was installed: pure, from the state of the cluster.

Contract: a VolumeAttachment that is attached, of a node and a volume that are known, becomes the volume's record if no record
knows of it and nothing contradicts it. Nothing is guessed: each `Finding` in doubt says why, and whether the volume
may be published meanwhile.

Rules for a volume that one node may have:

1. Its record names another node: drift. An operator has to say which is right.
2. Several VolumeAttachments are attached: disputed.
3. One that is being deleted is never adopted. It counts as attached while no operation has written the record yet, because its
   detach is still due; later it may be the remainder of an unpublish.

Rules for a node that may have been taken out on purpose (`Past`):

4. A VolumeAttachment whose node was unpublished since it was made is left over: it counts for nothing, and is reported. So it is
   where no operation has written the record, too, as that may be of a PV that was made anew.
5. Others are adopted if no operation has written the record, if they were made after its last write had ended, or if all runs since
   are remembered and none took the volume from the node. If that is unknown, a volume for one node is refused until an operator
   has settled it.

NB: both sides of a wrong answer are unequal. To take one that is left over for attached costs an evacuation; the other way round
costs the data. So only a time that is later beyond doubt makes one of them left over.

Not kept here: reading the cluster (mooring/cluster/volume_attachments.py), and carrying out an adoption (adopter.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from pydantic import ValidationError

from mooring.cluster.volume_attachments import Attached, Volume
from mooring.models import AdoptRequest, Attachment, faults
from mooring.models.adoption import Finding, Verdict
from mooring.records import fence
from mooring.records.past import Past


def judge(volume: Volume, attached: Sequence[Attached], past: Mapping[str, Past]) -> list[Finding]:
    """Return what is to be done about those of the volume's VolumeAttachments, oldest first, that its record doesn't know.

    `past` gives the fate of those `in_question`, by name.
    """
    unknown = sorted(_unknown(volume, attached), key=lambda each: (each.since, each.name))
    freed = [each for each in unknown if past.get(each.name) is Past.DETACHED]
    left = [each for each in unknown if each not in freed]
    return [*_counted(volume, left, past), *(_freed(volume, each) for each in freed)]


def in_question(volume: Volume, attached: Sequence[Attached]) -> list[Attached]:
    """Return those whose fate matters: the record, which may be of a PV made anew, doesn't know them, and they are to stay."""
    return [each for each in _unknown(volume, attached) if not each.leaving]


def _unknown(volume: Volume, attached: Sequence[Attached]) -> list[Attached]:
    return _one_a_node(each for each in attached if each.node_id is None or volume.record.holder(each.node_id) is None)


def _counted(volume: Volume, unknown: Sequence[Attached], past: Mapping[str, Past]) -> list[Finding]:
    if volume.access_mode is not None:
        return [_joining(volume, each, past) for each in unknown]
    counted = [each for each in unknown if not (each.leaving and (volume.record.epoch or volume.record.everyone))]
    ignored = [found(each, Verdict.LEAVING, volume.handle) for each in unknown if each not in counted]
    return [*_exclusive(volume, counted, past), *ignored]


def _one_a_node(attached: Iterable[Attached]) -> list[Attached]:
    """Return one VolumeAttachment of each node, which may have several by several PVs; rather one that isn't being deleted."""
    chosen: dict[str, Attached] = {}
    for each in attached:
        if each.node not in chosen or chosen[each.node].leaving:
            chosen[each.node] = each
    return list(chosen.values())


def found(each: Attached, verdict: Verdict, handle: str = "", why: str = "", *, refused: bool = False) -> Finding:
    """Make a finding about this VolumeAttachment."""
    return Finding(
        volume_handle=handle,
        pv=each.pv,
        node=each.node,
        node_id=each.node_id,
        volume_attachment=each.name,
        verdict=verdict,
        why=why,
        publish_refused=refused,
    )


def refusals(findings: Sequence[Finding]) -> dict[str, str]:
    """Map each volume handle to the reason why the volume is published to nobody."""
    return {finding.volume_handle: finding.why for finding in findings if finding.publish_refused}


def _joining(volume: Volume, each: Attached, past: Mapping[str, Past]) -> Finding:
    if each.leaving:
        return found(each, Verdict.LEAVING, volume.handle)
    if each.node_id is None:
        return found(each, Verdict.UNKNOWN_NODE, volume.handle, f"Volume {volume.handle} {_place(each)}.")
    adoption = _adoption(volume, each)
    if adoption.request is not None:
        decision = fence.adopt(volume.record, adoption.request, "")
        if isinstance(decision, fence.Refuse):
            return found(each, Verdict.DRIFT, volume.handle, str(decision.error))
    return adoption if _may_adopt(volume, each, past) else _unsure(volume, each, refused=False)


def _exclusive(volume: Volume, counted: Sequence[Attached], past: Mapping[str, Past]) -> list[Finding]:
    holders = [f"is recorded as held by node {held.node_id}" for held in volume.record.everyone]
    why = f"Volume {volume.handle} {', and '.join(chain(holders, map(_place, counted)))}; nothing says which is right."
    if holders:
        return [found(each, Verdict.DRIFT, volume.handle, why, refused=True) for each in counted]
    if len(counted) > 1:
        return [found(each, Verdict.DISPUTED, volume.handle, why, refused=True) for each in counted]
    return [_only(volume, each, past) for each in counted]


def _only(volume: Volume, each: Attached, past: Mapping[str, Past]) -> Finding:
    why = f"Volume {volume.handle} {_place(each)}."
    if each.leaving:
        return found(each, Verdict.LEAVING, volume.handle, why, refused=True)
    if each.node_id is None:
        return found(each, Verdict.UNKNOWN_NODE, volume.handle, why, refused=True)
    return _adoption(volume, each) if _may_adopt(volume, each, past) else _unsure(volume, each, refused=True)


def _may_adopt(volume: Volume, each: Attached, past: Mapping[str, Past]) -> bool:
    """Return whether no one can have taken the volume from the node on purpose since the VolumeAttachment was made."""
    return not volume.record.epoch or past.get(each.name) in (Past.YOUNGER, Past.KEPT)


def _unsure(volume: Volume, each: Attached, *, refused: bool) -> Finding:
    why = (
        f"Volume {volume.handle} {_place(each)}, and its record, at epoch {volume.record.epoch}, doesn't say so: it is unknown "
        "whether the node was unpublished after the VolumeAttachment was made. If the node no longer uses the volume, "
        "unpublish it from that node, or delete the VolumeAttachment; if it does, delete the Pod, so that the volume is "
        "attached again."
    )
    return found(each, Verdict.UNSURE, volume.handle, why, refused=refused)


def _freed(volume: Volume, each: Attached) -> Finding:
    why = (
        f"Volume {volume.handle} was unpublished from node {each.node_id or each.node} after VolumeAttachment {each.name} was "
        "made, so this VolumeAttachment is left over and is not adopted. Delete it."
    )
    return found(each, Verdict.FREED, volume.handle, why)


def _adoption(volume: Volume, each: Attached) -> Finding:
    try:
        request = _request(volume, each)
    except ValidationError as error:
        return found(each, Verdict.UNREADABLE, volume.handle, f"Volume {volume.handle} can't be recorded ({faults(error)}).")
    return found(each, Verdict.ADOPT, volume.handle).model_copy(update={"request": request})


def _request(volume: Volume, each: Attached) -> AdoptRequest:
    held = Attachment(
        node_id=each.node_id or "",
        attached_at=each.since,
        access_mode=volume.access_mode,
        readonly=volume.readonly,
        publish_context=each.context,
    )
    return AdoptRequest(
        driver=volume.driver,
        volume_handle=volume.handle,
        attachment=held,
        epoch=volume.record.epoch,
        volume_attachment=each.name,
    )


def _place(each: Attached) -> str:
    going = ", which is being deleted" if each.leaving else ""
    if each.node_id is None:
        return f"is attached to node {each.node}, whose CSI node id is unknown (VolumeAttachment {each.name}{going})"
    return f"is attached to node {each.node_id} (VolumeAttachment {each.name}{going})"

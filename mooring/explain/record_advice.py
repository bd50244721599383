"""Advice about the PVs' records, and the VolumeAttachments that contradict them."""

from __future__ import annotations

from collections.abc import Iterator

from mooring.errors import MalformedRecord
from mooring.explain.commands import BREAK_GLASS, unpublish
from mooring.explain.facts import Advice, Facts
from mooring.models.adoption import Verdict
from mooring.records import refusals


def unreadable(facts: Facts) -> Iterator[Advice]:
    """Advise on a record that can't be read."""
    for pv in facts.pvs:
        if pv.problem:
            yield Advice(
                situation="unreadable-record",
                says=f"{pv.problem} {MalformedRecord.advice} The volume is published to no node until then. Never lower an epoch.",
                commands=(
                    f"kubectl get pv {pv.name} -o yaml",
                    f"kubectl annotate pv {pv.name} {BREAK_GLASS} --overwrite KEY=VALUE",
                ),
            )


def duplicated(facts: Facts) -> Iterator[Advice]:
    """Advise if the volume's PVs name holders that can't hold it at once."""
    error = refusals.disagreement(facts.record, facts.volume_handle) if facts.record else None
    if error is not None:
        yield Advice(
            situation="duplicate-volume",
            says=f"{error} The volume is published to no node until then.",
            commands=tuple(unpublish(facts, held.node_id) for held in facts.holders),
        )


def altered(facts: Facts) -> Iterator[Advice]:
    """Advise on a PV that says less than it was seen to say."""
    known = facts.vanished
    if known is not None and known.altered:
        yield Advice(
            situation="altered-record",
            says=f"{refusals.how_altered(known, facts)} It is published to no node. While the volume is in use, put its record "
            "back; once nothing uses it, unpublish it from every node.",
            commands=(f"{refusals.put_back(known, facts.driver)} {BREAK_GLASS}", unpublish(facts, "")),
        )


def departed(facts: Facts) -> Iterator[Advice]:
    """Advise on holders whose PV is gone."""
    known = facts.vanished
    if known is None or known.altered:
        return
    for held in facts.lost:
        node, name = held.node_id, known.shown.get(held.node_id)
        instead = f", or delete VolumeAttachment {name}, the evidence for it" if name else ""
        yield Advice(
            situation="departed-holder",
            says=(
                f"Node {node} may still have the volume, so other nodes are refused: {known.evidence} A publish to that node "
                f"is admitted. Once nothing uses the volume there, unpublish it{instead}."
            ),
            commands=(unpublish(facts, node), *([f"kubectl delete volumeattachment {name}"] if name else [])),
        )


def unplaced(facts: Facts) -> Iterator[Advice]:
    """Advise on nodes with an attachment of an unknown volume, which may be this one, as it has no PV."""
    if facts.unpersisted is None and facts.vanished is None:
        for node, why in facts.unplaced.items():
            yield Advice(situation="may-be-attached", says=f"{why} It is published to node {node} alone until then.")


def in_doubt(facts: Facts) -> Iterator[Advice]:
    """Advise on VolumeAttachments that contradict the record or each other, so that the volume is published to nobody."""
    doubts = [finding for finding in facts.findings if finding.publish_refused and finding.verdict is not Verdict.LEAVING]
    if doubts:
        nodes = dict.fromkeys(finding.node_id for finding in doubts if finding.node_id)
        yield Advice(
            situation="disputed",
            says=(
                f"{doubts[0].why} Find out which node uses the volume. Delete the Pod that must not have the volume, so that "
                "its VolumeAttachment is deleted, or unpublish the volume from a node that no longer has it."
            ),
            commands=("mooring adopt --dry-run", *(unpublish(facts, node) for node in nodes)),
        )


def unrecorded(facts: Facts) -> Iterator[Advice]:
    """Advise on a VolumeAttachment that is attached, and could be recorded."""
    for finding in facts.findings:
        if finding.verdict is Verdict.ADOPT and not facts.open:
            yield Advice(
                situation="attached-not-recorded",
                says=(
                    f"VolumeAttachment {finding.volume_attachment} is attached to node {finding.node_id}, and no record says "
                    "so. Have it recorded before another node gets the volume."
                ),
                commands=("mooring adopt",),
            )


def left_over(facts: Facts) -> Iterator[Advice]:
    """Advise on a VolumeAttachment that names a node from which the volume was unpublished, or may have been."""
    for finding in facts.findings:
        if finding.verdict is Verdict.FREED or (finding.verdict is Verdict.UNSURE and not finding.publish_refused):
            yield Advice(
                situation="volume-attachment-left-over",
                says=finding.why,
                commands=(f"kubectl delete volumeattachment {finding.volume_attachment}",),
            )


def unwanted(facts: Facts) -> Iterator[Advice]:
    """Advise on live nodes that hold the volume although no VolumeAttachment asks for it."""
    for held in facts.holders:
        node = facts.node(held.node_id)
        alive = node is not None and node.exists and not node.out_of_service
        asked = facts.volume_attachments is not None
        if alive and asked and not facts.open and not facts.attachments_on(held.node_id):
            yield Advice(
                situation="recorded-not-attached",
                says=(
                    f"Node {held.node_id} holds the volume, and no VolumeAttachment asks for that. If none of your programs "
                    "publishes volumes without Kubernetes, make sure that nothing on the node uses it, then unpublish it."
                ),
                commands=(unpublish(facts, held.node_id),),
            )


def unpersisted(facts: Facts) -> Iterator[Advice]:
    """Advise on a node that holds the volume while it has no PV."""
    if facts.unpersisted is not None:
        node_id = facts.unpersisted.node_id
        yield Advice(
            situation="waits-for-pv",
            says=(
                f"Node {node_id} holds the volume, which has no PersistentVolume yet. Create it, or unpublish the volume to "
                "give it up."
            ),
            commands=(unpublish(facts, node_id),),
        )

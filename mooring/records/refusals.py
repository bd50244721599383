"""The refusals of a publish: from the record seen and the request, the error that bars it, or None. Pure, as fence.py.

Contract: a holder admits a request as the table of CSI ControllerPublishVolume says; one that is unknown or in doubt admits none.
Each error says who is in the way, and the command that helps.

Not kept here: the write of a publish that is admitted (fence.py), and the holder of a volume without a PV (holds.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from mooring.commands import code, unpublish
from mooring.errors import Disputed, DuplicateVolume, HeldElsewhere, Incompatible, MalformedRecord, MooringError
from mooring.models import AccessMode, Attachment, PublishRequest, VolumeRecord, VolumeRef
from mooring.records.keys import Keys

_SINGLE_NODE_WRITERS = {
    AccessMode.SINGLE_NODE_WRITER,
    AccessMode.SINGLE_NODE_SINGLE_WRITER,
    AccessMode.SINGLE_NODE_MULTI_WRITER,
}


def bar(seen: VolumeRecord, asked: PublishRequest, operation: str) -> MooringError | None:
    """Return the error if the knowledge of the volume doesn't admit the request of the operation, or None if it does."""
    if seen.altered:
        return _lowered(seen, asked)
    refusal = _unsure(seen, asked, operation) or refuse(seen.everyone, asked)
    return _in_doubt(seen, asked) if seen.evidence and isinstance(refusal, HeldElsewhere) else refusal


def refuse(holders: Iterable[Attachment], asked: PublishRequest) -> MooringError | None:
    """Return the error if the holders don't admit the request, or None if they do (the table of CSI ControllerPublishVolume)."""
    for held in holders:
        error = _incompatible(held, asked) if held.node_id == asked.node_id else _excludes(held, asked)
        if error is not None:
            return error
    return None


def crowd(holders: tuple[Attachment, ...], asked: PublishRequest, most: int) -> MooringError | None:
    """Return the error if `most` nodes hold the volume that migrates live, or None; `most` is 0 for any number."""
    nodes = _nodes(holders)
    if not (asked.migrates and 0 < most <= len(nodes)) or asked.node_id in nodes:
        return None
    return HeldElsewhere(
        f"Volume {asked.volume_handle} migrates live and is held by {' and '.join(nodes)}; "
        f"MOORING_MIGRATION_NODES={most} keeps node {asked.node_id} out until one of them has let go. To share it among more "
        "nodes, set that higher for the workers, or to 0 for any number."
    )


def mode_changes(seen: VolumeRecord, asked: PublishRequest) -> Incompatible | None:
    """Return the error of a publish by the holder if modes that agree were distinguished, or None if there were none."""
    held = seen.holder(asked.node_id)
    return _differ(held, asked) if held is not None and held.access_mode not in (None, asked.access_mode) else None


def disagreement(seen: VolumeRecord, volume_handle: str, operation: str | None = None) -> DuplicateVolume | None:
    """Return the error if the records of the volume's PVs can't all be true, or None if they can.

    The records of this `operation` are ignored: an acquisition of its own, which was refused on another PV, is no holder yet.
    """
    different = {
        tuple((held.node_id, held.access_mode, held.readonly) for held in copy.holders): copy
        for copy in seen.copies
        if copy.operation != operation
    }
    copies = [(copy, held) for copy in different.values() for held in copy.holders]
    for copy, held in copies:
        for other, rival in copies:
            if copy.holder(rival.node_id) is None and not _share(held, rival):
                return DuplicateVolume(
                    f"The PersistentVolumes of volume {volume_handle} disagree: {_says(copy, held)}, and {_says(other, rival)}."
                )
    return None


def how_altered(seen: VolumeRecord, volume: VolumeRef) -> str:
    """Describe an altered record, and the one that was seen before, in a sentence."""
    says = "no epoch" if seen.mark.epoch is None else f"epoch {seen.mark.epoch}"
    return (
        f"PersistentVolume {seen.mark.pv} of volume {volume.volume_handle} says {says}, and it was at epoch {seen.floor}, held by "
        f"{' and '.join(_nodes(seen.holders)) or 'nobody'}: its annotations were removed, or restored from an older copy."
    )


def put_back(seen: VolumeRecord, driver: str) -> str:
    """Return the command that puts an altered record back."""
    keys = Keys.of(driver)
    node = f" {quote(f'{keys.node}={seen.holders[0].node_id}')}" if seen.holders else ""
    return f"kubectl annotate --overwrite pv {seen.mark.pv} {keys.epoch}={seen.floor + 1}{node}"


def _unsure(seen: VolumeRecord, volume: VolumeRef, operation: str) -> MooringError | None:
    """Return the error if the holder is unknown: an unreadable PV may name any node, and of two that disagree one is wrong."""
    if seen.unreadable:
        return MalformedRecord(seen.unreadable[0])
    return disagreement(seen, volume.volume_handle, operation)


def _in_doubt(seen: VolumeRecord, asked: PublishRequest) -> MooringError:
    nodes, volume = _nodes(seen.holders), asked.volume_handle
    commands = " and ".join(code(unpublish(volume, node)) for node in nodes)
    return Disputed(
        f"Volume {volume} may still be attached to node {' and '.join(nodes)}, so node {asked.node_id} can't have it: "
        f"{seen.evidence} Once nothing uses it there, release it by {commands}."
    )


def _lowered(seen: VolumeRecord, asked: PublishRequest) -> MooringError:
    return MalformedRecord(
        f"{how_altered(seen, asked)} "
        f"Once nothing uses the volume, release it by {code(unpublish(asked.volume_handle, ''))}; "
        f"while it is in use, put its record back, {code(put_back(seen, asked.driver))}."
    )


def _incompatible(held: Attachment, asked: PublishRequest) -> MooringError | None:
    # NB: another program's record doesn't say how the volume is used, so a renewal may: nothing contradicts it.
    if held.access_mode is None or (held.readonly == asked.readonly and _agree(held.access_mode, asked.access_mode)):
        return None
    return _differ(held, asked)


def _differ(held: Attachment, asked: PublishRequest) -> Incompatible:
    return Incompatible(
        f"Volume {asked.volume_handle} is attached to node {held.node_id} as {_usage(held.access_mode, held.readonly)}, "
        f"and asked for as {_usage(asked.access_mode, asked.readonly)}."
    )


def _agree(held: AccessMode, asked: AccessMode) -> bool:
    """Return whether a node that has the volume in the one mode has it in the other, too.

    NB: a driver that learns SINGLE_NODE_MULTI_WRITER has external-attacher send a narrower mode than before for attached volumes,
    and one that is set back a wider one. Between one writer and several there is no such step.
    """
    return held is asked or (AccessMode.SINGLE_NODE_WRITER in (held, asked) and {held, asked} <= _SINGLE_NODE_WRITERS)


def _excludes(held: Attachment, asked: PublishRequest) -> MooringError | None:
    where = f"Volume {asked.volume_handle} is held by node {held.node_id}"
    if not (asked.access_mode.multi_node and held.access_mode is asked.access_mode):
        kept = _usage(held.access_mode, held.readonly)
        return HeldElsewhere(f"{where} as {kept}, so node {asked.node_id} can't have it as {asked.access_mode}.")
    if asked.access_mode is AccessMode.MULTI_NODE_SINGLE_WRITER and not (asked.readonly or held.readonly):
        return HeldElsewhere(f"{where} as its one writer, so node {asked.node_id} can only have it readonly.")
    return None


def _says(copy: VolumeRecord, held: Attachment) -> str:
    return f"{copy.mark.pv} names node {held.node_id} as holder ({_usage(held.access_mode, held.readonly)})"


def _share(held: Attachment, other: Attachment) -> bool:
    """Return whether two nodes may hold the volume in these modes at once."""
    if held.access_mode is None or not held.access_mode.multi_node or held.access_mode is not other.access_mode:
        return False
    return held.access_mode is not AccessMode.MULTI_NODE_SINGLE_WRITER or held.readonly or other.readonly


def _usage(mode: AccessMode | None, readonly: bool) -> str:
    return f"{mode or 'an unknown access mode'}{', readonly' if readonly else ''}"


def _nodes(holders: Iterable[Attachment]) -> list[str]:
    return [held.node_id for held in holders]

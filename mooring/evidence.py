"""What is known of a volume beyond what its PV says: who held it last, at which epoch, and how that is known.

Contract: a record that has vanished is no release. A PV that says less than it was seen to say is *altered*. A record without an
epoch, and a volume without a PV, may have lost a holder, which holds until it is unpublished, or until the VolumeAttachment that
spoke for it is gone. What is known is, in this order:

1. what this worker's index saw of the PV, or of the one that went;
2. what the newest operation that knew the holders left (last_run.py); newer than what the index saw, it comes first;
3. the VolumeAttachments that say attached, unless they are older than that operation, which then knew them too.

A record with an epoch answers at once, and nothing is asked. Nothing is decided here: the record that comes of it names the holders
that are known, and `mooring.fence` decides on that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mooring import names
from mooring.asking import Asking
from mooring.errors import MooringError
from mooring.last_run import LastRun, is_newer, last_run, let_go_without_pv
from mooring.models import AccessMode, Attachment, Mark, VolumeRecord, VolumeRef
from mooring.sighting import pack

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from temporalio.client import Client

    from mooring.attached import AttachedVolumes, Shown
    from mooring.departures import Departure
    from mooring.manager import AttachmentManager
    from mooring.nodes.ids import Nodes
    from mooring.sighting import Sighting
    from mooring.volume_attachments import VolumeAttachments

CONFIRMED: Final = 20
"""How many VolumeAttachments without a known PV are looked into."""


@dataclass(frozen=True, slots=True)
class Beyond:
    """What is known of a volume: its record; or without a PV the last that is known of, and by node id why it may be attached."""

    record: VolumeRecord | None
    departed: VolumeRecord | None = None
    unplaced: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """What is known of a volume's holders."""

    holders: dict[str, Attachment] = field(default_factory=dict)
    epoch: int = 0
    operation: str = ""
    pvs: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one worker knows of the volumes of one driver."""

    driver: str
    client: Client
    manager: AttachmentManager
    attached: AttachedVolumes
    attachments: VolumeAttachments
    nodes: Nodes

    async def look_found(
        self, handle: str, before: Sequence[Sighting], asked: Container[str], record: VolumeRecord | None, asking: Asking
    ) -> Beyond:
        """Take in what a live look or write brought, and return it with what is known beyond it.

        `before` is what the index knew of the volume's PVs before the API server was asked, `asked` are the PVs it was asked for.

        Raises:
            TemporalUnavailable: Temporal did not say what became of the volume.
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server did not say which node is meant.

        """
        self.manager.look_found(handle, before, asked, record)
        if record is None:
            return Beyond(None, *await self._of_gone(handle, asking))
        epochs = {pack(mark.uid): mark.epoch or 0 for mark in record.marks}
        higher = next((seen for seen in before if seen.fence > epochs.get(seen.uid, seen.fence)), None)
        return Beyond(await self.as_known(handle, record, asking) if higher is None else _altered(record, higher.record()))

    async def as_known(self, handle: str, live: VolumeRecord, asking: Asking) -> VolumeRecord:
        """Return what the PV says, and beyond it what is known. Raises as `look_found` does."""
        departure = self.manager.departures.get(handle)
        written = any(mark.epoch is not None for mark in live.marks)
        if written and (departure is None or departure.seen.fence < live.epoch):
            return live
        last = None if written else await self._last(handle, asking)
        if last is not None and _lowered(live, last.record):
            return _altered(live, last.record)
        return _beyond(live, await self._known(handle, departure, last, {mark.pv for mark in live.marks}, asking))

    async def settle(self) -> None:
        """Look again at the holders of PVs that went, so that those that have let go are forgotten. Raises as `look_found` does."""
        nobody = Asking()
        for departure in self.manager.departures.open():
            handle = departure.seen.handle
            await self._known(handle, departure, await self._last(handle, nobody), set(), nobody)

    async def _of_gone(self, handle: str, asking: Asking) -> tuple[VolumeRecord | None, dict[str, str]]:
        """What is known of a volume without a PV, None for nothing, and by node id why it may be attached."""
        if asking.workflow == names.PERSIST:
            return None, {}
        last = await self._last(handle, asking)
        known = await self._known(handle, self.manager.departures.get(handle), last, set(), asking)
        departed = _beyond(VolumeRecord(mark=Mark(pv="", uid="")), known)
        return departed if departed.floor or departed.holders else None, await self._unplaced(handle)

    async def _last(self, handle: str, asking: Asking) -> LastRun | None:
        return await last_run(self.client, VolumeRef(driver=self.driver, volume_handle=handle), asking.run_id)

    async def _known(self, handle: str, departure: Departure | None, last: LastRun | None, pvs: set[str], asking: Asking) -> _Known:
        known, volume = _Known(pvs=pvs), VolumeRef(driver=self.driver, volume_handle=handle)
        if departure is not None:
            seen = departure.seen.record()
            if last is not None and last.let_go and last.run_id == seen.operation:
                self.manager.departures.let_go(handle, last.let_go)
            if last is not None and await is_newer(self.client, volume, last, seen):
                left = {held.node_id for held in last.record.holders}
                for node in set(departure.seen.nodes) - left:
                    self.manager.departures.let_go(handle, node)
            else:
                last = None
            _take_departure(known, departure)
        if last is not None:
            _take_last(known, last)
            known.holders.pop(await let_go_without_pv(self.client, volume, last), None)
        if asking.workflow not in (names.ADOPT, names.PERSIST):
            await self._take_shown(known, last)
        if asking.workflow != names.ADOPT:
            self._let_go(handle, known, departure)
        return known

    async def _take_shown(self, known: _Known, last: LastRun | None) -> None:
        for shown in (each for pv in known.pvs for each in self.attached.of(pv)):
            node_id = await self._node_id(shown)
            if node_id in known.holders:
                known.shown[node_id] = shown.name
            elif last is None or last.started_at <= shown.since:
                mode, readonly = await self._mode(shown.pv)
                held = Attachment(node_id=node_id, attached_at=shown.since, access_mode=mode, readonly=readonly)
                known.holders[node_id], known.shown[node_id] = held, shown.name
                known.words.append(f"VolumeAttachment {shown.name} says that it is attached to node {node_id}.")

    def _let_go(self, handle: str, known: _Known, departure: Departure | None) -> None:
        """Forget whom a VolumeAttachment spoke for that is gone."""
        for node_id in [node for node, name in known.shown.items() if self.attached.is_gone(name)]:
            known.holders.pop(node_id, None)
            del known.shown[node_id]
            self.manager.departures.let_go(handle, node_id)
        if departure is not None:
            departure.shown.update(known.shown)

    async def _node_id(self, shown: Shown) -> str:
        """The node id that goes with a VolumeAttachment; the node's name where nobody says."""
        node = self.nodes.named(shown.node)
        known = node.node_id if node else shown.noted
        return known or await self.attachments.node_id(shown.node) or shown.node

    async def _mode(self, pv: str) -> tuple[AccessMode | None, bool]:
        """How several nodes may have the PV's volume, None for one node; and whether readonly."""
        try:
            volume = await self.attachments.volume(pv)
        except MooringError:
            return None, False  # one node, then: the strictest
        return (volume.access_mode, volume.readonly) if volume else (None, False)

    async def _unplaced(self, handle: str) -> dict[str, str]:
        """Node id -> why a volume without a PV may be attached there: a VolumeAttachment is, of a PV that nobody knows."""
        unplaced = self.attached.beyond({seen.pv for seen in self.manager.sightings()} | self._departed_pvs())
        if len(unplaced) <= CONFIRMED:
            unplaced = [shown for shown in unplaced if not shown.pv or not await self._is_there(shown.pv)]
        return {await self._node_id(shown): _told(handle, shown, len(unplaced) - 1) for shown in unplaced[:CONFIRMED]}

    def _departed_pvs(self) -> set[str]:
        return {pv for departure in self.manager.departures.open() for pv in departure.pvs.values()}

    async def _is_there(self, pv: str) -> bool:
        try:
            return await self.attachments.volume(pv) is not None
        except MooringError:
            return False


def _told(handle: str, shown: Shown, others: int) -> str:
    what = f"PersistentVolume {shown.pv}, which is not known" if shown.pv else "a volume that names no PersistentVolume"
    more = f" ({others} more like it)" if others else ""
    return (
        f"Volume {handle} has no PersistentVolume, and may be attached: VolumeAttachment {shown.name} attaches {what}, to node "
        f"{shown.node}{more}. Create the PersistentVolume of either, or delete the VolumeAttachment once nothing uses it there."
    )


def _take_departure(known: _Known, departure: Departure) -> None:
    seen = departure.seen
    known.pvs.update(departure.pvs.values())
    known.epoch, known.operation = seen.fence, seen.record().operation
    known.holders = {held.node_id: held for held in departure.holders}
    known.shown.update(departure.shown)
    if known.holders:
        held = f"while its record named node {' and '.join(known.holders)} at epoch {seen.fence}"
        known.words.append(f"PersistentVolume {seen.pv} went {held}, and nobody has unpublished it since.")


def _take_last(known: _Known, last: LastRun) -> None:
    """What a newer operation left, in place of what was known before."""
    record = last.record
    known.pvs |= {record.mark.pv} - {""}
    known.epoch = max(known.epoch, last.epoch)
    known.operation = record.operation
    known.holders = {held.node_id: held for held in record.holders}
    known.shown = {**known.shown, **record.shown}
    known.words = [f"Its PersistentVolume doesn't say so, but {last.words}"] if known.holders else []


def _beyond(live: VolumeRecord, known: _Known) -> VolumeRecord:
    """The record with what is known beyond it; the very same where that is nothing."""
    holders = (*live.holders, *(held for node, held in known.holders.items() if live.holder(node) is None))
    more = len(holders) > len(live.holders)
    if not more and known.epoch <= live.epoch:
        return live
    return live.model_copy(
        update={
            "holders": holders,
            "operation": live.operation or known.operation,
            "floor": known.epoch,
            "evidence": " ".join(known.words) if more else "",
            "shown": {node: name for node, name in known.shown.items() if node in known.holders},
        }
    )


def _lowered(live: VolumeRecord, left: VolumeRecord) -> bool:
    """Whether a PV without an epoch had one when an operation left it."""
    uids = {mark.uid for mark in live.marks}
    return any(mark.uid in uids and (left.altered or mark.epoch) for mark in left.marks)


def _altered(live: VolumeRecord, seen: VolumeRecord) -> VolumeRecord:
    """The record of a PV that says less than it was seen to say."""
    known = _Known({held.node_id: held for held in seen.holders}, max(seen.epoch, seen.floor), seen.operation)
    return _beyond(live, known).model_copy(update={"altered": True, "operation": seen.operation})

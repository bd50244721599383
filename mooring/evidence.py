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
from mooring.last_run import LastRun, last_run, let_go_without_pv, newer
from mooring.models import AccessMode, Attachment, Mark, VolumeRecord, VolumeRef
from mooring.past_holders import PastHolders, altered, lowered
from mooring.sighting import pack

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from datetime import timedelta

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


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one worker knows of the volumes of one driver. The clocks of Temporal and the API server differ by `skew` at most."""

    driver: str
    client: Client
    manager: AttachmentManager
    attached: AttachedVolumes
    attachments: VolumeAttachments
    nodes: Nodes
    skew: timedelta

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
        return Beyond(await self.as_known(handle, record, asking) if higher is None else altered(record, higher.readable.record()))

    async def as_known(self, handle: str, live: VolumeRecord, asking: Asking) -> VolumeRecord:
        """Return what the PV says, and beyond it what is known. Raises as `look_found` does."""
        departure = self.manager.departures.get(handle)
        written = any(mark.epoch is not None for mark in live.marks)
        if written and (departure is None or departure.seen.fence < live.epoch):
            return live
        last = await self._last(handle, asking)
        if last is not None and lowered(live, last.record):
            return altered(live, last.record)
        return (await self._known(handle, departure, last, {mark.pv for mark in live.marks}, asking)).beyond(live)

    async def departed(self, handle: str, asking: Asking) -> VolumeRecord | None:
        """Return what is known of a volume without a PV, None for nothing. Raises as `look_found` does."""
        last = await self._last(handle, asking)
        known = await self._known(handle, self.manager.departures.get(handle), last, set(), asking)
        departed = known.beyond(VolumeRecord(mark=Mark(pv="", uid="")))
        return departed if departed.floor or departed.holders else None

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
        return await self.departed(handle, asking), await self._unplaced(handle)

    async def _last(self, handle: str, asking: Asking) -> LastRun | None:
        return await last_run(self.client, VolumeRef(driver=self.driver, volume_handle=handle), asking.run_id)

    async def _known(
        self, handle: str, departure: Departure | None, last: LastRun | None, pvs: set[str], asking: Asking
    ) -> PastHolders:
        known, runs = PastHolders(pvs=pvs), [last, *last.since] if last else []
        if departure is not None:
            runs = await self._since(handle, departure, last) if last else []
            last = last if last in runs and last.knew else None
            known.take_departure(departure)
        if last is not None:
            known.take_last(last)
            known.holders.pop(await let_go_without_pv(self.client, VolumeRef(driver=self.driver, volume_handle=handle), last), None)
        if asking.workflow not in (names.ADOPT, names.PERSIST):
            await self._take_shown(known, runs)
        if asking.workflow != names.ADOPT:
            self._let_go(handle, known, departure)
        return known

    async def _since(self, handle: str, departure: Departure, last: LastRun) -> list[LastRun]:
        """The operations after the record that went; what these let go of is forgotten."""
        seen = departure.seen.record()
        if last.let_go and last.run_id == seen.operation:
            self.manager.departures.let_go(handle, last.let_go)
        runs = await newer(self.client, VolumeRef(driver=self.driver, volume_handle=handle), last, seen, self.skew)
        for node in departure.seen.nodes:
            if any(run.lets_go(node) for run in runs):
                self.manager.departures.let_go(handle, node)
        return runs

    async def _take_shown(self, known: PastHolders, runs: Sequence[LastRun]) -> None:
        for shown in (each for pv in known.pvs for each in self.attached.of(pv)):
            node_id = await self._node_id(shown)
            if node_id in known.holders:
                known.shown[node_id] = shown.name
            elif not any(run.outdates(node_id, shown.since, self.skew) for run in runs):
                mode, readonly = await self._mode(shown.pv)
                held = Attachment(node_id=node_id, attached_at=shown.since, access_mode=mode, readonly=readonly)
                known.take_shown(held, shown.name)

    def _let_go(self, handle: str, known: PastHolders, departure: Departure | None) -> None:
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

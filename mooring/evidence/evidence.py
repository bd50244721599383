"""The evidence about a volume beyond its PV: the last holders, their epoch, and the source of that knowledge.

Contract: a record that has vanished is no release. A PV that says less than it was seen to say is *altered*. A record without an
epoch, and a volume without a PV, may have lost a holder, which holds until it is unpublished, or until the VolumeAttachment that
was its evidence is gone. The sources are, in this order:

1. the cached record of the PV, or of the one that is gone, in this worker's index;
2. the record that the newest operation that knew the holders left (last_run.py); if newer than the cached record, it comes first;
3. the VolumeAttachments that say attached, unless they are older than that operation, which then knew them too: those of its PVs,
   and those of unknown PVs whose Nodes say that they have the volume.

A record with an epoch answers at once, and nothing is asked, unless it leads to a PV that is gone: a node may have been recorded
there alone. Nothing is decided here: the resulting record names all known holders,
and `mooring.records.fence` decides on that.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from mooring import names
from mooring.errors import MooringError, UnreadableHistory
from mooring.evidence.asker import AskingRun
from mooring.evidence.last_run import is_listed, last_run, left_by_hold, let_go_without_pv, newer
from mooring.evidence.newest_operation import newest_operation, require_listed
from mooring.evidence.past_holders import PastHolders, altered, lowered
from mooring.evidence.shown_attachments import ShownAttachments
from mooring.evidence.unplaced import MAX_CONFIRMED, doubt, word
from mooring.models import Attachment, Precondition, VolumeRecord, VolumeRef
from mooring.process.at_once import ask_each
from mooring.records.compact import pack
from mooring.records.copies import lost_leads
from mooring.temporal.runs import look_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
    from datetime import timedelta

    from temporalio.client import Client, WorkflowExecutionDescription

    from mooring.cluster.attachment_cache import AttachmentCache, CachedAttachment
    from mooring.cluster.node_ids import Nodes
    from mooring.cluster.volume_attachments import VolumeAttachments
    from mooring.evidence.operations import LastRun
    from mooring.evidence.unplaced import UnplacedAttachments
    from mooring.index.departures import Departure
    from mooring.index.manager import AttachmentManager
    from mooring.records.compact import CompactRecord

    NewestHold: TypeAlias = Callable[[], Awaitable[WorkflowExecutionDescription | None]]

MAX_CONCURRENT: Final = 10
"""Number of deleted PVs that are looked into at once."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordEvidence:
    """Evidence about a volume: its record or, without a PV, its last known one, and by node id the reason for an attachment."""

    record: VolumeRecord | None
    departed: VolumeRecord | None = None
    unplaced: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvidenceReader:
    """The evidence of one worker about one driver's volumes. The clocks of Temporal and the API server differ by `skew` at most."""

    driver: str
    client: Client
    manager: AttachmentManager
    attached: AttachmentCache
    attachments: VolumeAttachments
    nodes: Nodes
    skew: timedelta
    unplaced: UnplacedAttachments

    async def look_found(
        self, handle: str, before: Sequence[CompactRecord], asked: Container[str], record: VolumeRecord | None, asking: AskingRun
    ) -> RecordEvidence:
        """Take in the result of a live look or write, and return it with the evidence beyond it.

        `before` are the index's cached records of the volume's PVs before the API server was asked, `asked` are the PVs asked for.

        Raises:
            TemporalUnavailable: Temporal did not report the volume's operations.
            UnreadableHistory: Temporal reported them, in a form that can't be read here.
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server did not say which node is meant, or
                whether a VolumeAttachment is there.

        """
        self.manager.look_found(handle, before, asked, record)
        if record is None:
            return RecordEvidence(None, *await self._of_gone(handle, asking))
        epochs = {pack(mark.uid): mark.epoch or 0 for mark in record.marks}
        higher = next((seen for seen in before if seen.fence > epochs.get(seen.uid, seen.fence)), None)
        return RecordEvidence(
            await self.as_known(handle, record, asking) if higher is None else altered(record, higher.readable.record())
        )

    async def as_known(
        self, handle: str, live: VolumeRecord, asking: AskingRun, newest_hold: NewestHold | None = None
    ) -> VolumeRecord:
        """Return what the PV says, and beyond it what is known. Raises as `look_found` does.

        `newest_hold` describes the run that held the volume last without a PV, for one that asks about it anyhow.
        """
        departure = self.manager.departures.get(handle)
        written = any(mark.epoch is not None for mark in live.marks)
        is_above = written and (departure is None or departure.seen.fence < live.epoch)
        gone = set[str]() if live.unreadable else lost_leads(live)
        if is_above and not gone:
            return live
        last = await self._last(handle, asking)
        if is_above and last is not None and last.epoch < live.epoch:
            return live  # NB: whatever was written on a PV that is gone, this was written since
        if last is not None and lowered(live, last.record):
            return altered(live, last.record)
        pvs = {mark.pv for mark in live.marks} | gone
        return (await self._known(handle, departure, last, pvs, asking, newest_hold)).beyond(live)

    async def as_settled(
        self, handle: str, live: VolumeRecord, known: VolumeRecord, holder: str, asking: AskingRun, asker: str = ""
    ) -> VolumeRecord:
        """Return what is `known` beyond the PV for a hold of the node `holder`, or raise OperationPending while that may change.

        It may where the hold would write another node that no PV names, while an unpublish is open that may not have seen the PV:
        all but `asker`, which waits for the hold's end, and looks after that.

        NB: it may end on its look from before that, and leave a node that is recorded meanwhile. One that begins later sees the PV.
        """
        nodes = {held.node_id for held in known.everyone} - {holder}
        if known.altered or all(live.holder(node) is not None for node in nodes):
            return known
        volume = VolumeRef(driver=self.driver, volume_handle=handle)
        newest = await newest_operation(self.client, volume, asker, "may take the volume from a node that would be recorded")
        if newest is not None:
            await require_listed(self.client, volume, newest)
        return await self.as_known(handle, live, asking)

    async def departed(self, handle: str, asking: AskingRun) -> VolumeRecord | None:
        """Return the last known record of a volume without a PV, or None; raise as `look_found` does."""
        last = await self._last(handle, asking)
        known = await self._known(handle, self.manager.departures.get(handle), last, set(), asking)
        departed = known.beyond(VolumeRecord(mark=Precondition(pv="", uid="")))
        return departed if departed.floor or departed.holders else None

    async def settle(self) -> None:
        """Look again at the holders of PVs that are gone, to forget those that have released; raise as `look_found` does.

        A volume whose history can't be read is logged, and holds up none of the others.
        """
        self.unplaced.catch_up()
        departures = self.manager.departures.open()
        settled = await ask_each(self._try_to_settle, departures, MAX_CONCURRENT)
        _tell({departure.seen.handle: failed for departure, failed in zip(departures, settled, strict=True) if failed})

    async def _try_to_settle(self, departure: Departure) -> Exception | None:
        """Settle one, and return the error that kept it from being settled, if any."""
        try:
            await self._settle(departure)
        except Exception as error:  # NB: whatever it is, it is of one volume
            return error
        return None

    async def _settle(self, departure: Departure) -> None:
        """Look at the operations since, which are read once, and at the VolumeAttachments."""
        volume = VolumeRef(driver=self.driver, volume_handle=departure.seen.handle)
        newest = await look_up(self.client, names.volume_id(volume))
        if newest is not None and newest.run_id != departure.heeded:
            listed = newest.close_time is not None and await is_listed(self.client, volume, newest.run_id)
            last = await last_run(self.client, volume, "", self.skew, newest.run_id)
            if last is not None:
                await self._since(volume.volume_handle, departure, last)
            departure.heeded = newest.run_id if listed else ""
        known = PastHolders()
        known.take_departure(departure)
        await self._name_shown(known)
        await self._let_go(volume.volume_handle, known, departure)

    @property
    def _shown(self) -> ShownAttachments:
        return ShownAttachments(self.attached, self.attachments, self.nodes)

    async def _of_gone(self, handle: str, asking: AskingRun) -> tuple[VolumeRecord | None, dict[str, str]]:
        """Return the last known record of a volume without a PV, or None, and by node id the reason why it may be attached."""
        if asking.workflow == names.PERSIST:
            return None, {}
        return await self.departed(handle, asking), await self._unplaced(handle)

    async def _last(self, handle: str, asking: AskingRun) -> LastRun | None:
        return await last_run(self.client, VolumeRef(driver=self.driver, volume_handle=handle), asking.run_id, self.skew)

    async def _known(
        self,
        handle: str,
        departure: Departure | None,
        last: LastRun | None,
        pvs: set[str],
        asking: AskingRun,
        newest_hold: NewestHold | None = None,
    ) -> PastHolders:
        # NB: the one that wrote the record which is gone is not newer than that, and yet knew the VolumeAttachments before it.
        known, runs = PastHolders(pvs=pvs), [last, *last.since] if last else []
        volume = VolumeRef(driver=self.driver, volume_handle=handle)
        if departure is not None:
            since = await self._since(handle, departure, last) if last else []
            known.take_departure(departure)
            # NB: the one that wrote the record may have written a later one since, on a PV that this worker never saw.
            known.epoch = max(known.epoch, last.epoch) if last else known.epoch
            last = last if last in since and last.knew else None
        if last is not None:
            known.take_last(last)
            known.holders.pop(await let_go_without_pv(self.client, volume, last, asking.run_id), None)
        elif departure is None:
            hold = await (newest_hold() if newest_hold else look_up(self.client, names.unpersisted_id(volume)))
            known.take_hold(await left_by_hold(self.client, volume, hold))
        if asking.workflow not in (names.ADOPT, names.PERSIST):
            await self._take_shown(handle, known, runs)
        if asking.workflow != names.ADOPT:
            await self._let_go(handle, known, departure)
        return known

    async def _since(self, handle: str, departure: Departure, last: LastRun) -> list[LastRun]:
        """Return the operations after the record that is gone, and forget the nodes that they released."""
        seen = departure.seen.record()
        if last.let_go and last.run_id == seen.operation:
            self.manager.departures.let_go(handle, last.let_go)
        runs = await newer(self.client, VolumeRef(driver=self.driver, volume_handle=handle), last, seen, self.skew)
        for node in departure.seen.nodes:
            if any(run.lets_go(node) for run in runs):
                self.manager.departures.let_go(handle, node)
        return runs

    async def _name_shown(self, known: PastHolders) -> list[tuple[str, CachedAttachment]]:
        """Name the VolumeAttachments that are evidence for holders, and return those of all its PVs, each with its node id."""
        shown = await self._shown.of(known.pvs)
        known.shown.update((node_id, each.name) for node_id, each in shown if node_id in known.holders)
        return shown

    async def _take_shown(self, handle: str, known: PastHolders, runs: Sequence[LastRun]) -> None:
        named = await self._name_shown(known)
        await self._take_modes(known, named)
        # NB: these may be of another volume after all, so that their end takes nothing from whom anything else speaks for.
        unplaced = await self._shown.with_node_ids(await self.unplaced.of(handle))
        heard = {
            shown.name: (node_id, shown)
            for node_id, shown in (*named, *unplaced)
            if node_id not in known.holders and not any(run.outdates(node_id, shown.since, self.skew) for run in runs)
        }
        attached = await self._shown.still_attached(heard)
        modes = await self._shown.modes(shown.pv for name, (_, shown) in heard.items() if name in attached)
        for name, (node_id, shown) in heard.items():
            if name in attached and node_id not in known.holders:
                mode, readonly = modes[shown.pv]
                held = Attachment(node_id=node_id, attached_at=shown.since, access_mode=mode, readonly=readonly)
                said = f"VolumeAttachment {name} says that it is attached to node {node_id}."
                known.take_shown(held, name, said if shown.pv in known.pvs else word(shown))

    async def _take_modes(self, known: PastHolders, shown: Sequence[tuple[str, CachedAttachment]]) -> None:
        """Give a holder that one of these spoke for while there was no PV to tell its mode that of the PV that there is now."""
        unsaid = {node for node, held in known.holders.items() if held.access_mode is None}
        modes = await self._shown.modes(each.pv for node_id, each in shown if node_id in unsaid)
        for node_id, each in shown:
            mode, readonly = modes.get(each.pv, (None, False))
            if node_id in unsaid and mode is not None:
                unsaid.remove(node_id)
                held = known.holders[node_id]
                known.holders[node_id] = held.model_copy(update={"access_mode": mode, "readonly": readonly})

    async def _let_go(self, handle: str, known: PastHolders, departure: Departure | None) -> None:
        """Forget whom a VolumeAttachment spoke for that is gone."""
        absent = {node: name for node, name in known.shown.items() if self.attached.is_gone(name)}
        attached = await self._shown.still_attached(absent.values())
        for node_id in [node for node, name in absent.items() if name not in attached]:
            known.holders.pop(node_id, None)
            del known.shown[node_id]
            self.manager.departures.let_go(handle, node_id)
        if departure is not None:
            departure.shown.update(known.shown)

    async def _unplaced(self, handle: str) -> dict[str, str]:
        """Map a node id to the reason why a volume without a PV may be attached there: a VolumeAttachment of an unknown PV is."""
        shown = await self.unplaced.confirmed()
        named = await self._shown.with_node_ids(shown[:MAX_CONFIRMED])
        return {node_id: doubt(handle, each, len(shown) - 1) for node_id, each in named}


def _tell(failed: Mapping[str, Exception]) -> None:
    """Log why volumes could not be examined, whatever the error; raise one that concerns no volume alone: a server's silence."""
    for handle, error in failed.items():
        if isinstance(error, UnreadableHistory) or not isinstance(error, MooringError):
            trace = None if isinstance(error, MooringError) else error
            logger.warning(
                "The holders of volume %s, whose PersistentVolume was deleted, are unknown: %s", handle, error, exc_info=trace
            )
    for error in failed.values():
        if isinstance(error, MooringError) and not isinstance(error, UnreadableHistory):
            raise error

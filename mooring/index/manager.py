"""The in-memory index of every attachment of one driver.

Contract: the PVs are the truth between workers, and this is an index of it. A rebuild fills it (`replace_all`), this worker's own
writes and live reads change it (`learn`), a watch keeps it current (`apply_event`); of two views of one PV, by uid, the
higher epoch wins. Beside the PVs' records it keeps the attachments that are *tracked*: those that a step of this worker is
about to record, or waits to. An attachment is tracked for as long as its step lasts and no longer: one that was recorded is known
by its PV, which the watch adds if the index doesn't know it yet. The holders of PVs that are gone are kept too.

A conflict seen here is confirmed on the live PV before any request is refused, and nothing is granted from here alone.

Invariants: every method makes all its changes in one step, without I/O, awaiting or locks; all that it returns is copied.

Not kept here: the bookkeeping of PVs (entries.py), of those that went (departures.py) and of tracked attachments (tracked.py);
history, and anything that outlives the process.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import product
from weakref import WeakSet

from mooring.index.departures import Departures
from mooring.index.entries import RecordIndex, Replacement
from mooring.index.tracked import TrackedAttachments
from mooring.models import Attachment, PublishRequest, VolumeRecord, VolumeRef
from mooring.records.compact import CompactHolder, CompactRecord, pack, unpack
from mooring.records.copies import disagreement, distinct, merge
from mooring.records.refusals import refuse
from mooring.records.store import Change, ChangeKind


@dataclass(frozen=True, slots=True)
class IndexedAttachment:
    """One holder, with the index's knowledge of its volume. `pv` is "" and `epoch` 0 if it is not persisted."""

    volume_handle: str
    held: CompactHolder
    persisted: bool
    epoch: int = 0
    pv: str = ""

    @property
    def attachment(self) -> Attachment:
        """The holder as a model, made on demand: a list of 100,000 models would hold up the event loop for seconds."""
        return self.held.attachment()


@dataclass(frozen=True, slots=True)
class Counts:
    """Size of the index: volumes with a PV, attached ones, their holders, volumes whose PVs disagree, tracked holders."""

    volumes: int
    attached: int
    holders: int
    duplicates: int
    unpersisted: int


class AttachmentManager:
    """Every attachment of one driver, as far as this process knows."""

    def __init__(self) -> None:
        self._index = RecordIndex()
        self.departures = Departures()
        self._tracked = TrackedAttachments()
        self._drafts: WeakSet[Replacement] = WeakSet()

    def track_attachment(self, volume_handle: str, attachment: Attachment) -> bool:
        """Enter an attachment that is not recorded on a PV yet; return False if the node holds the volume already, compatibly.

        Raises:
            HeldElsewhere: another node holds the volume.
            Incompatible: this node holds it with another access mode or readonly flag.

        """
        holders = self._holders(volume_handle)
        volume = VolumeRef.model_construct(volume_handle=volume_handle)  # its form is the API server's affair
        refusal = refuse(holders, PublishRequest.of(volume, attachment))
        if refusal is not None:
            raise refusal
        if any(held.node_id == attachment.node_id for held in holders):
            return False
        self._tracked.add(volume_handle, attachment)
        return True

    def untrack_attachment(self, volume_handle: str, node_id: str) -> None:
        """Remove a node's attachment, if any (every node's for "").

        NB: one that a PV records is only no longer listed: its PV still says so, and `observe` knows nothing until it is read.
        """
        self._tracked.remove(volume_handle, lambda node: node_id in ("", node))
        for cached in self._index.entries(volume_handle):
            if any(node_id in ("", held.node) for held in cached.held()):
                self._index.put(cached.doubted(node_id))

    def stop_tracking(self, volume_handle: str, node_id: str) -> None:
        """End the tracking of a node's attachment, whatever its outcome, and keep the knowledge of the PVs as it is.

        NB: to go on until a PV shows the attachment is to go on for ever if another worker has released it meanwhile.
        """
        self._tracked.remove(volume_handle, lambda node: node == node_id)

    def get_attachment(self, volume_handle: str, node_id: str | None = None) -> Attachment | None:
        """Return the attachment of the node, or of the volume's first holder if none is named."""
        holders = self._holders(volume_handle)
        return next((held for held in holders if node_id in (None, held.node_id)), None)

    def list_attachments(self) -> list[IndexedAttachment]:
        """Return every attachment; the list is the caller's."""
        persisted = [
            IndexedAttachment(seen.handle, held, persisted=True, epoch=seen.fence, pv=seen.pv) for seen, held in self._index.held()
        ]
        tracked = [IndexedAttachment(handle, CompactHolder.of(held), persisted=False) for handle, held in self._tracked]
        return persisted + tracked

    def observe(self, volume_handle: str) -> VolumeRecord | None:
        """Return the record of the volume's PV as last seen, or None if it is unknown.

        Raises:
            MalformedRecord: the record of a PV can't be read.

        """
        entries = self._index.entries(volume_handle)
        names = {cached.pv for cached in entries}
        known = bool(entries) and all(cached.sure and names.issuperset(cached.beside) for cached in entries)
        return merge([cached.record() for cached in entries]) if known else None

    def pv_name(self, volume_handle: str) -> str | None:
        """Return the name of the volume's PV, or of one of several, or None if none is known."""
        return next(iter(self.pvs(volume_handle)), None)

    def pvs(self, volume_handle: str) -> dict[str, str]:
        """Return the uid of each of the volume's PVs, by its name."""
        return {cached.pv: unpack(cached.uid) for cached in self._index.entries(volume_handle)}

    def needs_secrets(self, volume_handle: str) -> bool:
        """Return whether the volume's driver must be called with secrets, by its PVs, or the last one before all were gone."""
        departure = self.departures.get(volume_handle)
        return any(seen.secret for seen in self._index.entries(volume_handle) or ([departure.seen] if departure else []))

    @property
    def pv_names(self) -> Container[str]:
        """Return the names of all known PVs."""
        return self._index.pvs

    def take_left(self) -> set[str]:
        """Return the names of PVs that have gone since the last call; of some, others may be known by now."""
        left, self._index.left = self._index.left, set()
        return left

    def entries(self, volume_handle: str) -> tuple[CompactRecord, ...]:
        """Return what each PV of the volume was seen to say, at the highest epoch that it showed."""
        return self._index.entries(volume_handle)

    def known(self, volume_handle: str, uid: int | str) -> CompactRecord | None:
        """Return the cached record of this one PV at the highest epoch that it showed, or None if it is not known."""
        return self._index.entry(volume_handle, uid)

    def volume_handles(self) -> list[str]:
        """Return every volume that has a PV or a tracked attachment, in no order; the list is the caller's."""
        return [*self._index.handles(), *(handle for handle in self._tracked.handles() if not self._index.entries(handle))]

    def nodes_of(self, volume_handle: str) -> list[str]:
        """Return the node ids of the volume's holders."""
        return [*self._index.nodes(volume_handle), *self._tracked.nodes(volume_handle)]

    def listed_nodes(self, volume_handle: str) -> list[str]:
        """Return the node ids of the volume's holders, and whom its PV names though its record is doubted or can't be read."""
        recorded = [node for cached in self._index.entries(volume_handle) for node in cached.listed]
        return list(dict.fromkeys((*recorded, *self._tracked.nodes(volume_handle))))

    def volumes_on(self, node_id: str) -> int:
        """Return the number of volumes that the node holds, persisted or not."""
        return self._index.volumes_on[node_id] + self._tracked.number_on(node_id)

    def records(self) -> list[CompactRecord]:
        """Return the last cached record of every PV, in no order; the list is the caller's."""
        return list(self._index)

    def learn(self, volume_handle: str, record: VolumeRecord) -> None:
        """Take in the result of this worker's own write or live read.

        It updates that PV, unless a higher epoch is known, and never adds a PV: one that the index doesn't know may be gone
        already, and the watch adds those that are new.
        """
        for index, copy in product((self._index, *(draft.index for draft in self._drafts)), record.copies):
            known = index.entry(volume_handle, pack(copy.mark.uid))
            if known is not None and known.fence <= copy.epoch:
                seen = CompactRecord.of(volume_handle, copy)
                index.put(seen.noting(secret=True) if known.secret else seen)
        self.departures.written(volume_handle, record.epoch)
        self._settle(volume_handle)

    def look_found(
        self, volume_handle: str, before: Iterable[CompactRecord], asked: Container[str], record: VolumeRecord | None
    ) -> None:
        """Take in the result of a live look, None for no PV: of the PVs that were known `before` it, those of the names `asked` for
        that it didn't return are gone."""
        uids = {pack(mark.uid) for mark in record.marks} if record else set()
        unsure = record is not None and bool(record.unreadable)  # NB: one of these may be a PV that wasn't brought
        gone = [seen for seen in before if seen.uid not in uids and (record is None or seen.pv in asked) and not unsure]
        for seen in gone:
            self._index.remove(volume_handle, seen.uid)
        self._depart(gone)
        if record is not None:
            self.learn(volume_handle, record)

    def apply_event(self, change: Change) -> None:
        """Take in the watch's event about one PV. At equal epochs the event wins: it knows more of the PV than the record does."""
        seen = change.record
        if seen is None:
            return
        seen = seen.after(self._index.entry(seen.handle, seen.uid))
        if change.kind is ChangeKind.GONE:
            self._index.remove(seen.handle, seen.uid)
            self._depart([seen])
            return
        replaced = [other for other in self._index.entries(seen.handle) if other.pv == seen.pv and other.uid != seen.uid]
        self._index.put(seen)
        self._depart(replaced)
        self.departures.written(seen.handle, seen.fence)
        self._settle(seen.handle)

    def draft(self) -> Replacement:
        """Begin an index to be filled page by page; everything learned meanwhile enters it too."""
        draft = Replacement(self._index)
        self._drafts.add(draft)
        return draft

    def replace_all(self, records: Iterable[CompactRecord] | Replacement) -> None:
        """Replace the records of all PVs in one step. Tracked attachments remain, unless a record has them now."""
        if isinstance(records, Replacement):
            draft = records
        else:
            draft = self.draft()
            draft.add(records)
        self._drafts.discard(draft)
        gone, self._index = self._index.give_way(draft.index), draft.index
        self._depart(gone)
        for departure in self.departures.open():
            handle = departure.seen.handle
            self.departures.written(handle, max((seen.fence for seen in self._index.entries(handle)), default=0))
        for handle in self._tracked.handles():
            self._settle(handle)

    @property
    def attachments(self) -> int:
        """The number of attachments, persisted or not."""
        return self._index.holders + len(self._tracked)

    @property
    def counts(self) -> Counts:
        """The size of the index."""
        index = self._index
        return Counts(len(index), index.attached, index.holders, self._disagreeing(), len(self._tracked))

    def _holders(self, handle: str) -> list[Attachment]:
        persisted = [held.attachment() for held in distinct(self._index.entries(handle))]
        return [*persisted, *self._tracked.of(handle)]

    def _disagreeing(self) -> int:
        return sum(disagreement(entries) is not None for entries in self._index.several())

    def _depart(self, gone: Iterable[CompactRecord]) -> None:
        for seen in gone:
            self.departures.note(seen.readable, self._index.entries(seen.handle))

    def _settle(self, handle: str) -> None:
        """Stop tracking the attachments that the volume's PV records now."""
        if self._tracked.of(handle):
            recorded = {held.node for cached in self._index.entries(handle) for held in cached.held()}
            self._tracked.remove(handle, recorded.__contains__)

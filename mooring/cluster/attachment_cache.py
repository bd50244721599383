"""The VolumeAttachments of one driver that say attached, in memory: filled by a list, kept current by a watch.

Contract: the cache may lag, and is asked only about a volume whose record says nothing. One takes little room.

Not kept here: a live look at them (volume_attachments.py), and conclusions from them (mooring/evidence/evidence.py).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from mooring.cluster.volume_attachments import Attached
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.attachment_objects import VOLUME_ATTACHMENTS, VolumeAttachment
from mooring.kubernetes.informer import Informer
from mooring.kubernetes.list_watch import ListWatch

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class CachedAttachment(msgspec.Struct, frozen=True, gc=False):
    """A VolumeAttachment that says attached. `pv` is "" for a volume without one, `noted` the node id that the attacher noted."""

    name: str
    pv: str
    node: str
    noted: str
    since: datetime


class AttachmentCache(Protocol):
    """The attachments of one driver's volumes in a cluster, as far as memory knows."""

    @property
    def not_synced(self) -> list[str]:
        """The reasons why it knows nothing yet, in words."""

    def of(self, pv: str) -> list[CachedAttachment]:
        """Return those of the PV of this name."""

    def is_gone(self, name: str) -> bool:
        """Return whether the one with this name is gone, or not attached; False if that is unknown."""

    def beyond(self, pvs: Container[str], left: Iterable[str]) -> list[CachedAttachment]:
        """Return those of none of these PVs, from which the names `left` have gone since the last call."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Have memory filled and kept current while the block lasts."""

    async def wait_until_synced(self) -> None:
        """Wait until memory has been filled."""


class NoAttachmentCache:
    """The cache of nothing: no attachments, or none wanted; those that another worker knew of are not gone for that."""

    not_synced: Final[list[str]] = []

    def of(self, pv: str) -> list[CachedAttachment]:  # noqa: ARG002 - there are none of any PV
        """See `AttachmentCache`."""
        return []

    def is_gone(self, name: str) -> bool:  # noqa: ARG002 - of none it is known
        """See `AttachmentCache`."""
        return False

    def beyond(self, pvs: Container[str], left: Iterable[str]) -> list[CachedAttachment]:  # noqa: ARG002 - there are none
        """See `AttachmentCache`."""
        return []

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `AttachmentCache`; there is nothing to follow."""
        return nullcontext()

    async def wait_until_synced(self) -> None:
        """See `AttachmentCache`."""


class ListedAttachments:
    """The VolumeAttachments that were attached when they were listed; `placed` are the PVs of known volumes."""

    not_synced: Final[list[str]] = []

    def __init__(self, attached: Iterable[Attached], placed: Container[str]) -> None:
        self._placed = placed
        self._shown = [CachedAttachment(each.name, each.pv, each.node, each.node_id or "", each.since) for each in attached]

    def of(self, pv: str) -> list[CachedAttachment]:
        """See `AttachmentCache`."""
        return [shown for shown in self._shown if shown.pv == pv]

    def is_gone(self, name: str) -> bool:
        """See `AttachmentCache`."""
        return all(shown.name != name for shown in self._shown)

    def beyond(self, pvs: Container[str], left: Iterable[str]) -> list[CachedAttachment]:  # noqa: ARG002 - each is looked at
        """See `AttachmentCache`."""
        return [shown for shown in self._shown if shown.pv not in pvs and shown.pv not in self._placed]

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `AttachmentCache`; nothing is followed."""
        return nullcontext()

    async def wait_until_synced(self) -> None:
        """See `AttachmentCache`."""


class UnknownNames:
    """Those of the names `attached` that aren't among the PVs that are known, without a look at all of either."""

    def __init__(self, attached: Container[str]) -> None:
        self._attached = attached
        self._suspect: set[str] = set()

    def add(self, name: str) -> None:
        """Note that this PV has an attachment now."""
        self._suspect.add(name)

    def drop(self, name: str) -> None:
        """Note that this PV has no attachment any more."""
        self._suspect.discard(name)

    def beyond(self, pvs: Container[str], left: Iterable[str]) -> list[str]:
        """Return them in their order; `left` have gone from the PVs since the last call."""
        self._suspect.update(name for name in left if name in self._attached)
        self._suspect = {name for name in self._suspect if name not in pvs}
        return sorted(self._suspect)


class ClusterAttachmentCache:
    """The VolumeAttachments on an API server; `reconnected` and `bounds` are those of `ListWatch`."""

    def __init__(self, api: KubernetesApi, driver: str, reconnected: Callable[[], None], **bounds: Any) -> None:
        self._driver = driver
        self._by_pv: dict[str, tuple[CachedAttachment, ...]] = {}
        self._names = UnknownNames(self._by_pv)
        objects = ListWatch(api, VOLUME_ATTACHMENTS, reconnected, **bounds)
        self._informer: Informer[VolumeAttachment, CachedAttachment] = Informer(
            objects, self._read, self._take_in, "MOORING_ADOPT=false"
        )
        self._seen: dict[str, CachedAttachment] = {}
        """VolumeAttachments by name, as `_by_pv` has them."""

    @property
    def not_synced(self) -> list[str]:
        """See `AttachmentCache`."""
        return self._informer.missing

    def of(self, pv: str) -> list[CachedAttachment]:
        """See `AttachmentCache`."""
        return list(self._by_pv.get(pv, ()))

    def is_gone(self, name: str) -> bool:
        """See `AttachmentCache`."""
        return not self._informer.missing and name not in self._seen

    def beyond(self, pvs: Container[str], left: Iterable[str]) -> list[CachedAttachment]:
        """See `AttachmentCache`."""
        return [shown for pv in self._names.beyond(pvs, left) for shown in self._by_pv[pv]]

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `AttachmentCache`."""
        return self._informer.running()

    async def wait_until_synced(self) -> None:
        """See `AttachmentCache`."""
        await self._informer.wait_until_synced()

    def _read(self, each: VolumeAttachment) -> CachedAttachment | None:
        if each.spec.attacher != self._driver or not each.status.attached:
            return None
        meta = each.metadata
        return CachedAttachment(meta.name, each.pv, each.spec.node_name, each.noted_node_id, meta.creation_timestamp or _NEVER)

    def _take_in(self, changes: Mapping[str, CachedAttachment | None]) -> None:
        for name, now in changes.items():
            before = self._seen.pop(name, None)
            if before is not None:
                self._put(before.pv, tuple(shown for shown in self._by_pv[before.pv] if shown.name != name))
            if now is not None:
                self._seen[name] = now
                self._put(now.pv, (*self._by_pv.get(now.pv, ()), now))

    def _put(self, pv: str, shown: tuple[CachedAttachment, ...]) -> None:
        self._by_pv.pop(pv, None)
        self._names.drop(pv)
        if shown:
            self._by_pv[pv] = shown
            self._names.add(pv)

"""The VolumeAttachments that say attached, and whose PV is unknown, with the volumes that they may be of.

Contract: one may be of any volume, so it keeps a volume without a PV from every node but its own. If its Node can be asked, and
says that a volume is attached to it (`status.volumesAttached`), it is evidence for that volume; if the Node doesn't say so, that
proves nothing.

Not kept here: conclusions from it (evidence.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mooring.errors import MooringError

if TYPE_CHECKING:
    from mooring.cluster.attachment_cache import AttachmentCache, CachedAttachment
    from mooring.cluster.node_usage import NodeUsageReader
    from mooring.cluster.volume_attachments import VolumeAttachments
    from mooring.index.manager import AttachmentManager

MAX_CONFIRMED: Final = 20
"""Number of VolumeAttachments that are looked into, and of Nodes that are asked, at most."""


@dataclass(frozen=True, slots=True)
class UnplacedAttachments:
    """Those of one driver."""

    manager: AttachmentManager
    attached: AttachmentCache
    attachments: VolumeAttachments
    node_usage: NodeUsageReader

    async def confirmed(self) -> list[CachedAttachment]:
        """Return those whose PV isn't there, as far as they are few enough to be looked into."""
        shown = self._unknown()
        if len(shown) > MAX_CONFIRMED:
            return shown
        return [each for each in shown if not each.pv or not await self._is_there(each.pv)]

    async def of(self, handle: str) -> list[CachedAttachment]:
        """Return those whose Node says that it has the volume; none if no Node may be asked.

        Raises:
            KubernetesUnavailable: the API server did not answer for a Node.

        """
        shown = self._unknown()
        nodes = list(dict.fromkeys(each.node for each in shown))[:MAX_CONFIRMED]
        try:
            having = await self.node_usage.having(handle, nodes) if nodes else set[str]()
        except MooringError as error:
            if error.retryable:
                raise
            return []
        return [each for each in shown if each.node in having]

    def catch_up(self) -> None:
        """Take in the PVs that have gone, so that few have to be remembered."""
        self._unknown()

    def _unknown(self) -> list[CachedAttachment]:
        departed = {pv for departure in self.manager.departures.open() for pv in departure.pvs.values()}
        beyond = self.attached.beyond(self.manager.pv_names, self.manager.take_left())
        return [shown for shown in beyond if shown.pv not in departed]

    async def _is_there(self, pv: str) -> bool:
        try:
            return await self.attachments.volume(pv) is not None
        except MooringError:
            return False


def doubt(handle: str, shown: CachedAttachment, others: int) -> str:
    """Return the reason why a volume without a PV may be attached, with the advice; there are `others` like it."""
    more = f" ({others} more like it)" if others else ""
    return (
        f"Volume {handle} has no PersistentVolume, and may be attached: VolumeAttachment {shown.name} attaches {_what(shown)}, to "
        f"node {shown.node}{more}. Create the PersistentVolume of either, or delete the VolumeAttachment once nothing uses it "
        "there."
    )


def word(shown: CachedAttachment) -> str:
    """Return what one says of a volume that its Node has, as a sentence."""
    return (
        f"VolumeAttachment {shown.name} attaches {_what(shown)}, to node {shown.node}, and the Node says that this volume is "
        "attached to it."
    )


def _what(shown: CachedAttachment) -> str:
    return f"PersistentVolume {shown.pv}, which is unknown" if shown.pv else "a volume that names no PersistentVolume"

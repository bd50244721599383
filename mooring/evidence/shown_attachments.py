"""The VolumeAttachments that speak for a volume's holders: their node ids, and the answers of the API server about them.

Contract: a shared volume may have hundreds of them, so some are asked about at a time.

Not kept here: the VolumeAttachments that nothing places (unplaced.py), and the conclusions (evidence.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Final

from mooring.errors import MooringError
from mooring.process.at_once import ask_each

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mooring.cluster.attachment_cache import AttachmentCache, CachedAttachment
    from mooring.cluster.node_ids import Nodes
    from mooring.cluster.volume_attachments import VolumeAttachments
    from mooring.models import AccessMode

MAX_CONCURRENT: Final = 10
"""Number of one volume's VolumeAttachments that are asked about at once."""


@dataclass(frozen=True, slots=True)
class ShownAttachments:
    """Those that one worker knows of."""

    attached: AttachmentCache
    attachments: VolumeAttachments
    nodes: Nodes

    async def of(self, pvs: Iterable[str]) -> list[tuple[str, CachedAttachment]]:
        """Return those of these PVs, each with its node id."""
        return await self.with_node_ids([each for pv in pvs for each in self.attached.of(pv)])

    async def with_node_ids(self, shown: Sequence[CachedAttachment]) -> list[tuple[str, CachedAttachment]]:
        """Return each of these with the node id that goes with it."""
        return list(zip(await ask_each(self.node_id, shown, MAX_CONCURRENT), shown, strict=True))

    async def node_id(self, shown: CachedAttachment) -> str:
        """Return the node id that goes with a VolumeAttachment, or the node's name if it is unknown."""
        node = self.nodes.named(shown.node)
        known = node.node_id if node else shown.noted
        return known or await self.attachments.node_id(shown.node) or shown.node

    async def still_attached(self, named: Iterable[str]) -> set[str]:
        """Return the names of those that are attached now.

        NB: the watch may lag, and show one that has been detached, or none that another worker has seen come.
        """
        names = list(named)
        return set(compress(names, await ask_each(self.attachments.is_attached, names, MAX_CONCURRENT)))

    async def modes(self, named: Iterable[str]) -> dict[str, tuple[AccessMode | None, bool]]:
        """Map each of these PVs to the mode in which several nodes may have it, None for one node, and whether it is readonly.

        Raises:
            KubernetesUnavailable: the API server did not say. The next write makes a record of it, so nothing is guessed.

        """
        pvs = list(dict.fromkeys(named))
        return dict(zip(pvs, await ask_each(self._mode, pvs, MAX_CONCURRENT), strict=True))

    async def _mode(self, pv: str) -> tuple[AccessMode | None, bool]:
        try:
            volume = await self.attachments.volume(pv)
        except MooringError as error:
            if error.retryable:
                raise
            return None, False  # one node, then: the strictest
        return (volume.access_mode, volume.readonly) if volume else (None, False)

"""The fate of a volume on a node since its VolumeAttachment was made: pure, from times of two clocks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

ROUNDED: Final = timedelta(seconds=1)
"""An API server notes times in whole seconds, so that what it made may be so much younger than it says."""


def conclude(made: datetime, ended: datetime | None, began: Collection[datetime], skew: timedelta) -> Past:
    """Return what follows from times: when a VolumeAttachment was made, when the record's last writer ended (None: it has not, or
    is forgotten), and when the unpublishes from its node began.

    NB: `made` is of another clock than the others, which may be `skew` before or behind, and in whole seconds.
    """
    if ended is not None and made >= ended + skew:
        return Past.YOUNGER
    if any(begin >= made + ROUNDED + skew for begin in began):
        return Past.DETACHED
    return Past.UNKNOWN if began or ended is None else Past.KEPT


class Past(StrEnum):
    """Fate of a volume on a node since its VolumeAttachment was made.

    DETACHED: it was unpublished from the node. YOUNGER: nothing, as it was made after the record's last write had ended. KEPT: the
    record was written since, but all of these runs are remembered, and none unpublished it from the node.
    """

    DETACHED = "detached"
    YOUNGER = "younger"
    KEPT = "kept"
    UNKNOWN = "unknown"

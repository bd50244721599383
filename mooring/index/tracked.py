"""The attachments that no PV bears yet, by volume handle: those that a step of this worker is about to record, or waits to.

Invariant: `number_on` counts the volumes of each node.

Not kept here: the beginning and the end of the tracking (manager.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from mooring.index.entries import count_by
from mooring.models import Attachment


class TrackedAttachments:
    """Tracked attachments by volume handle: each node once."""

    __slots__ = ("_attachments", "_on")

    def __init__(self) -> None:
        self._attachments: dict[str, tuple[Attachment, ...]] = {}
        self._on: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._on.total()

    def __iter__(self) -> Iterator[tuple[str, Attachment]]:
        return ((handle, held) for handle, attachments in self._attachments.items() for held in attachments)

    def handles(self) -> list[str]:
        """Return every volume with a tracked attachment; the list is the caller's."""
        return list(self._attachments)

    def of(self, handle: str) -> tuple[Attachment, ...]:
        """Return the volume's tracked attachments."""
        return self._attachments.get(handle, ())

    def nodes(self, handle: str) -> list[str]:
        """Return the node ids of the volume's tracked attachments."""
        return [held.node_id for held in self.of(handle)]

    def number_on(self, node_id: str) -> int:
        """Return the number of volumes that are tracked for the node."""
        return self._on[node_id]

    def add(self, handle: str, attachment: Attachment) -> None:
        """Enter an attachment of a node that has none of the volume yet."""
        self._attachments[handle] = (*self.of(handle), attachment)
        count_by(self._on, attachment.node_id, 1)

    def remove(self, handle: str, leaves: Callable[[str], bool]) -> None:
        """Remove those of the volume's attachments whose node leaves."""
        before = self._attachments.pop(handle, ())
        kept = tuple(held for held in before if not leaves(held.node_id))
        for held in before:
            if leaves(held.node_id):
                count_by(self._on, held.node_id, -1)
        if kept:
            self._attachments[handle] = kept

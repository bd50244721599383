"""ListVolumes from the index, in pages.

Contract: a list is of the volumes as they were when its first page was requested; the holders of each are those in the index when
its page is, and those named by a record that is in doubt or can't be read: a CO takes a node that is omitted for detached. A GCE
disk whose handle doesn't name its project, like that of an in-tree PV, is also listed by the name that it has on each of its nodes,
by which external-attacher looks for it. There is one entry a name, as external-attacher keeps the last of several.

A token is good for the lists of this process that are not followed by `LISTS` newer ones; any other is refused, and the
CO begins again (CSI spec, ListVolumes: ABORTED).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from mooring.csi.wire import csi_pb2
from mooring.errors import InvalidRequest, ListOutdated
from mooring.kubernetes import in_tree

if TYPE_CHECKING:
    from mooring.index.manager import AttachmentManager

MAX_LISTS: Final = 8
PAGE: Final = 5000
"""Entries of a page at most."""
PAGE_BYTES: Final = 3 << 20
"""Bytes of a page at most, not counting its last entry: clients take 4 MiB a message."""


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of a list, and by name the volumes that go by it on some of their nodes, though it isn't their handle."""

    all: list[str]
    repaired: dict[str, list[str]]

    def nodes(self, manager: AttachmentManager, name: str) -> dict[str, None]:
        """Return the ids of the nodes that have the volume of this name, each once."""
        nodes = dict.fromkeys(manager.listed_nodes(name))
        for handle in self.repaired.get(name, ()):
            nodes |= dict.fromkeys(node for node in manager.listed_nodes(handle) if in_tree.repaired(handle, node) == name)
        return nodes


class Listing:
    """The lists under way."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._lists: OrderedDict[int, _Names] = OrderedDict()

    async def page(self, manager: AttachmentManager, request: csi_pb2.ListVolumesRequest) -> csi_pb2.ListVolumesResponse:
        """Return one page; raise InvalidRequest for a negative size, ListOutdated for a token that isn't known."""
        if request.max_entries < 0:
            raise InvalidRequest(f"ListVolumes asks for {request.max_entries} entries; max_entries must not be negative.")
        number, start = self._parsed(request.starting_token) if request.starting_token else (await self._begin(manager), 0)
        names = self._lists[number]
        answer, size = csi_pb2.ListVolumesResponse(), 0
        for name in names.all[start : start + min(request.max_entries or PAGE, PAGE)]:
            entry = answer.entries.add()
            entry.volume.volume_id = name
            entry.status.published_node_ids.extend(names.nodes(manager, name))
            size += entry.ByteSize()
            if size > PAGE_BYTES:
                break
        end = start + len(answer.entries)
        answer.next_token = f"{number}:{end}" if end < len(names.all) else ""
        return answer

    async def _begin(self, manager: AttachmentManager) -> int:
        handles = manager.volume_handles()
        repaired = _repaired(manager, await asyncio.to_thread(in_tree.underspecified, handles))
        number = next(self._numbers)
        self._lists[number] = _Names(await asyncio.to_thread(sorted, {*handles, *repaired}), repaired)
        while len(self._lists) > MAX_LISTS:
            self._lists.popitem(last=False)
        return number

    def _parsed(self, token: str) -> tuple[int, int]:
        number, _, start = token.partition(":")
        if number.isdecimal() and start.isdecimal() and int(number) in self._lists:
            return int(number), int(start)
        raise ListOutdated(f"ListVolumes got the token {token!r}, which belongs to no list in progress.")


def _repaired(manager: AttachmentManager, handles: Iterable[str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for handle in handles:
        for name in {in_tree.repaired(handle, node) for node in manager.listed_nodes(handle)} - {handle}:
            found[name].append(handle)
    return dict(found)

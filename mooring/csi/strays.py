"""Finds nodes that have a volume at the driver and not in its record, and has them detached.

A driver that ignores the fencing token may carry out a call that Mooring gave up on long ago, when the volume is elsewhere already.
The driver's own list shows it (CSI spec, ListVolumes, published_node_ids), where it has one.

Contract: only volumes with a record are looked at, since of others Mooring knows nothing, and none whose record is in doubt
(mooring/adopter.py); a node that two looks in a row show is taken for a stray, and detached by an unpublish that asks the live
record first.

Not kept here: strays of a driver that doesn't list published nodes. Nobody can see those but the storage.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from grpc import aio

from mooring.csi.driver import Description, Rpc
from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.errors import MooringError
from mooring.models import UnpublishRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mooring.csi.desk import Desk, Serving
    from mooring.manager import AttachmentManager

LIST_SECONDS: Final = 30.0
Stray = tuple[str, str]
"""Volume handle and node id."""

logger = logging.getLogger(__name__)


def lists_nodes(behind: Description | None) -> bool:
    """Whether the driver says which nodes have its volumes."""
    return behind is not None and {Rpc.LIST_VOLUMES, Rpc.LIST_VOLUMES_PUBLISHED_NODES} <= behind.rpcs


class Strays:
    """The strays of the driver behind a desk."""

    def __init__(self, channel: aio.Channel, desk: Desk) -> None:
        self._controller = csi_pb2_grpc.ControllerStub(channel)
        self._desk = desk
        self._suspects: set[Stray] = set()

    async def watch(self, interval: float) -> None:
        """Look every `interval` seconds while the worker is ready, without end."""
        while True:
            await asyncio.sleep(interval)
            try:
                if self._desk.serving is not None and lists_nodes(self._desk.behind):
                    await self.look(self._desk.serving)
            except aio.AioRpcError as error:
                logger.warning("The driver's list could not be compared with the records: %s", error)
            except Exception:
                logger.exception("The look for strays failed; the next one begins anew.")

    async def look(self, serving: Serving) -> set[Stray]:
        """Compare the driver's list with the index once, and have strays detached; those that were found."""
        seen = {(handle, node) async for handle, node in self._published() if _is_strange(serving.manager, handle, node)}
        strays = seen & self._suspects
        self._suspects = seen - strays
        for handle, node in sorted(strays):
            logger.warning(
                "Node %s has volume %s at the driver, and no record says so. %s",
                node,
                handle,
                await self._detach(serving, handle, node),
            )
        return strays

    async def _detach(self, serving: Serving, handle: str, node: str) -> str:
        """What became of it, in words: one stray that stays must not keep the others."""
        try:
            asked = UnpublishRequest(driver=self._desk.driver, volume_handle=handle, node_id=node, stray=True)
            return (await serving.mooring.request_unpublish(asked)).message
        except MooringError as error:
            return str(error)

    async def _published(self) -> AsyncIterator[Stray]:
        request = csi_pb2.ListVolumesRequest()
        while True:
            answer = await self._controller.ListVolumes(request, timeout=LIST_SECONDS)
            for entry in answer.entries:
                for node in entry.status.published_node_ids:
                    yield entry.volume.volume_id, node
            if not answer.next_token:
                return
            request.starting_token = answer.next_token


def _is_strange(manager: AttachmentManager, handle: str, node: str) -> bool:
    # NB: nearly every node that is listed is one that the index names, so that is asked first: it makes no model.
    if node in manager.nodes_of(handle) or handle in manager.doubts or handle in manager.unsettled:
        return False
    try:
        record = manager.observe(handle)
    except MooringError:
        return False  # nobody can say who holds it
    return record is not None and record.epoch > 0

"""A driver behind Mooring that says which nodes have its volumes (CSI spec, ListVolumes, published_node_ids).

A driver that ignores the fencing token may carry out a call that Mooring gave up on long ago, when the volume is elsewhere already.
Its own list shows that. Of a driver without such a list nobody can tell but the storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grpc import aio

from mooring.csi.driver import DriverBackend
from mooring.csi.wire import csi_pb2
from mooring.errors import BackendUncertain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

LIST_SECONDS: Final = 30.0


class ListingBackend(DriverBackend):
    """The backend that such a driver is."""

    async def published(self) -> AsyncGenerator[tuple[str, str]]:
        """Every volume handle and node id; BackendUncertain where the driver doesn't list them to the end."""
        request = csi_pb2.ListVolumesRequest()
        while True:
            try:
                answer = await self._controller.ListVolumes(request, timeout=LIST_SECONDS)
            except aio.AioRpcError as error:
                raise BackendUncertain(f"The driver did not list its volumes: {error.code().name}: {error.details()}.") from None
            for entry in answer.entries:
                for node in entry.status.published_node_ids:
                    yield entry.volume.volume_id, node
            if not answer.next_token:
                return
            request.starting_token = answer.next_token

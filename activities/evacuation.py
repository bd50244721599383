"""The activities that look at a node that is to be evacuated, list its volumes, and have one volume released.

Contract: the answers about the node and its volumes are live; a volume is released by an unpublish under the volume's lock, bound
to the epoch that the list saw, or to the run that waits for its PV, so that one published again since is not touched. A repeated
request is answered as the first time.

Not kept here: the proof that a node is dead (workflows/evacuate.py).
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json
from temporalio import activity

from activities.attempt import attempt
from mooring.errors import MooringError
from mooring.models import UnpublishRequest, UnpublishResult
from mooring.models.evacuation import (
    CountReleasedInput,
    EvacuationOptions,
    HeldVolume,
    HeldVolumes,
    ReadNodeInput,
    ReadNodeResult,
    Release,
)
from mooring.process.at_once import ask_each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mooring.client import MooringClient
    from mooring.cluster.node_health import NodeHealthReader
    from mooring.csi.co_secrets import CoCalls
    from mooring.index.manager import AttachmentManager
    from mooring.records.store import RecordStore
    from mooring.temporal.visibility import RunVisibility

MAX_CONCURRENT: Final = 16
"""Volumes whose release is looked into at once."""
MAX_DEPARTED: Final = 20
"""Volumes whose PV went that a list names."""
MAX_LISTED: Final = 5000
"""Volumes that a list names."""
MAX_LISTED_BYTES: Final = 1_000_000
"""Bytes that their handles may have together, which remains below a payload's limit of 2 MB."""


class EvacuationActivities:
    """The evacuations of one driver's nodes."""

    def __init__(
        self,
        driver: str,
        mooring: MooringClient,
        runs: RunVisibility,
        manager: AttachmentManager,
        volumes: RecordStore,
        node_health: NodeHealthReader,
        options: EvacuationOptions,
        co_calls: CoCalls,
        page_size: int,
    ) -> None:
        self._driver = driver
        self._mooring = mooring
        self._runs = runs
        self._manager = manager
        self._volumes = volumes
        self._node_health = node_health
        self._options = options
        self._co_calls = co_calls
        self._page_size = page_size

    @activity.defn(name="evacuation_terms")
    async def options(self) -> EvacuationOptions:
        """Return the settings of this worker."""
        return self._options

    @activity.defn(name="look_at_node")
    async def look(self, asked: ReadNodeInput) -> ReadNodeResult:
        """Look at the node now."""
        async with attempt(patient=True):
            found = await self._node_health.read(asked.node_id, asked.names)
        return ReadNodeResult(
            node_name=found.name,
            presence=found.presence,
            out_of_service=found.out_of_service,
            holds=self._manager.volumes_on(asked.node_id),
            words=found.words,
            ready=found.ready,
            node_names=found.names if len(found.names) > 1 else (),
        )

    @activity.defn(name="list_volumes_of_node")
    async def held(self, asked: ReadNodeInput) -> HeldVolumes:
        """List the volumes that the node holds by the PVs now, those that wait for their PV, and those whose PV is gone.

        NB: the waiting volumes are from Temporal's visibility, which lags by a moment; the list of the next round has them all.
        """
        async with attempt(patient=True):
            held = await self._recorded(asked.node_id)
            for handle, waits in (await self._runs.waiting()).items():
                if waits.node_id == asked.node_id:
                    held.append(HeldVolume(volume_handle=handle, epoch=None, run_id=waits.run_id))
        return HeldVolumes(volumes=tuple(_first(held)), total=len(held), departed=tuple(self._departed(asked.node_id)))

    @activity.defn(name="release_volume")
    async def release(self, asked: Release) -> UnpublishResult:
        """Have the node release the volume, in an operation of its own; if only the CO can do that, report so and begin none.

        If the very same has been done before, its answer is returned: an attempt was cut off before it could receive it.
        """
        async with attempt():
            await self._co_calls.check(asked.held.volume_handle, asked.node_id)
            request = self._request(asked.node_id, asked.held)
            result = await self._mooring.request_unpublish(request, deadline=asked.deadline)
            return result if result.released or not result.annotation_cleared else await self._answer_to(request) or result

    @activity.defn(name="count_released")
    async def count_released(self, asked: CountReleasedInput) -> int:
        """Return how many of the volumes were released as was asked; no operation is begun."""
        async with attempt(patient=True):

            async def ask(held: HeldVolume) -> UnpublishResult | None:
                return await self._answer_to(self._request(asked.node_id, held))

            answers = await ask_each(ask, asked.volumes, MAX_CONCURRENT)
        return len([answer for answer in answers if answer is not None])

    def _request(self, node_id: str, held: HeldVolume) -> UnpublishRequest:
        return UnpublishRequest(
            driver=self._driver, volume_handle=held.volume_handle, node_id=node_id, at_epoch=held.epoch, at_run=held.run_id
        )

    async def _answer_to(self, asked: UnpublishRequest) -> UnpublishResult | None:
        """Return the result of the very same request if it has released something before, else None."""
        handle = asked.volume_handle
        pvs = self._manager.pvs(handle)
        try:
            record = await self._volumes.read(handle, pvs) if pvs else None  # NB: one that is not known costs a list of all PVs
        except MooringError:
            record = None  # it only helps to find the answer
        return await self._runs.answer_to(asked, record.operation if record else "")

    def _departed(self, node_id: str) -> Iterator[str]:
        """Yield volumes whose PV was deleted while its record named the node, as far as this worker saw it."""
        held = (each for each in self._manager.departures.open() if any(holder.node_id == node_id for holder in each.holders))
        return (departure.seen.handle for departure in islice(held, MAX_DEPARTED))

    async def _recorded(self, node_id: str) -> list[HeldVolume]:
        epochs: dict[str, int] = {}
        holding: set[str] = set()
        async with aclosing(self._volumes.pages(self._page_size)) as pages:
            async for page in pages:
                if page.first:
                    epochs, holding = {}, set()
                for seen in page.records:
                    epochs[seen.handle] = max(seen.fence, epochs.get(seen.handle, 0))  # of several PVs, as an unpublish sees it
                    holding.update({seen.handle} if node_id in seen.nodes else ())
        return [HeldVolume(volume_handle=handle, epoch=epochs[handle]) for handle in epochs if handle in holding]


def _first(held: list[HeldVolume]) -> Iterator[HeldVolume]:
    """Yield the first of them, as many as a list names, and at least one."""
    room = MAX_LISTED_BYTES
    for number, volume in enumerate(held[:MAX_LISTED]):
        room -= len(to_json(volume.volume_handle))
        if room < 0 and number:
            return
        yield volume

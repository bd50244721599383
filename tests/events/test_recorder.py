"""The recorder by itself: repeated Events form one series, Events without room are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from mooring.devstack.faults import Loss
from mooring.events.pvcs import PvcCache
from mooring.events.reasons import EventNote, Reason
from mooring.events.recorder import Recorder
from mooring.events.waiting import CROWD
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.connection import connect
from mooring.models import Precondition
from tests.cluster.nodes.conftest import NodeObjects
from tests.events.conftest import Observatory
from tests.harness.cluster import PVS, Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import until

NEVER: Final = 3600.0
START: Final = datetime(2026, 1, 31, 4, 0, 41, 123456, UTC)


@dataclass(slots=True)
class Recording:
    """A recorder, its clock, and what it has dropped."""

    api: KubernetesApi
    cluster: Cluster
    now: datetime = START
    dropped: list[None] = field(default_factory=list)

    @asynccontextmanager
    async def recorder(self, size: int = 1000, pace: float = 0.0) -> AsyncIterator[Recorder]:
        """Yield a recorder that runs while the block lasts, and reports what happened again each 50 ms."""
        recorder = self.make(size, pace)
        async with recorder.running():
            yield recorder

    def make(self, size: int = 1000, pace: float = 0.0) -> Recorder:
        """Return a recorder that doesn't run yet."""
        pvcs = PvcCache(self.api)
        return Recorder(
            *(self.api, pvcs, lambda _: "", "worker-0", lambda: self.now, lambda: self.dropped.append(None)),
            warnings_only=False,
            size=size,
            pause=0.05,
            pace=pace,
        )

    async def event(self, **changed: Any) -> EventNote:
        """Return an Attached of the volume."""
        return EventNote(**{**_ATTACHED, "pv": await self.mark("vol"), **changed})

    async def mark(self, handle: str) -> Precondition:
        """Return the mark of the volume's PV."""
        pv = await self.cluster.ask("GET", f"{PVS}/{self.cluster.pv(handle)}")
        return Precondition(pv=pv["metadata"]["name"], uid=pv["metadata"]["uid"])


_ATTACHED: Final[dict[str, Any]] = {
    "reason": Reason.ATTACHED,
    "volume_handle": "vol",
    "node_id": "node-a",
    "note": "Volume vol is attached.",
}


@pytest.fixture
async def recording(cluster: Cluster) -> AsyncIterator[Recording]:
    api = await connect(cluster.proxy.kubeconfig(), {}, 1.0)
    await cluster.create("vol")
    yield Recording(api, cluster)
    await api.close()


@pytest.fixture
def seen(cluster: Cluster) -> Observatory:
    return Observatory(cluster, NodeObjects(cluster))


async def counted(seen: Observatory, *counts: int) -> None:
    """Wait until so many Events are on the PV, with these counts."""
    async with asyncio.timeout(PATIENCE):
        while [_count(event) for event in await seen.events(seen.cluster.pv("vol"))] != [*counts]:
            await asyncio.sleep(0.05)


def _count(event: dict[str, Any]) -> int:
    return int((event.get("series") or {"count": 1})["count"])


async def test_what_happens_again_is_counted(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        for _ in range(3):
            recorder.record(await recording.event())
        await counted(seen, 3)


async def test_what_was_taken_last_is_written_before_the_end(recording: Recording, seen: Observatory) -> None:
    event = await recording.event()
    async with recording.recorder() as recorder:
        recorder.record(event)

    assert [_count(event) for event in await seen.events(recording.cluster.pv("vol"))] == [1]


async def test_a_storm_costs_few_requests(recording: Recording, seen: Observatory) -> None:
    event = await recording.event()
    async with recording.recorder() as recorder:
        for _ in range(500):
            recorder.record(event)
        await counted(seen, 500)

    proxy = recording.cluster.proxy
    assert (proxy.count("POST", "/events"), recording.dropped) == (1, [])
    assert proxy.count("PATCH", "/events") < 10


@pytest.mark.parametrize("changed", [{"holder": "node-c"}, {"reason": Reason.DETACHED}], ids=["holder", "reason"])
async def test_what_differs_is_another_event(recording: Recording, seen: Observatory, changed: dict[str, Any]) -> None:
    async with recording.recorder() as recorder:
        recorder.record(await recording.event())
        recorder.record(await recording.event(**changed))
        await counted(seen, 1, 1)


async def test_what_happens_again_much_later_is_another_event(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        recorder.record(await recording.event())
        await counted(seen, 1)
        recording.now += timedelta(minutes=6, seconds=1)
        recorder.record(await recording.event())
        await counted(seen, 1, 1)


async def test_another_cause_is_another_event_a_minute_after_the_first(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        for cause, counts in (("no answer", [1]), ("no answer", [2]), ("no such LUN", [2, 1]), ("no such LUN", [2, 2])):
            recorder.record(await recording.event(note=cause))
            await counted(seen, *counts)
            recording.now += timedelta(seconds=31)

    assert [event["note"] for event in await seen.events(recording.cluster.pv("vol"))] == ["no answer", "no such LUN"]


async def test_a_note_that_is_never_twice_the_same_makes_no_flood(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        for number in range(50):
            recorder.record(await recording.event(note=f"attempt {number}"))
            recording.now += timedelta(seconds=1)
        await counted(seen, 50)


async def test_a_fault_in_one_event_is_counted_and_stops_no_other(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        recorder.record(await recording.event(note="\ud800"))
        await until(lambda: len(recording.dropped) == 1)
        recorder.record(await recording.event())
        await counted(seen, 1)


async def test_an_event_that_has_expired_is_written_anew_with_its_count(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        recorder.record(await recording.event())
        await counted(seen, 1)
        [event] = await seen.events(recording.cluster.pv("vol"))
        await recording.cluster.ask("DELETE", f"/apis/events.k8s.io/v1/namespaces/default/events/{event['metadata']['name']}")
        recorder.record(await recording.event())
        await counted(seen, 2)


async def test_a_count_that_is_refused_is_told_later(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        recorder.record(await recording.event())
        await counted(seen, 1)
        recording.cluster.proxy.fail("PATCH", path="/events", status=500, times=2)
        recorder.record(await recording.event())
        await counted(seen, 2)


async def test_what_there_is_no_room_for_is_dropped_and_counted(recording: Recording, seen: Observatory) -> None:
    recorder = recording.make(size=4)
    for node in ("node-a", "node-b", "node-c"):
        recorder.record(await recording.event(holder=node))
    await until(lambda: len(recording.dropped) == 1)

    async with recorder.running():
        await counted(seen, 1, 1)


async def test_a_warning_has_room_where_what_went_well_has_none(recording: Recording, seen: Observatory) -> None:
    recorder = recording.make(size=2)
    for changed in ({}, {"holder": "node-b"}, {"reason": Reason.ROLLED_BACK}):
        recorder.record(await recording.event(**changed))
    await until(lambda: len(recording.dropped) == 1)

    async with recorder.running():
        await seen.told_of("vol", "Attached", "RolledBack")


async def test_a_warning_is_written_before_what_went_well(recording: Recording, seen: Observatory) -> None:
    recorder = recording.make(pace=NEVER)
    recorder.record(await recording.event())
    recorder.record(await recording.event(reason=Reason.ROLLED_BACK))

    async with recorder.running():
        await seen.told_of("vol", "RolledBack")


async def test_what_waits_for_its_turn_is_written_before_the_end(recording: Recording, seen: Observatory) -> None:
    recorder = recording.make(pace=NEVER)
    for node in ("node-a", "node-b", "node-c"):
        recorder.record(await recording.event(holder=node))
    async with recorder.running():
        await counted(seen, 1)

    await counted(seen, 1, 1, 1)


async def test_an_event_that_comes_alone_leaves_its_operation_the_time_to_answer(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder(pace=NEVER) as recorder:
        recorder.record(await recording.event())
        await asyncio.sleep(0.3)
        at_first = await seen.events(seen.cluster.pv("vol"))

    assert at_first == []
    await counted(seen, 1)


async def test_in_a_crowd_what_went_well_is_told_on_the_pv_alone(recording: Recording, seen: Observatory) -> None:
    await seen.bound("vol-of-a-claim")
    about = {"pv": await recording.mark("vol-of-a-claim")}
    recorder = recording.make()
    for number in range(CROWD + 2):
        recorder.record(await recording.event(**about, holder=f"node-{number}"))
    async with recorder.running():
        await seen.told_of("vol-of-a-claim", *(CROWD + 2) * ["Attached"])
        await seen.told(seen.claim("vol-of-a-claim"), *(CROWD + 1) * ["Attached"])


async def test_what_was_not_written_before_the_end_is_logged(recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
    recording.cluster.proxy.drop("POST", path="/events", loss=Loss.HANG)
    async with recording.recorder() as recorder:
        for node in ("node-a", "node-b", "node-c"):
            recorder.record(await recording.event(holder=node))

    assert any("were not written as Events before the worker stopped" in message for message in caplog.messages)


async def test_an_event_that_is_refused_is_counted_and_logged_once(recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
    recording.cluster.proxy.fail("POST", path="/events", status=403)
    async with recording.recorder() as recorder:
        for node in ("node-a", "node-b"):
            recorder.record(await recording.event(holder=node))
        await until(lambda: len(recording.dropped) == 2)

    assert [record.levelname for record in caplog.records if "An Event is lost" in record.message] == ["WARNING"]


async def test_it_is_taken_from_any_thread(recording: Recording, seen: Observatory) -> None:
    async with recording.recorder() as recorder:
        await asyncio.to_thread(recorder.record, await recording.event())
        await counted(seen, 1)


@pytest.mark.parametrize("note", ["x" * 5000, "ü" * 5000], ids=["ascii", "two bytes a character"])
async def test_a_long_note_is_cut(recording: Recording, seen: Observatory, note: str) -> None:
    async with recording.recorder() as recorder:
        recorder.record(await recording.event(note=note))
        await counted(seen, 1)

    [event] = await seen.events(recording.cluster.pv("vol"))
    assert len(event["note"].encode()) == 1024


async def test_a_pv_with_a_name_of_the_greatest_length_has_events(recording: Recording, seen: Observatory) -> None:
    name = f"{'p' * 62}.{'v' * 62}.{'n' * 62}.{recording.cluster.pv('long')}".ljust(253, "x")
    pv = await recording.cluster.create("long", name=name)
    async with recording.recorder() as recorder:
        recorder.record(await recording.event(pv=Precondition(pv=name, uid=pv["metadata"]["uid"])))
        await seen.told(name, "Attached")

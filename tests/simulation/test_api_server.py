"""The simulated API server under the deployed client: each fault, and what the client makes of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from mooring.errors import KubernetesForbidden, KubernetesUnavailable, MooringError
from mooring.kubernetes.api import Gone, KubernetesApi, NotFound, Refused, Request
from mooring.kubernetes.list_watch import ListWatch
from mooring.kubernetes.pv_objects import PERSISTENT_VOLUMES, PVS
from tests.devstack.contract.api import pv_body
from tests.simulation.api_server import FaultRates, SimulatedKubernetes, Upsets
from tests.simulation.api_server.faults import End
from tests.simulation.clock import Process, now, run
from tests.simulation.history import History, PvChange

TIMEOUT_SECONDS = 5.0
A_DAY = 86_400.0
SENT_SECONDS = 1e-4
"""Seconds after which what was asked for is sent, and has not arrived."""
TOKEN = "canary-of-a-login"

Story = Callable[[SimulatedKubernetes, KubernetesApi], Awaitable[Any]]


def play(story: Story, rates: FaultRates | None = None, seed: int = 1, history: History | None = None) -> Any:
    """Play a story on a server with two PVs, which begins to misbehave with the story."""

    async def main() -> Any:
        kube = SimulatedKubernetes(random.Random(seed), now, [] if history is None else history)  # noqa: S311
        kube.seed([pv_body("pv-a", owner="a"), pv_body("pv-b", owner="a")])
        kube.faults.rates = rates or kube.faults.rates
        api = kube.api(TOKEN, TIMEOUT_SECONDS)
        return await story(kube, api)

    random.seed(seed)  # NB: the client's pauses between tries are drawn from here
    return run(main())


async def write(api: KubernetesApi, owner: str) -> bytes:
    operations = [{"op": "add", "path": "/metadata/annotations/example.com~1owner", "value": owner}]
    return await api.request(Request("write", "PATCH", f"{PVS}/pv-a", body=operations))


def owner(kube: SimulatedKubernetes, name: str = "pv-a") -> str:
    found: str = kube.ask("GET", f"{PVS}/{name}")["metadata"]["annotations"]["example.com/owner"]
    return found


def watch_of(api: KubernetesApi, reconnected: Callable[[], None] = lambda: None) -> ListWatch[Any]:
    return ListWatch(api, PERSISTENT_VOLUMES, reconnected)


def test_what_is_written_is_there() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        await write(api, "b")
        assert owner(kube) == "b"

    play(story)


def test_a_request_that_hangs_lands_after_its_caller_has_given_up() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        with pytest.raises(KubernetesUnavailable, match="did not answer in time"):
            await write(api, "b")
        assert owner(kube) == "a"
        await asyncio.sleep(A_DAY)
        assert owner(kube) == "b"

    play(story, FaultRates(hanging=1.0, hanging_seconds=A_DAY))


def test_a_read_that_nobody_waits_for_is_not_carried_out() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        with pytest.raises(KubernetesUnavailable):
            await api.request(Request("read", "GET", f"{PVS}/pv-a"))
        await asyncio.sleep(A_DAY)
        assert kube.carried_out["GET"] == 0
        with pytest.raises(KubernetesUnavailable):
            await write(api, "b")
        await asyncio.sleep(A_DAY)
        assert kube.carried_out["PATCH"] == 1

    play(story, FaultRates(hanging=1.0, hanging_seconds=A_DAY))


@pytest.mark.parametrize("halt", [Process.kill, Process.pause])
def test_a_write_that_was_sent_lands_though_its_process_is_halted(halt: Callable[[Process], None]) -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        process = Process("a worker")
        process.run(write(api, "b"))
        await asyncio.sleep(SENT_SECONDS)
        halt(process)
        assert owner(kube) == "a"
        await asyncio.sleep(A_DAY)
        assert owner(kube) == "b"

    play(story, FaultRates(hanging=1.0, hanging_seconds=TIMEOUT_SECONDS))


def test_a_write_after_the_end_of_the_world_does_not_land() -> None:
    history: History = []

    async def story(_: SimulatedKubernetes, api: KubernetesApi) -> int:
        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await write(api, "b")

        process = Process("a worker")
        process.run(work())
        await asyncio.sleep(1)
        process.kill()
        return len(history)

    assert play(story, history=history) == len(history)


def test_a_lost_request_is_not_carried_out() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        with pytest.raises(KubernetesUnavailable, match="the server closed it"):
            await write(api, "b")
        await asyncio.sleep(A_DAY)
        assert owner(kube) == "a"

    play(story, FaultRates(lost_requests=1.0))


@pytest.mark.parametrize("seed", range(6))
def test_of_a_lost_answer_the_caller_learns_nothing_and_the_write_is_there(seed: int) -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        with pytest.raises(KubernetesUnavailable):
            await write(api, "b")
        assert owner(kube) == "b"

    play(story, FaultRates(lost_answers=1.0), seed)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, KubernetesUnavailable),
        (403, KubernetesForbidden),
        (409, KubernetesUnavailable),
        (422, Refused),
        (429, KubernetesUnavailable),
        (500, KubernetesUnavailable),
        (503, KubernetesUnavailable),
        (504, KubernetesUnavailable),
    ],
)
def test_a_refused_write_is_not_carried_out(code: int, error: type[Exception]) -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        with pytest.raises(error, match=str(code)) as refusal:
            await write(api, "b")
        assert TOKEN not in str(refusal.value)
        assert owner(kube) == "a"

    play(story, FaultRates(refusals=1.0, codes=frozenset({code})))


def test_a_page_of_a_list_that_is_forgotten_leads_to_another_list() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> list[str]:
        names: list[str] = []
        async for page, first in watch_of(api).pages("list", 1):
            if first and not names:
                Upsets(kube, kube.faults.dice).label("pv-a")
                kube.compact()
            names += [pv.metadata.name for pv in page.items]
            await asyncio.sleep(1)
        return names

    assert play(story) == ["pv-a", "pv-a", "pv-b"]


def test_a_slow_answer_comes() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        began = now()
        await write(api, "b")
        assert 0.1 < (now() - began).total_seconds() < TIMEOUT_SECONDS

    play(story, FaultRates(slow_answers=1.0, slow_seconds=TIMEOUT_SECONDS - 1))


def listed(version: str) -> Request:
    return Request("list", "GET", PVS, {"resourceVersion": version} if version else {})


@pytest.mark.parametrize(("version", "shown"), [("0", {b"a", b"b"}), ("", {b"b"})])
def test_a_list_is_stale_only_where_its_caller_lets_it_be(version: str, shown: set[bytes]) -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        await api.request(listed(""))
        await write(api, "b")
        bodies = [await api.request(listed(version)) for _ in range(20)]
        assert {
            each for each in (b"a", b"b") for body in bodies if b'pv-a","annotations":{"example.com/owner":"%s"' % each in body
        } == shown

    play(story, FaultRates(stale_lists=0.5))


async def seen(kube: SimulatedKubernetes, api: KubernetesApi, reconnected: Callable[[], None] = lambda: None) -> list[str]:
    """Watch while a PV is written, and return what was seen of it."""
    owners: list[str] = []
    version = kube.ask("GET", PVS)["metadata"]["resourceVersion"]

    async def follow() -> None:
        async for event in watch_of(api, reconnected).watch(version):
            found = event.object.metadata.annotations if event is not None else None
            owners.extend([found["example.com/owner"]] if found else [])

    task = asyncio.create_task(follow())
    for number in range(50):
        kube.ask("PATCH", f"{PVS}/pv-a", {"metadata": {"annotations": {"example.com/owner": f"{number}"}}})
        await asyncio.sleep(60)
    kube.faults.rates = FaultRates()
    await asyncio.sleep(3600)
    task.cancel()
    await asyncio.wait([task])
    return owners


@pytest.mark.parametrize("end", [End.CUT, End.SILENCE])
def test_a_watch_that_ends_is_connected_again_and_misses_nothing(end: End) -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        connected: list[None] = []
        assert await seen(kube, api, lambda: connected.append(None)) == [f"{number}" for number in range(50)]
        assert len(connected) > 2

    play(story, FaultRates(ending_watches=1.0, ends=(end,)))


def test_a_stale_watch_shows_all_of_it_later() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        assert await seen(kube, api) == [f"{number}" for number in range(50)]

    play(story, FaultRates(stale_watches=1.0))


def test_a_watch_may_lose_its_past() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        with pytest.raises(Gone):
            async for _ in watch_of(api).watch(kube.ask("GET", PVS)["metadata"]["resourceVersion"]):
                pass

    play(story, FaultRates(ending_watches=1.0, ends=(End.GONE,)))


def test_a_server_that_is_down_takes_nothing_and_cuts_its_watches() -> None:
    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        lines = api.lines(Request("watch", "GET", PVS, {"watch": "true", "resourceVersion": "1"}), silence=A_DAY, total=A_DAY)
        async with lines as open_lines:
            assert b"410" in await anext(open_lines)
        with pytest.raises(KubernetesUnavailable, match="ClientPayloadError"):
            await _watch_until_down(kube, api)
        with pytest.raises(KubernetesUnavailable):
            await write(api, "b")
        kube.come_back()
        await write(api, "c")
        assert owner(kube) == "c"

    play(story)


async def _watch_until_down(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
    async with api.lines(Request("watch", "GET", PVS, {"watch": "true"}), silence=A_DAY, total=A_DAY) as lines:
        async for line in lines:
            if b"pv-b" in line:
                asyncio.get_running_loop().call_later(60, kube.go_down)


def test_others_delete_strip_double_and_make_pvs_anew() -> None:
    history: History = []

    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        upsets = Upsets(kube, random.Random(1))  # noqa: S311
        upsets.strip("pv-a")
        assert b"annotations" not in await api.request(Request("read", "GET", f"{PVS}/pv-a"))
        uid = kube.ask("GET", f"{PVS}/pv-a")["metadata"]["uid"]
        upsets.make_anew("pv-a")
        assert kube.ask("GET", f"{PVS}/pv-a")["metadata"]["uid"] != uid
        upsets.double("pv-a")
        assert [kube.ask("GET", f"{PVS}/{name}")["spec"]["csi"]["volumeHandle"] for name in kube.pv_names()] == [
            "pv-a",
            "pv-a",
            "pv-b",
        ]
        upsets.delete("pv-b")
        with pytest.raises(NotFound):
            await api.request(Request("read", "GET", f"{PVS}/pv-b"))
        upsets.label("pv-a")

    play(story, history=history)
    changes = [(change.kind, change.pv["metadata"]["name"]) for change in history if isinstance(change, PvChange)][2:]
    assert changes == [
        ("MODIFIED", "pv-a"),
        ("DELETED", "pv-a"),
        ("ADDED", "pv-a"),
        ("ADDED", "pv-a-1"),
        ("DELETED", "pv-b"),
        ("MODIFIED", "pv-a"),
    ]


STORM = FaultRates(0.1, 0.1, 0.1, 60, 0.1, 20, 0.1, ending_watches=0.3, stale_watches=0.3)


def storm(seed: int) -> History:
    """Return the history of writes and upsets in a storm."""
    history: History = []

    async def story(kube: SimulatedKubernetes, api: KubernetesApi) -> None:
        upsets = Upsets(kube, kube.faults.dice)
        for number in range(100):
            with suppress(MooringError, Refused, NotFound):
                await write(api, str(number))
            if number % 10 == 0:
                upsets.any()
        await asyncio.sleep(A_DAY)

    play(story, STORM, seed, history)
    return history


def test_a_seed_gives_one_history_and_another_seed_another() -> None:
    assert storm(3) == storm(3)
    assert storm(3) != storm(4)

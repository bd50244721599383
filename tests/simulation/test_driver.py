"""The simulated driver under the deployed backend: what is attached, when, and what its caller is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import grpc
import pytest

from mooring.csi.driver import ListingBackend, describe
from mooring.errors import BackendFailed, BackendFailedPrecondition, BackendUncertain, MooringError
from mooring.models import AccessMode, BackendCall, VolumeRef
from tests.harness.driver.journal import Entry
from tests.simulation.clock import START, Process, now, run
from tests.simulation.driver import CALM, DriverRates, SimulatedDriver
from tests.simulation.history import History

A_DAY = 86_400.0
SENT_SECONDS = 1e-4
"""Seconds after which what was asked for is sent, and has not arrived."""
SECONDS = 10.0
Story = Callable[[SimulatedDriver, ListingBackend], Awaitable[Any]]


def call(node: str, epoch: int, *, token: int | None) -> BackendCall:
    volume = VolumeRef(driver="reference.csi.example", volume_handle="vol-1")
    return BackendCall(volume=volume, node_id=node, epoch=epoch, token=token, access_mode=AccessMode.SINGLE_NODE_WRITER)


def play(story: Story, rates: DriverRates = CALM, seed: int = 1, **options: Any) -> History:
    """Play a story with a driver, and return its journal."""
    history: History = []

    async def main() -> None:
        driver = SimulatedDriver(random.Random(seed), now, history, **options)  # noqa: S311
        driver.rates = rates
        await story(driver, driver.backend(SECONDS))

    run(main())
    return history


def events(history: History) -> list[str]:
    return [entry.event for entry in history if isinstance(entry, Entry)]


def test_what_is_published_is_attached_and_what_is_unpublished_is_not() -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        assert await backend.publish(call("node-a", 1, token=2)) == {"device": "/dev/reference/node-a/vol-1"}
        assert driver.attached() == {"vol-1": ["node-a"]}
        assert [each async for each in backend.published()] == [("vol-1", "node-a")]
        await backend.unpublish(call("node-a", 1, token=3))
        assert driver.attached() == {}

    history = play(story)
    assert events(history) == ["call", "fence", "attach", "answer", "call", "fence", "detach", "answer"]
    assert all(entry.at.replace(microsecond=0) == START for entry in history if isinstance(entry, Entry))


def test_it_says_what_it_is() -> None:
    async def story(driver: SimulatedDriver, _: ListingBackend) -> None:
        behind = await describe(driver.channel(), SECONDS)
        assert (behind.info.name, behind.attaches) == ("reference.csi.example", True)

    play(story)


def test_a_call_that_hangs_is_carried_out_after_its_caller_gave_up() -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        with pytest.raises(BackendUncertain, match="DEADLINE_EXCEEDED"):
            await backend.publish(call("node-a", 1, token=2))
        assert now() - START == timedelta(seconds=SECONDS)
        assert driver.attached() == {}
        await asyncio.sleep(A_DAY)
        assert driver.attached() == {"vol-1": ["node-a"]}

    assert events(play(story, DriverRates(hanging=1.0, hanging_seconds=A_DAY))) == ["call", "late", "fence", "attach", "answer"]


async def overtaken(driver: SimulatedDriver, backend: ListingBackend) -> None:
    """Have a publish hang, and the node's unpublish and another node's publish carried out before it."""
    driver.rates = DriverRates(hanging=1.0, hanging_seconds=A_DAY)
    with pytest.raises(BackendUncertain):
        await backend.publish(call("node-a", 1, token=2))
    driver.rates = CALM
    await backend.unpublish(call("node-a", 1, token=3))
    await backend.publish(call("node-b", 2, token=4))
    await asyncio.sleep(A_DAY)


def test_a_straggler_is_refused_by_its_token() -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        await overtaken(driver, backend)
        assert driver.attached() == {"vol-1": ["node-b"]}

    assert "straggler" in events(play(story))


def test_a_heedless_driver_carries_a_straggler_out() -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        await overtaken(driver, backend)
        assert driver.attached() == {"vol-1": ["node-a", "node-b"]}

    assert "violation" in events(play(story, heedless=True))


@pytest.mark.parametrize("seed", range(20))
def test_what_it_refuses_it_has_not_done(seed: int) -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        with pytest.raises((BackendFailed, BackendUncertain)):
            await backend.publish(call("node-a", 1, token=2))
        assert driver.attached() == {}

    play(story, DriverRates(refusals=1.0), seed)


@pytest.mark.parametrize("seed", range(20))
def test_a_wrong_answer_never_says_that_nothing_was_done(seed: int) -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        with pytest.raises((BackendFailed, BackendUncertain)) as told:
            await backend.publish(call("node-a", 1, token=2))
        assert not isinstance(told.value, BackendFailedPrecondition)
        assert driver.attached() == {"vol-1": ["node-a"]}

    play(story, DriverRates(wrong_answers=1.0), seed)


def test_every_code_is_played() -> None:
    async def story(_: SimulatedDriver, backend: ListingBackend) -> None:
        for epoch in range(1, 400):
            for ask in (backend.publish, backend.unpublish):
                with suppress(MooringError):
                    await ask(call("node-a", epoch, token=2 * epoch))

    def codes(rpc: str) -> set[str]:
        return {entry.code for entry in history if isinstance(entry, Entry) and entry.event == "answer" and entry.call.rpc == rpc}

    history = play(story, DriverRates(refusals=1.0))
    assert codes("publish") == {code.name for code in grpc.StatusCode} - {"OK"}
    assert codes("publish") - codes("unpublish") == {"NOT_FOUND", "INVALID_ARGUMENT", "ALREADY_EXISTS"}


@pytest.mark.parametrize("halt", [Process.kill, Process.pause])
def test_a_call_that_was_sent_is_carried_out_though_its_process_is_halted(halt: Callable[[Process], None]) -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        process = Process("a worker")
        driver.rates = DriverRates(hanging=1.0, hanging_seconds=SECONDS)
        process.run(backend.publish(call("node-a", 1, token=2)))
        await asyncio.sleep(SENT_SECONDS)
        halt(process)
        assert driver.attached() == {}
        await asyncio.sleep(A_DAY)
        assert driver.attached() == {"vol-1": ["node-a"]}

    assert ("late" in events(play(story))) == (halt is Process.kill)


def test_a_call_after_the_end_of_the_world_is_not_taken() -> None:
    async def story(_: SimulatedDriver, backend: ListingBackend) -> None:
        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await backend.publish(call("node-a", 1, token=2))

        process = Process("a worker")
        process.run(work())
        await asyncio.sleep(1)
        process.kill()

    assert play(story) == []


def test_an_answer_may_be_slow() -> None:
    async def story(driver: SimulatedDriver, backend: ListingBackend) -> None:
        with pytest.raises(BackendUncertain):
            await backend.publish(call("node-a", 1, token=2))
        assert driver.attached() == {"vol-1": ["node-a"]}

    play(story, DriverRates(slow_answers=1.0, slow_seconds=A_DAY))


def test_a_seed_gives_one_journal() -> None:
    async def story(_: SimulatedDriver, backend: ListingBackend) -> None:
        for epoch in range(1, 30):
            for ask, token in ((backend.publish, 2 * epoch), (backend.unpublish, 2 * epoch + 1)):
                await asyncio.gather(ask(call("node-a", epoch, token=token)), return_exceptions=True)

    def journal(seed: int) -> History:
        return play(story, DriverRates(0.2, 60, 0.2, 60, 0.2, 0.2), seed)

    assert journal(5) == journal(5) != journal(6)

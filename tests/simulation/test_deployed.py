"""The deployed worker and client on the simulated Temporal, on virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import subprocess
import sys

from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import HeldElsewhere, MooringError
from mooring.records.memory_store import MemoryStore
from tests.harness.backend import JournalBackend
from tests.harness.repository import ROOT
from tests.simulation.clock import Process, run
from tests.simulation.deployed import make_worker, memory, ready, serving
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.run import COMPLETED, FAILED
from tests.simulation.temporal_server.server import Server
from tests.simulation.temporal_server.service import Fate, Service, connect

DRIVER = "sim.csi.test"
HOUR = 3600.0


async def operations(server: Server) -> list[bytes]:
    """Carry out operations on few volumes, a part of them at once, and return all that the server has written."""
    with installed():
        async with serving(connect(server, "worker-1"), DRIVER, memory(server.new_id)):
            mooring = MooringClient(connect(server, "caller"), driver=DRIVER)
            await asyncio.gather(*(_use(mooring, f"vol-{number % 3}", f"node-{number % 2}") for number in range(8)))
    ended = [found for runs in server.runs() for found in runs]
    assert all(found.status in (COMPLETED, FAILED) for found in ended)
    return [event.SerializeToString(deterministic=True) for found in ended for event in found.events]


async def _use(mooring: MooringClient, handle: str, node: str) -> None:
    try:
        await mooring.publish(handle, node)
    except HeldElsewhere:
        return
    await mooring.unpublish(handle, node)


def test_one_seed_gives_one_trace_to_the_byte() -> None:
    first, second, other = (run(operations(_server(seed))) for seed in (7, 7, 8))
    assert first == second
    assert first != other


async def _disturbed(server: Server, store: MemoryStore) -> None:
    """Have operations go on while one worker is paused and killed, and then replaced, at moments that the dice choose."""
    process = Process("first")
    with installed():
        first = make_worker(connect(server, "first"), DRIVER, store, "first")
        process.run(first.run(asyncio.Event()))
        await ready(first)
        mooring = MooringClient(connect(server, "caller"), driver=DRIVER)
        using = [asyncio.create_task(_use(mooring, f"vol-{number % 3}", f"node-{number % 2}")) for number in range(8)]
        for disturb in (process.pause, process.resume, process.kill):
            await asyncio.sleep(server.dice.uniform(0.01, 0.3))
            disturb()
        async with serving(connect(server, "second"), DRIVER, store, "second"):
            await asyncio.gather(*using)


def history(seed: int) -> str:
    """Return a digest of all that the server has written, and when, of operations that are disturbed."""
    server = _server(seed)
    run(_disturbed(server, memory(server.new_id)))
    events = [event for runs in server.runs() for found in runs for event in found.events]
    return hashlib.sha256(b"".join(event.SerializeToString(deterministic=True) for event in events)).hexdigest()


def _elsewhere(seed: int, hash_seed: str) -> str:
    """Return the digest that another process comes to."""
    code = f"from tests.simulation.test_deployed import history; print(history({seed}))"
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=100
    )
    return done.stdout.strip()


def test_one_seed_gives_one_history_in_every_process_whatever_the_order_of_sets() -> None:
    found = [_elsewhere(7, hash_seed) for hash_seed in ("1", "2", "3")]
    assert found[0] == found[1] == found[2] != _elsewhere(8, "1")


def test_a_worker_that_is_killed_while_it_attaches_is_replaced() -> None:
    assert run(_killed()) == {"vol": {"node-a"}}


async def _killed() -> dict[str, set[str]]:
    server, backend = _server(1), JournalBackend(publish_gate=asyncio.Event(), expects_stragglers=True)
    store, process = memory(server.new_id), Process("first")
    with installed():
        first = make_worker(connect(server, "first"), DRIVER, store, "first", backend)
        process.run(first.run(asyncio.Event()))
        await ready(first)
        publishing = asyncio.create_task(_publish(server))
        await backend.entered.wait()
        process.kill()
        assert backend.publish_gate is not None
        backend.publish_gate.set()
        async with serving(connect(server, "second"), DRIVER, store, "second", backend):
            assert await publishing == "done"
    return backend.attached


def test_a_worker_that_is_paused_goes_on() -> None:
    assert run(_paused()) == "done"


async def _paused() -> str:
    server, process, stop = _server(1), Process("paused"), asyncio.Event()
    with installed():
        worker = make_worker(connect(server, "paused"), DRIVER, memory(server.new_id), "paused")
        serving_it = process.run(worker.run(stop))
        await ready(worker)
        process.pause()
        publishing = asyncio.create_task(_publish(server))
        await asyncio.sleep(HOUR)
        assert not publishing.done()
        process.resume()
        said = await publishing
        stop.set()
        await serving_it
    return said


def test_operations_end_though_a_part_of_their_requests_is_lost() -> None:
    assert run(_beside_faults()) == ["done"] * 12


async def _beside_faults() -> list[str]:
    server = _server(3)
    with installed():
        async with serving(_lossy(server, "worker-1"), DRIVER, memory(server.new_id)):
            mooring = MooringClient(_lossy(server, "caller"), driver=DRIVER)
            return list(await asyncio.gather(*(_cycle(mooring, f"vol-{number}") for number in range(12))))


async def _cycle(mooring: MooringClient, handle: str) -> str:
    await mooring.publish(handle, "node-a", deadline=HOUR)
    await mooring.unpublish(handle, "node-a", deadline=HOUR)
    return "done"


def _lossy(server: Server, identity: str) -> Client:
    """Return a client of which each fifth request is lost, or its answer."""
    client = connect(server, identity)
    assert isinstance(client.service_client, Service)
    client.service_client.fate = lambda dice: dice.choices([Fate.ANSWERED, Fate.LOST, Fate.UNHEARD], [8, 1, 1])[0]
    return client


async def _publish(server: Server) -> str:
    try:
        await MooringClient(connect(server, "caller"), driver=DRIVER).publish("vol", "node-a", deadline=2 * HOUR)
    except MooringError as error:
        return str(error)
    return "done"


def _server(seed: int) -> Server:
    return Server(random.Random(seed), hop=lambda dice: dice.uniform(0.001, 0.01))  # noqa: S311 - a seed is the point

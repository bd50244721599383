"""`mooring list --watch`, in a process of its own, on a real API server."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from mooring.cli.exit_codes import ExitCode
from tests.cli.conftest import process
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE

Watch = Callable[..., Awaitable["Watched"]]


class Watched:
    """A running watch, by what it prints."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child

    async def line(self) -> str:
        """Return the next line of standard output."""
        assert self.child.stdout is not None
        return (await asyncio.wait_for(self.child.stdout.readline(), PATIENCE)).decode().rstrip("\n")

    async def told(self) -> str:
        """Return the next line of standard error."""
        assert self.child.stderr is not None
        return (await asyncio.wait_for(self.child.stderr.readline(), PATIENCE)).decode().rstrip("\n")

    async def end(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        if self.child.returncode is None:
            self.child.send_signal(signal.SIGINT)
        await asyncio.wait_for(self.child.communicate(), PATIENCE)
        assert self.child.returncode is not None
        return self.child.returncode


@pytest.fixture
async def watch(environment: dict[str, str], cluster: Cluster) -> AsyncIterator[Watch]:
    """`await watch("-o", "json")` runs the command with these options, until it watches."""
    running: list[Watched] = []

    async def watch(*options: str) -> Watched:
        running.append(Watched(await process(environment, "list", "-w", *options)))
        async with asyncio.timeout(PATIENCE):
            while not cluster.proxy.count("WATCH"):
                await asyncio.sleep(0.02)
        return running[-1]

    yield watch
    for each in running:
        await each.end()


async def attach(cluster: Cluster, handle: str, node: str, epoch: int) -> None:
    keys = cluster.keys
    at = "2026-01-31T04:00:41Z"
    await cluster.annotate(handle, {keys.node: node, keys.at: at, keys.epoch: str(epoch)})


async def test_what_changes_is_printed_below_the_list(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("vol")
    watched = await watch()
    header, listed = await watched.line(), await watched.line()
    await attach(cluster, "vol", "node-a", 1)
    changed = await watched.line()
    assert (header.split()[:2], listed.split()[:2], changed.split()[:2]) == (
        ["VOLUME", "NODE"],
        ["vol", "<none>"],
        ["vol", "node-a"],
    )
    assert changed.index("node-a") == header.index("NODE")
    assert await watched.end() == ExitCode.INTERRUPTED


async def test_json_is_one_object_a_line(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("vol")
    watched = await watch("-o", "json")
    await attach(cluster, "vol", "node-a", 1)
    epochs = [json.loads(await watched.line())["epoch"] for _ in range(2)]
    assert epochs == [0, 1]


async def test_yaml_is_a_document_each(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("vol")
    watched = await watch("-o", "yaml")
    assert [await watched.line() for _ in range(2)] == ["---", "form: mooring.volume/v1"]


async def test_other_annotations_print_nothing(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("vol", {"pv.kubernetes.io/provisioned-by": cluster.driver})
    watched = await watch("-o", "name")
    await cluster.annotate("vol", {"somebody.else/note": "x"})
    await cluster.create("later")
    assert [await watched.line() for _ in range(2)] == ["volume/vol", "volume/later"]


async def test_a_volume_that_no_longer_fits_is_printed_once_more(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("other")
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "1"})
    watched = await watch("-o", "json", "--node", "node-a")
    await attach(cluster, "other", "node-b", 1)
    await attach(cluster, "vol", "node-b", 2)
    seen = [json.loads(await watched.line()) for _ in range(2)]
    holders = [(each["volume_handle"], each["holders"][0]["node_id"]) for each in seen]
    assert holders == [("vol", "node-a"), ("vol", "node-b")]


async def test_a_volume_whose_pv_is_deleted_is_printed_without_one(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("vol")
    watched = await watch("-o", "json")
    await cluster.delete("vol")
    assert [bool(json.loads(await watched.line())["pvs"]) for _ in range(2)] == [True, False]


async def test_what_a_watch_has_missed_is_listed_anew(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("vol")
    await cluster.create("gone")
    gone = cluster.proxy.fail("WATCH", status=410)
    listing = cluster.proxy.hold("GET", path="/persistentvolumes", when=lambda _: cluster.proxy.count("WATCH") > 0)
    watched = await watch("-o", "json")
    first = {json.loads(await watched.line())["volume_handle"] for _ in range(2)}
    await listing.reached()
    await attach(cluster, "vol", "node-a", 1)
    await cluster.delete("gone")
    gone.stop()
    listing.release()
    again = [json.loads(await watched.line()) for _ in range(2)]
    assert first == {"vol", "gone"}
    assert {each["volume_handle"]: (each["epoch"], bool(each["pvs"])) for each in again} == {"vol": (1, True), "gone": (0, False)}


async def test_a_record_that_turns_unreadable_is_told(watch: Watch, cluster: Cluster) -> None:
    await cluster.create("vol")
    watched = await watch("-o", "name")
    await cluster.annotate("vol", {cluster.keys.epoch: "many"})
    assert "has the epoch 'many'" in await watched.told()


async def test_a_watch_that_does_not_get_on_is_told(watch: Watch, cluster: Cluster) -> None:
    cluster.proxy.fail("WATCH", status=403, message="no such right")
    watched = await watch()
    assert "no such right" in await watched.told()

"""ControllerPublishVolume: every row of the CSI specification's table, in its order of checks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpc import StatusCode

from mooring.csi.wire import csi_pb2
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, goes_on, mount, refused
from tests.harness.patience import PATIENCE


async def test_a_published_volume_is_attached_and_its_context_given(
    csi: CsiClient, cluster: Cluster, backend: JournalBackend
) -> None:
    await cluster.create("vol-1")

    assert await csi.publish("vol-1", "node-a") == {"device": "/dev/sdx"}
    assert backend.attached == {"vol-1": {"node-a"}}


async def test_a_repeated_publish_asks_the_backend_again(csi: CsiClient, cluster: Cluster, backend: JournalBackend) -> None:
    await cluster.create("vol-1")
    first = await csi.publish("vol-1", "node-a")

    assert await csi.publish("vol-1", "node-a") == first
    assert [(verb, epoch) for verb, _, _, epoch in backend.journal] == [("publish", 1), ("publish", 3)]


async def test_another_node_is_refused_and_the_holder_named(csi: CsiClient, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await csi.publish("vol-1", "node-a")

    with refused(StatusCode.FAILED_PRECONDITION, "vol-1", "held by node node-a", "node-b"):
        await csi.publish("vol-1", "node-b")


@pytest.mark.parametrize("otherwise", [{"readonly": True}, {"volume_capability": mount("MULTI_NODE_MULTI_WRITER")}])
async def test_the_same_node_otherwise_is_refused(csi: CsiClient, cluster: Cluster, otherwise: dict[str, Any]) -> None:
    await cluster.create("vol-1")
    await csi.publish("vol-1", "node-a")

    with refused(StatusCode.ALREADY_EXISTS, "vol-1", "node-a"):
        await csi.publish("vol-1", "node-a", **otherwise)


async def test_an_upgrade_of_the_driver_changes_the_mode_of_what_is_attached(csi: CsiClient, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    for mode in ("SINGLE_NODE_WRITER", "SINGLE_NODE_MULTI_WRITER"):
        await csi.publish("vol-1", "node-a", volume_capability=mount(mode))

    assert "SINGLE_NODE_MULTI_WRITER" in (await cluster.annotations("vol-1"))[cluster.keys.attachments]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"volume": ""}, "volume_id"),
        ({"node": ""}, "node_id"),
        ({"volume_capability": None}, "volume_capability"),
        ({"volume_capability": mount("UNKNOWN")}, "access_mode"),
        ({"volume_capability": csi_pb2.VolumeCapability(access_mode=mount().access_mode)}, "access_type"),
        ({"volume": "v" * 1025}, "1024 bytes"),
        ({"volume_context": {"k": "v" * 1048576}}, "1048576"),
        ({"secrets": {"k": "v" * 1048576}}, "1048576"),
        ({"volume_capability": mount(fs_type="x" * 1025)}, "fs_type"),
    ],
)
async def test_a_missing_or_oversized_field_is_named(csi: CsiClient, fields: dict[str, Any], word: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, word):
        await csi.publish(**{"volume": "vol-1", "node": "node-a", **fields})


async def test_at_its_deadline_a_call_is_aborted_and_the_operation_goes_on(
    csi: CsiClient, cluster: Cluster, backend: JournalBackend
) -> None:
    await cluster.create("vol-1")
    backend.publish_gate = asyncio.Event()
    assert "vol-1" in await goes_on(lambda deadline: csi.publish("vol-1", "node-a", deadline=deadline))
    joined = asyncio.create_task(csi.publish("vol-1", "node-a"))
    backend.publish_gate.set()

    assert await joined == {"device": "/dev/sdx"}
    assert len(backend.journal) == 1


async def test_a_call_that_its_caller_gives_up_goes_on(csi: CsiClient, cluster: Cluster, backend: JournalBackend) -> None:
    await cluster.create("vol-1")
    backend.publish_gate = asyncio.Event()
    call = asyncio.create_task(csi.publish("vol-1", "node-a"))
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    call.cancel()
    backend.publish_gate.set()

    assert await csi.publish("vol-1", "node-a") == {"device": "/dev/sdx"}
    assert backend.attached == {"vol-1": {"node-a"}}

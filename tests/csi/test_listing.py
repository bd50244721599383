"""ListVolumes from the index."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode

from mooring.csi.list_volumes import Listing
from mooring.csi.wire import csi_pb2
from mooring.index.manager import AttachmentManager
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, refused
from tests.harness.patience import PATIENCE
from tests.harness.records import cached


@pytest.fixture
async def volumes(csi: CsiClient, cluster: Cluster) -> list[str]:
    """Five volumes in the index."""
    handles = [f"vol-{number}" for number in range(5)]
    for handle in handles:
        await cluster.create(handle)
        await csi.publish(handle, "node-a")
    return handles


def _nodes(answer: csi_pb2.ListVolumesResponse) -> dict[str, list[str]]:
    return {entry.volume.volume_id: list(entry.status.published_node_ids) for entry in answer.entries}


async def test_it_names_the_holders(csi: CsiClient, volumes: list[str]) -> None:
    await csi.unpublish("vol-3", "node-a")

    assert _nodes(await csi.list_volumes()) == {handle: [] if handle == "vol-3" else ["node-a"] for handle in volumes}


async def test_a_disk_whose_handle_leaves_its_project_open_is_listed_as_external_attacher_looks_for_it() -> None:
    places = ("projects/p/zones/z-a", "projects/p/zones/z-b")
    zoned, unzoned = "projects/UNSPECIFIED/zones/z-a/disks/x", "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/y"
    manager = AttachmentManager()
    manager.replace_all(
        [
            cached(zoned, f"{places[0]}/instances/n", pv="in-tree"),
            cached(unzoned, f"{places[1]}/instances/n", pv="unlabelled"),
            cached(f"{places[0]}/disks/x", f"{places[0]}/instances/m", pv="csi"),
        ]
    )

    answer = await Listing().page(manager, csi_pb2.ListVolumesRequest())

    assert sorted(entry.volume.volume_id for entry in answer.entries) == sorted(_nodes(answer))
    assert _nodes(answer) == {
        zoned: [f"{places[0]}/instances/n"],
        f"{places[0]}/disks/x": [f"{places[0]}/instances/m", f"{places[0]}/instances/n"],
        unzoned: [f"{places[1]}/instances/n"],
        f"{places[1]}/disks/y": [f"{places[1]}/instances/n"],
    }


async def test_pages_bring_every_volume_once(csi: CsiClient, volumes: list[str]) -> None:
    seen, token = [], ""
    while True:
        answer = await csi.list_volumes(2, token)
        seen += list(_nodes(answer))
        token = answer.next_token
        if not token:
            break

    assert seen == volumes


@pytest.mark.parametrize("token", ["nonsense", "99:0", "1:x"])
async def test_a_token_of_no_list_is_aborted(csi: CsiClient, token: str) -> None:
    with refused(StatusCode.ABORTED, token, "Start the list again"):
        await csi.list_volumes(token=token)


async def test_a_negative_size_is_refused(csi: CsiClient) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "-1"):
        await csi.list_volumes(-1)


async def test_it_names_whom_a_record_names_that_cannot_be_read(csi: CsiClient, cluster: Cluster) -> None:
    for handle in ("alone", "shared"):
        await cluster.create(handle)
        await csi.publish(handle, "node-a")
    both = '[{"nodeId": "node-a"}, {"nodeId": "node-b", "accessMode": "NONE"}]'
    await cluster.annotate("alone", {cluster.keys.epoch: "seven"})
    await cluster.annotate("shared", {cluster.keys.attachments: both})

    async with asyncio.timeout(PATIENCE):  # the watch brings what was changed last last
        while _nodes(await csi.list_volumes()) != {"alone": ["node-a"], "shared": ["node-a", "node-b"]}:
            await asyncio.sleep(0.05)


async def test_a_page_is_no_larger_than_a_client_takes() -> None:
    manager, handles = AttachmentManager(), [f"{number:04}" + "v" * 1020 for number in range(9000)]
    manager.replace_all(cached(handle, "node-a") for handle in handles)
    listing, request, seen = Listing(), csi_pb2.ListVolumesRequest(), list[str]()
    while True:
        answer = await listing.page(manager, request)
        assert answer.ByteSize() < 4 << 20
        seen += _nodes(answer)
        request.starting_token = answer.next_token
        if not answer.next_token:
            break
    assert seen == handles

"""Events for operators, and the objects that they are about."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailed, HeldElsewhere, OperationCancelled
from mooring.models import AccessMode, UnpublishRequest, VolumeRef
from tests.events.conftest import NAMESPACE, Observatory
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.workers import indexed
from worker import MooringWorker

RWX = AccessMode.MULTI_NODE_MULTI_WRITER


def said(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(event["type"], event["action"], event["note"]) for event in events]


async def test_an_attach_is_told_on_the_pv_its_claim_and_the_node(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory
) -> None:
    await mooring.publish("vol", "node-a")

    node = observatory.node_objects.name("node-a")
    [on_pv] = await observatory.told_of("vol", "Attached")
    [on_claim] = await observatory.told(observatory.claim("vol"), "Attached")
    [on_node] = await observatory.told(node, "Attached")
    assert said([on_pv]) == said([on_claim]) == said([on_node]) == [("Normal", "Publish", "Volume vol is attached to node node-a.")]
    assert (on_pv["metadata"]["namespace"], on_pv["regarding"]["kind"]) == ("default", "PersistentVolume")
    assert (on_claim["metadata"]["namespace"], on_claim["regarding"]["namespace"]) == (NAMESPACE, NAMESPACE)
    assert (on_node["metadata"]["namespace"], on_node["regarding"]["uid"]) == ("default", node)
    assert (on_pv["related"]["name"], on_claim["related"]["name"]) == (node, node)
    assert on_node["related"]["uid"] == on_pv["regarding"]["uid"]


async def test_a_repeated_publish_is_no_news(worker: MooringWorker, mooring: MooringClient, observatory: Observatory) -> None:
    await mooring.publish("vol", "node-a")
    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")

    events = await observatory.told_of("vol", "Attached", "Detached")
    assert "series" not in events[0]


async def test_an_unpublish_that_finds_nothing_is_no_news(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory
) -> None:
    await mooring.unpublish("vol", "node-a")
    await mooring.publish("vol", "node-a")

    await observatory.told_of("vol", "Attached")


async def test_a_detach_of_every_node_is_told_for_each(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory
) -> None:
    await mooring.publish("vol", "node-a", access_mode=RWX)
    await mooring.publish("vol", "node-b", access_mode=RWX)
    await mooring.unpublish("vol")

    for node in ("node-a", "node-b"):
        *_, last = await observatory.told(observatory.node_objects.name(node), "Attached", "Detached")
        assert said([last]) == [("Normal", "Unpublish", f"Volume vol is detached from node {node}.")]


async def test_a_refusal_names_the_holder(worker: MooringWorker, mooring: MooringClient, observatory: Observatory) -> None:
    await mooring.publish("vol", "node-a")
    with pytest.raises(HeldElsewhere):
        await mooring.publish("vol", "node-b")

    [refused] = await observatory.told(observatory.node_objects.name("node-b"), "AttachRefused")
    assert (refused["type"], refused["action"]) == ("Warning", "Publish")
    assert "node-a" in refused["note"]
    await observatory.told(observatory.node_objects.name("node-a"), "Attached")


async def test_a_failed_attach_is_told_and_that_it_is_rolled_back(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory, backend: JournalBackend
) -> None:
    backend.publish_errors.append(refusal("the array is full"))
    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")

    failed, rolled_back = await observatory.told_of("vol", "AttachFailed", "RolledBack")
    assert (failed["type"], rolled_back["type"], rolled_back["action"]) == ("Warning", "Warning", "RollBack")
    assert "the array is full" in failed["note"]
    assert "the array is full" in rolled_back["note"]


async def test_a_cancelled_attach_is_told_when_it_is_rolled_back(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory, backend: JournalBackend, temporal_client: Client
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    volume = VolumeRef(driver=observatory.cluster.driver, volume_handle="vol")
    await temporal_client.get_workflow_handle(names.volume_id(volume)).cancel()
    backend.publish_gate.set()
    with pytest.raises(OperationCancelled):
        await publish

    [rolled_back] = await observatory.told_of("vol", "RolledBack")
    assert rolled_back["note"].endswith("nothing of it is left. The cause: it was cancelled.")


async def test_a_record_that_can_not_be_cleared_is_told_on_the_pv_its_claim_and_the_holder(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory
) -> None:
    await mooring.publish("vol", "node-a")
    observatory.cluster.proxy.fail("PATCH", path="persistentvolumes", status=400, times=1)
    await mooring.unpublish("vol", "node-a")

    for name in (observatory.cluster.pv("vol"), observatory.claim("vol"), observatory.node_objects.name("node-a")):
        *_, last = await observatory.told(name, "Attached", "AnnotationNotCleared")
        assert last["type"] == "Warning"
        assert "fenced to its holder" in last["note"]


async def test_a_warning_whose_event_is_refused_is_tried_again(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory
) -> None:
    await mooring.publish("vol", "node-a")
    await observatory.told_of("vol", "Attached")
    await observatory.told(observatory.node_objects.name("node-a"), "Attached")
    await observatory.told(observatory.claim("vol"), "Attached")
    observatory.cluster.proxy.fail("PATCH", path="persistentvolumes", status=400, times=1)
    observatory.cluster.proxy.fail("POST", path="/events", status=503, times=3)
    await mooring.unpublish("vol", "node-a")

    await observatory.told_of("vol", "Attached", "AnnotationNotCleared")


async def test_a_stray_that_is_detached_is_told(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")
    backend.attached["vol"].add("node-b")
    asked = UnpublishRequest(driver=observatory.cluster.driver, volume_handle="vol", node_id="node-b", stray=True)
    await mooring.request_unpublish(asked)

    [released] = await observatory.told(observatory.node_objects.name("node-b"), "StaleAttachmentReleased")
    assert (released["type"], released["related"]["name"]) == ("Warning", observatory.cluster.pv("vol"))


async def test_what_is_released_at_an_epoch_was_stale(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory
) -> None:
    held = await mooring.publish("vol", "node-a")
    asked = UnpublishRequest(driver=observatory.cluster.driver, volume_handle="vol", node_id="node-a", at_epoch=held.epoch)
    await mooring.request_unpublish(asked)

    await observatory.told_of("vol", "Attached", "StaleAttachmentReleased")


async def test_an_attachment_that_waited_for_its_pv_is_told_on_it(
    worker: MooringWorker, mooring: MooringClient, cluster: Cluster, observatory: Observatory
) -> None:
    await mooring.publish("late", "node-a")
    [on_node] = await observatory.told(observatory.node_objects.name("node-a"), "Attached")
    await cluster.create("late")
    await indexed(worker, "late")

    [on_pv] = await observatory.told_of("late", "Attached")
    assert "related" not in on_node
    assert on_pv["note"] == "Volume late is attached to node node-a, and recorded now."

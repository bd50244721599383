"""An Event never fails an operation, nor holds it up; and operators choose which they want."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from mooring.client import MooringClient
from mooring.devstack.faults import Loss
from mooring.errors import HeldElsewhere
from mooring.events.interceptor import RecorderInterceptor
from mooring.events.reasons import EventNote
from tests.events.conftest import Observatory
from tests.harness.cluster import PVS, Cluster
from tests.harness.repository import ROOT
from tests.harness.workers import indexed, quick, running_worker, until
from worker import MooringWorker
from workflows.registry import WORKFLOWS

POSTS = "/events"
HISTORIES: Final = ROOT / "tests" / "compatibility" / "replay" / "histories"


@pytest.mark.parametrize("status", [403, 404, 422, 429, 500])
async def test_an_api_server_that_refuses_events_fails_no_operation(
    worker: MooringWorker, mooring: MooringClient, cluster: Cluster, status: int
) -> None:
    refused = cluster.proxy.fail("POST", path=POSTS, status=status)

    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")

    await until(lambda: refused.seen >= 3)
    assert await cluster.holder("vol") is None


async def test_an_api_server_that_never_answers_about_events_holds_no_operation_up(
    worker: MooringWorker, mooring: MooringClient, cluster: Cluster
) -> None:
    dropped = cluster.proxy.drop("POST", path=POSTS, loss=Loss.HANG)
    await mooring.publish("vol", "node-a")
    await until(lambda: dropped.seen > 0)

    await mooring.unpublish("vol", "node-a")

    assert await cluster.holder("vol") is None


async def test_what_a_worker_was_told_last_is_written_before_it_stops(
    temporal_client: Client, mooring: MooringClient, observatory: Observatory
) -> None:
    cluster = observatory.cluster
    settings = quick(cluster.driver, node_check="csinode")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as worker:
        await indexed(worker, "vol")
        await mooring.publish("vol", "node-a")

    assert [event["reason"] for event in await observatory.events(cluster.pv("vol"))] == ["Attached"]


@pytest.mark.parametrize(("wanted", "told"), [("off", []), ("warnings", ["AttachRefused"]), ("all", ["AttachRefused", "Attached"])])
async def test_operators_choose_their_events(
    temporal_client: Client, mooring: MooringClient, observatory: Observatory, wanted: str, told: list[str]
) -> None:
    cluster = observatory.cluster
    settings = quick(cluster.driver, node_check="csinode", events=wanted)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as worker:
        await indexed(worker, "vol")
        await mooring.publish("vol", "node-a")
        with pytest.raises(HeldElsewhere):
            await mooring.publish("vol", "node-b")

    assert sorted(event["reason"] for event in await observatory.events(cluster.pv("vol"))) == told


async def test_a_node_whose_name_is_not_known_is_left_out(
    temporal_client: Client, mooring: MooringClient, observatory: Observatory
) -> None:
    cluster = observatory.cluster
    async with running_worker(temporal_client, quick(cluster.driver, node_check="off"), cluster.proxy.kubeconfig()) as worker:
        await indexed(worker, "vol")
        await mooring.publish("vol", "node-a")

    [on_pv] = await observatory.events(cluster.pv("vol"))
    assert "related" not in on_pv
    assert await observatory.events(observatory.node_objects.name("node-a")) == []


@pytest.fixture
def reads(cluster: Cluster) -> Callable[[], int]:
    """The number of PVs that were read one by one."""
    return lambda: cluster.proxy.count("GET", f"{PVS}/")


async def test_the_events_of_an_ordinary_publish_cost_no_read(
    worker: MooringWorker, mooring: MooringClient, observatory: Observatory, reads: Callable[[], int]
) -> None:
    await mooring.publish("vol", "node-a")
    await observatory.told(observatory.claim("vol"), "Attached")

    assert reads() == 0


async def test_a_re_claim_is_nothing_new(temporal_client: Client, mooring: MooringClient, observatory: Observatory) -> None:
    cluster = observatory.cluster
    for again in (False, True):  # NB: a worker of its own: to the first one it would be a repetition, that is a count
        async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()) as worker:
            await indexed(worker, "vol")
            assert (await mooring.publish("vol", "node-a")).reclaimed is again

    assert [event["reason"] for event in await observatory.events(cluster.pv("vol"))] == ["Attached"]


@pytest.mark.parametrize("name", ["publish", "publish-refused", "publish-rolled-back", "unpublish", "adopt", "persist", "migrate"])
async def test_what_is_replayed_was_told_before(name: str) -> None:
    told: list[EventNote] = []
    history = WorkflowHistory.from_json(name, (HISTORIES / f"{name}.json").read_text())
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, interceptors=[RecorderInterceptor(told.append)]
    )

    await replayer.replay_workflow(history)

    assert told == []

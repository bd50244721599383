"""/metrics: metrics of the operations' outcomes, of the index, and of the SDK, on one page."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mooring.client import MooringClient
from mooring.errors import HeldElsewhere
from tests.harness.cluster import Cluster
from tests.harness.processes import Fleet

Samples = dict[tuple[str, str], float]


def samples(page: str) -> Samples:
    """Return each sample's value, by its name and, for an operation's, its kind and outcome."""
    return {
        (sample.name, "/".join(sample.labels.get(label, "") for label in ("kind", "outcome")).strip("/")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@pytest.fixture
async def page(fleet: Fleet, cluster: Cluster, mooring: MooringClient) -> str:
    """The metrics of a worker that has published, refused, lost to another writer, and unpublished."""
    await cluster.create("vol")
    worker = await (await fleet.start()).ready()
    await mooring.publish("vol", "node-a")
    with pytest.raises(HeldElsewhere):
        await mooring.publish("vol", "node-b")
    await cluster.annotate("vol", {cluster.keys.epoch: "7"})
    held = cluster.proxy.hold("PATCH", times=1)
    late = asyncio.create_task(mooring.publish("vol", "node-a"))
    await held.reached()
    await cluster.annotate("vol", {cluster.keys.epoch: "8"})
    held.release()
    await late
    await mooring.unpublish("vol", "node-a")
    await cluster.create("other")
    await mooring.publish("other", "node-a")
    status, text = await worker.ask("/metrics")
    assert status == 200
    return text


async def test_metrics_tell_of_operations_the_index_and_the_sdk(page: str) -> None:
    found = samples(page)

    assert {name: found[name] for name in found if name[0] == "mooring_operations_total"} == {
        ("mooring_operations_total", "publish/Attached"): 3,
        ("mooring_operations_total", "publish/Refused"): 1,
        ("mooring_operations_total", "unpublish/Detached"): 1,
    }
    assert found["mooring_operation_duration_seconds_count", "unpublish/Detached"] == 1
    assert found["mooring_operation_duration_seconds_sum", "publish/Attached"] > 0
    assert found["mooring_attachments", ""] == 1
    assert found["mooring_conflicts_total", ""] == 1
    assert found["mooring_rebuild_seconds", ""] > 0
    assert 0 <= found["mooring_watch_lag_seconds", ""] < 60
    assert any(name.startswith("temporal_workflow_completed") for name, _ in found)


async def test_no_metric_names_a_volume_or_a_node(page: str) -> None:
    assert [word for word in ("node-a", '"vol"', '"other"') if word in page] == []

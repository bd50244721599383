"""An operation that is terminated, reset or cancelled wherever it hangs: no volume is ever on two nodes, or out of reach."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from mooring.client import MooringClient
from mooring.errors import BackendFailedPrecondition
from mooring.models import BackendCall, VolumeRef
from mooring.process.clock import utc_now
from mooring.records import fence
from tests.harness.array import Array, Turn
from tests.harness.cluster import Cluster
from tests.harness.patient import BOUNDS
from tests.harness.workers import quick, running_worker
from tests.workflows.interruptions import ROWS, Cut, Lands, Moment, Row, Scene

HASTY = {**BOUNDS, "attempt_timeout": 8, "request_timeout": 4, "heartbeat_timeout": 8, "backend_timeout": 8}
"""Settings by which a request that hangs for good is given up soon, and sent again for as long as it takes.

NB: an answer that a busy worker gives later than this is heard by nobody, and the story it belongs to goes on differently.
"""


async def played(client: Client, cluster: Cluster, mooring: MooringClient, *rows: Row) -> dict[str, list[str]]:
    """Return what was wrong in each of the rows that went wrong."""
    array = Array()
    async with running_worker(client, quick(cluster.driver, backend="in:tests", **HASTY), cluster.proxy.kubeconfig(), array):
        return await Scene(client, cluster, mooring, array).play(rows)


@pytest.mark.timeout(400)
async def test_no_interruption_leaves_a_volume_on_two_nodes(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    assert await played(temporal_client, cluster, mooring, *ROWS) == {}


async def test_a_refusal_that_was_not_heard_is_repeated_until_a_detach() -> None:
    array, call = Array(), BackendCall(volume=VolumeRef(volume_handle="vol"), node_id="node-a", epoch=1, token=1)
    array.turns["publish", "vol"].append(Turn.REFUSED)
    for _ in ("not heard", "heard"):
        with pytest.raises(BackendFailedPrecondition):
            await array.publish(call)

    await array.unpublish(call.model_copy(update={"token": 2}))
    await array.publish(call.model_copy(update={"token": 3}))

    assert array.attached["vol"] == {"node-a"}


@pytest.mark.parametrize(("given_out", "breaches"), [(timedelta(), 1), (timedelta(hours=-1), 0)], ids=["later", "before"])
async def test_a_token_that_is_too_low_is_a_breach_unless_its_call_was_given_out_before_the_higher_one(
    given_out: timedelta, breaches: int
) -> None:
    array, call = Array(), BackendCall(volume=VolumeRef(volume_handle="vol"), node_id="node-a", epoch=1, token=3)
    await array.publish(call)
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, started_time=utc_now() + given_out)

    with pytest.raises(BackendFailedPrecondition):
        await environment.run(array.unpublish, call.model_copy(update={"token": 2}))

    assert len(array.breaches["vol"]) == breaches


@pytest.mark.parametrize("cut", [Cut.CANCEL, Cut.TERMINATE])
async def test_a_detach_with_the_token_of_the_attach_is_seen_to_leave_a_volume_on_two_nodes(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, monkeypatch: pytest.MonkeyPatch, cut: Cut
) -> None:
    monkeypatch.setattr(fence, "detach_token", fence.attach_token)

    wrong = await played(temporal_client, cluster, mooring, Row(Moment.ATTACHING, cut, Lands.BEFORE))

    assert "at once" in str(wrong)

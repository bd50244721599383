"""An operator who terminates or resets the runs of a volume without a PV leaves in doubt whom they had it for."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client, WorkflowFailureError

from mooring.client import MooringClient
from mooring.errors import BackendFailed, BackendFailedPrecondition, Disputed, HeldElsewhere, OperationTerminated
from mooring.models import PublishResult, VolumeRef
from mooring.names import unpersisted_id, volume_id
from tests.evidence.conftest import Serving
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.resets import FIRST, LAST, last_run, reset
from tests.harness.retention import forget
from tests.harness.workers import indexed, until


async def terminate_in_mid_attach(client: Client, mooring: MooringClient, backend: JournalBackend, *runs: str) -> None:
    """Terminate these runs, the publish's last, while the backend attaches `vol` to node-a, which it does all the same."""
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    for run in runs:
        await client.get_workflow_handle(run).terminate()
    with pytest.raises(OperationTerminated):
        await publish
    backend.publish_gate.set()


async def test_a_worker_of_later_detaches_with_no_lower_token_than_an_unpublish_that_was_terminated(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    await cluster.create("vol")
    async with serving(backend) as worker:
        await mooring.publish("vol", "node-a")
        await cluster.annotate("vol", {cluster.keys.epoch: "9"})  # as by an operation that didn't learn that it had written
        await until(lambda: (seen := worker.manager.observe("vol")) is not None and seen.epoch == 9)
        held = cluster.proxy.hold("PATCH", path="/persistentvolumes/")
        unpublish = asyncio.create_task(mooring.unpublish("vol", "node-a"))
        await held.reached()
        await temporal_client.get_workflow_handle(volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))).terminate()
        with pytest.raises(OperationTerminated):
            await unpublish
    await cluster.delete("vol")
    held.release()
    await cluster.create("vol")
    async with serving(backend):
        assert (await mooring.unpublish("vol", "node-a")).annotation_cleared


async def test_a_publish_that_was_terminated_after_its_hold_leaves_the_node_in_doubt(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    async with serving(backend):
        await terminate_in_mid_attach(temporal_client, mooring, backend, unpersisted_id(volume), volume_id(volume))

        with pytest.raises(Disputed):
            await mooring.publish("vol", "node-b")
        await mooring.unpublish("vol", "node-a")
        assert (await mooring.publish("vol", "node-b")).node_id == "node-b"


async def test_a_node_whose_hold_was_terminated_is_in_doubt_though_its_publish_is_past_its_retention(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    async with serving(backend):
        await mooring.publish("vol", "node-a")
        await forget(temporal_client, volume)
        await temporal_client.get_workflow_handle(unpersisted_id(volume)).terminate()

        with pytest.raises(Disputed, match="terminated"):
            await mooring.publish("vol", "node-b")
        await mooring.unpublish("vol", "node-a")
        assert (await mooring.publish("vol", "node-b")).node_id == "node-b"


async def test_a_node_whose_hold_was_terminated_outlasts_a_publish_to_it_that_fails(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    async with serving(backend):
        await mooring.publish("vol", "node-a")
        hold = unpersisted_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))
        await temporal_client.get_workflow_handle(hold).terminate()
        backend.publish_errors.append(BackendFailedPrecondition("the array is busy"))
        with pytest.raises(BackendFailed):
            await mooring.publish("vol", "node-a")

        with pytest.raises(Disputed):
            await mooring.publish("vol", "node-b")
        assert backend.attached["vol"] == {"node-a"}


async def test_a_node_that_a_refusal_found_waiting_outlasts_its_hold_though_the_refused_one_looked_again(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    async with serving(backend):
        await terminate_in_mid_attach(temporal_client, mooring, backend, volume_id(volume))
        with pytest.raises(HeldElsewhere):
            await mooring.publish("vol", "node-b")
        again = await reset(temporal_client, await last_run(temporal_client, cluster, "vol"), FIRST, PublishResult)
        with pytest.raises(WorkflowFailureError):
            await again.result()
        await temporal_client.get_workflow_handle(unpersisted_id(volume)).terminate()

        with pytest.raises(Disputed):
            await mooring.publish("vol", "node-b")


async def test_an_unpublish_says_nothing_of_a_node_that_waited_after_it_though_later_ones_were_refused_for_that_node(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    await cluster.create("vol")
    async with serving(backend):
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
    await cluster.delete("vol")
    async with serving(backend):
        await mooring.unpublish("vol", "node-b")
        await mooring.publish("vol", "node-b")
        hold = unpersisted_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))
        await temporal_client.get_workflow_handle(hold).terminate()
        for _ in range(2):
            with pytest.raises(Disputed):
                await mooring.publish("vol", "node-a")


async def test_a_run_that_was_reset_and_terminated_says_nothing_of_what_its_former_self_was_shown(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    async with serving(backend) as worker:
        await mooring.publish("vol", "node-b")
        early = await last_run(temporal_client, cluster, "vol")
        await mooring.unpublish("vol", "node-b")
        await cluster.create("vol")
        await indexed(worker, "vol")
        await mooring.publish("vol", "node-a")
    await cluster.delete("vol")
    await (await reset(temporal_client, early, LAST, PublishResult)).terminate()

    async with serving(backend):
        with pytest.raises(Disputed):
            await mooring.publish("vol", "node-b")

"""The Go example answers as MooringClient does: the same publish context, the same refusals in the same words."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.ports import free_port
from mooring.errors import HeldElsewhere, Incompatible, MooringError
from mooring.models import VolumeRef
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.project.go.conftest import Example, Ran
from worker import MooringWorker

pytestmark = pytest.mark.timeout(900)  # whichever is the first of these may compile with cold caches

NODE_A: Final = ("-volume", "vol", "-node", "node-a")
NODE_B: Final = ("-volume", "vol", "-node", "node-b")
SHARED: Final = ("-access-mode", "MULTI_NODE_MULTI_WRITER")
CONTEXT: Final = {"device": "/dev/sdx"}


async def start_of(run: WorkflowHandle[Any, Any]) -> list[object]:
    """Return all that a caller sets for a run when it starts it, but for the request."""
    first = await anext(run.fetch_history_events())
    started = first.workflow_execution_started_event_attributes
    timeouts = [started.workflow_task_timeout, started.workflow_run_timeout, started.workflow_execution_timeout]
    return [started.workflow_type, started.task_queue, *timeouts, started.retry_policy, first.user_metadata]


def context(answered: Ran) -> dict[str, str]:
    """Return the publish context of an answer."""
    assert answered.code == 0, answered.err
    found: dict[str, str] = json.loads(answered.out).get("publish_context", {})
    return found


def code(error: type[MooringError]) -> str:
    """Return the error's gRPC code, as Go writes it."""
    return error.grpc_code.title().replace("_", "")


async def test_a_publish_gives_the_publish_context(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, example: Example
) -> None:
    await cluster.create("vol")

    answered = await example("publish", *NODE_A)

    assert context(answered) == CONTEXT == (await mooring.publish("vol", "node-a")).publish_context
    assert "Publishing volume vol to node node-a is done at epoch" in answered.err


@pytest.mark.parametrize("handle", ["vol", "it's $HOME, `so` and ``so``", "日" * 300, "v" * 176])
async def test_its_run_is_started_as_a_mooring_client_starts_one(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, example: Example, handle: str
) -> None:
    await cluster.create(handle, name=cluster.pv("vol"))
    run = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle=handle)))

    context(await example("publish", "-volume", handle, "-node", "node-a"))
    its = await start_of(run)
    await mooring.publish(handle, "node-a")

    assert its == await start_of(run)


async def test_a_repeated_publish_reclaims_the_volume_and_gives_the_same_publish_context(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, example: Example
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    again = await example("publish", *NODE_A)

    assert context(again) == CONTEXT
    assert "; the node held it already." in again.err


@pytest.mark.parametrize(
    ("flags", "node", "readonly", "error"),
    [(NODE_B, "node-b", False, HeldElsewhere), ((*NODE_A, "-readonly"), "node-a", True, Incompatible)],
)
async def test_a_refusal_has_the_code_and_the_very_words_that_a_mooring_client_gets(
    worker: MooringWorker,
    cluster: Cluster,
    mooring: MooringClient,
    example: Example,
    flags: tuple[str, ...],
    node: str,
    readonly: bool,
    error: type[MooringError],
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    with pytest.raises(error, match="node-a") as told:
        await mooring.publish("vol", node, readonly=readonly)

    assert await example("publish", *flags) == Ran(1, "", f"{code(error)}: {told.value}\n")


@pytest.mark.parametrize(
    ("verb", "flags", "named"),
    [
        ("publish", ("-volume", "vol"), "node_id"),
        ("publish", ("-node", "node-a"), "volume_handle"),
        ("unpublish", ("-node", "node-a"), "volume_handle"),
        ("publish", (*NODE_A, "-access-mode", "RWX"), "access_mode"),
        ("publish", ("-volume", "v" * 2000, "-node", "node-a"), "volume_handle"),
    ],
)
async def test_a_malformed_request_is_an_invalid_argument(
    worker: MooringWorker, cluster: Cluster, example: Example, verb: str, flags: tuple[str, ...], named: str
) -> None:
    refused = await example(verb, *flags)

    assert (refused.code, refused.out) == (1, "")
    assert re.match(rf"InvalidArgument: .*{named}", refused.err)


async def test_an_unpublish_releases_the_node(
    backed_worker: MooringWorker, cluster: Cluster, backend: JournalBackend, mooring: MooringClient, example: Example
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    answered = await example("unpublish", *NODE_A)

    assert (answered.code, answered.out) == (0, "{}\n")
    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_an_unpublish_without_a_node_releases_every_node(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, example: Example
) -> None:
    await cluster.create("vol")
    for flags in (NODE_A, NODE_B):
        assert (await example("publish", *flags, *SHARED)).code == 0

    assert (await example("unpublish", "-volume", "vol")).code == 0

    assert (await mooring.unpublish("vol")).released == ()


@workflow.defn(name=names.PUBLISH)
class FailsInANewWay:
    """A later Mooring, with a failure type that the example has never heard of."""

    @workflow.run
    async def run(self, _request: Any) -> None:
        raise ApplicationError("Volume vol has melted.", type="VolumeMelted", non_retryable=True)


async def test_a_failure_type_that_it_does_not_know_is_internal(driver: str, temporal_client: Client, example: Example) -> None:
    later = Worker(
        temporal_client,
        task_queue=f"mooring-{driver}",
        workflows=[FailsInANewWay],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with later:
        assert await example("publish", *NODE_A) == Ran(1, "", f"Internal: {MooringError('Volume vol has melted.')}\n")


async def test_a_temporal_server_that_is_not_there_is_unavailable(example: Example) -> None:
    refused = await example("publish", *NODE_A, TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}")

    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Unavailable: The publish of volume vol to node node-a could not be requested from Temporal: ")

"""Callers in other languages: a run started by workflow name, with plain JSON, by a client that knows nothing of Mooring."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from mooring import names
from mooring.client import MooringClient
from mooring.errors import HeldElsewhere
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from worker import MooringWorker

CANARY: Final = "canary-7f3a"


@pytest.fixture
async def plain(temporal_client: Client) -> Client:
    """A client with the SDK's default data converter."""
    return await Client.connect(temporal_client.service_client.config.target_host)


async def started(plain: Client, driver: str, workflow: str, *payload: Any) -> WorkflowHandle[Any, Any]:
    return await plain.start_workflow(workflow, args=payload, id=f"volume/{driver}/vol", task_queue=f"mooring-{driver}")


def asked(driver: str, **fields: Any) -> dict[str, Any]:
    return {"driver": driver, "volume_handle": "vol", "node_id": "node-a", **fields}


async def failure_of(run: WorkflowHandle[Any, Any]) -> ApplicationError:
    """Return the failure of the run."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def test_a_run_started_by_name_with_plain_json_is_answered_in_plain_json(
    worker: MooringWorker, cluster: Cluster, plain: Client
) -> None:
    await cluster.create("vol")

    run = await started(plain, cluster.driver, "PublishVolume", asked(cluster.driver, access_mode="MULTI_NODE_MULTI_WRITER"))
    answer = await run.result()

    assert (answer["node_id"], answer["epoch"], answer["persisted"]) == ("node-a", 1, True)
    assert answer["attached_at"] == (await cluster.annotations("vol"))[cluster.keys.at]


async def test_a_run_started_with_plain_json_is_joined_by_the_same_request_of_a_mooring_client(
    backed_worker: MooringWorker, cluster: Cluster, plain: Client, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_gate = asyncio.Event()
    run = await started(plain, cluster.driver, "PublishVolume", asked(cluster.driver))
    await backend.entered.wait()
    joined = asyncio.create_task(mooring.publish("vol", "node-a"))
    await asyncio.sleep(0.3)
    backend.publish_gate.set()

    assert (await joined).model_dump(mode="json") == await run.result()
    assert len(backend.journal) == 1


async def test_the_failure_type_says_what_to_do_about_a_refusal(
    worker: MooringWorker, cluster: Cluster, plain: Client, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    failure = await failure_of(await started(plain, cluster.driver, "PublishVolume", asked(cluster.driver, node_id="node-b")))

    assert (failure.type, "node-a" in failure.message) == (HeldElsewhere.type_name(), True)


MALFORMED: Final[dict[str, tuple[list[Any], str]]] = {
    "a missing field": ([{"volume_handle": "vol", "readonly": CANARY}], "node_id"),
    "secrets": ([{"volume_handle": "vol", "node_id": "node-a", "secrets": {"password": CANARY}}], "secrets"),
    "a wrong type": ([{"volume_handle": "vol", "node_id": ["node-a", CANARY]}], "node_id"),
    "an unknown access mode": ([{"volume_handle": "vol", "node_id": "node-a", "access_mode": CANARY}], "access_mode"),
    "an overlong handle": ([{"volume_handle": CANARY * 200, "node_id": "node-a"}], "volume_handle"),
    "no payload": ([], "payload"),
    "null": ([None], "payload"),
    "a bare string": ([CANARY], "payload"),
    "a number": ([7], "payload"),
    "a list": ([[CANARY]], "payload"),
    "bytes": ([CANARY.encode()], "payload"),
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_payload_ends_in_a_refusal_that_names_the_field_and_not_the_value(
    worker: MooringWorker, cluster: Cluster, plain: Client, kind: str
) -> None:
    payload, field = MALFORMED[kind]

    failure = await failure_of(await started(plain, cluster.driver, "PublishVolume", *payload))

    assert failure.type == "InvalidRequest"
    assert field in failure.message
    assert CANARY not in str(failure)


@pytest.mark.parametrize("workflow", [names.PUBLISH, names.UNPUBLISH, names.READ])
@pytest.mark.parametrize("kind", ["secrets", "no payload", "a bare string", "bytes"])
async def test_a_malformed_payload_never_has_a_task_retried(
    worker: MooringWorker, cluster: Cluster, plain: Client, workflow: str, kind: str
) -> None:
    run = await started(plain, cluster.driver, workflow, *MALFORMED[kind][0])

    assert (await failure_of(run)).type == "InvalidRequest"

    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in [event.event_type async for event in run.fetch_history_events()]


@pytest.mark.parametrize("encoding", [b"binary/encrypted", b"json/plain"])
async def test_a_payload_that_can_not_be_decoded_is_refused_without_its_value(
    worker: MooringWorker, cluster: Cluster, plain: Client, encoding: bytes
) -> None:
    undecodable = RawValue(Payload(metadata={"encoding": encoding}, data=f"{{{CANARY}".encode()))

    run = await started(plain, cluster.driver, names.PUBLISH, undecodable)

    failure = await failure_of(run)
    assert (failure.type, CANARY in str(failure)) == ("InvalidRequest", False)


async def test_a_volume_of_another_driver_is_refused(worker: MooringWorker, cluster: Cluster, plain: Client) -> None:
    run = await started(plain, cluster.driver, names.PUBLISH, asked("other.csi.test"))

    failure = await failure_of(run)

    assert (failure.type, "other.csi.test" in failure.message) == ("InvalidRequest", True)

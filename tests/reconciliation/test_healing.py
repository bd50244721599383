"""A heal against what happens at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from temporalio.client import Client

from mooring import names
from mooring.backend import NoBackend
from mooring.client import MooringClient
from mooring.csi.co_secrets import CoCalls
from mooring.errors import MooringError
from mooring.models import BackendCall, PublishRequest
from mooring.models.drift import Drift, DriftKind, Heal
from mooring.models.reconciliation import Outcome
from mooring.reconciliation.healer import Healer
from mooring.temporal.visibility import RunVisibility
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.workers import indexed, quick, running_worker
from worker import MooringWorker


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend) -> AsyncIterator[MooringWorker]:
    """A ready worker with a backend, and `vol` on node-a."""
    settings = quick(driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        await cluster.create("vol")
        await indexed(running, "vol")
        yield running


@pytest.fixture
def healer(worker: MooringWorker, mooring: MooringClient, temporal_client: Client, driver: str) -> Healer:
    """A healer of the test's driver."""

    async def evacuate(node_id: str) -> str:
        raise MooringError(f"Nobody evacuates {node_id}.")

    runs = RunVisibility(temporal_client, driver, search_attributes=True)
    return Healer(driver, mooring, worker.context.adoptions, evacuate, CoCalls(worker.manager, NoBackend(), runs))


class Keyless:
    """A backend that takes secrets, and has none."""

    async def publish(self, call: BackendCall) -> dict[str, str]:  # noqa: ARG002 - it never is asked
        """See `Backend`."""
        return {}

    async def unpublish(self, call: BackendCall) -> None:
        """See `Backend`."""

    def has_secrets(self, volume_handle: str) -> bool:  # noqa: ARG002 - of none
        """See `TakesSecrets`."""
        return False


@pytest.mark.parametrize("heal", [Heal.UNPUBLISH, Heal.UNPUBLISH_STRAY])
async def test_what_only_the_co_can_detach_waits_for_it_and_the_report_says_so(
    healer: Healer, worker: MooringWorker, cluster: Cluster, mooring: MooringClient, heal: Heal
) -> None:
    await cluster.create("locked", secret="array")
    await indexed(worker, "locked")
    epoch = (await mooring.publish("locked", "node-a")).epoch
    keyless = replace(healer, co_calls=replace(healer.co_calls, backend=Keyless()))

    kind = DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT
    result = await keyless.heal(drift(heal, epoch).model_copy(update={"volume_handle": "locked", "kind": kind}))

    assert (result.outcome, await cluster.holder("locked")) == (Outcome.FAILED, "node-a")
    assert "waits for the CO" in result.said


@pytest.mark.parametrize("heal", [Heal.UNPUBLISH, Heal.UNPUBLISH_STRAY])
async def test_what_waits_for_its_pv_with_secrets_waits_for_the_co_too(
    healer: Healer, mooring: MooringClient, driver: str, temporal_client: Client, heal: Heal
) -> None:
    asked = PublishRequest(driver=driver, volume_handle="late", node_id="node-a", with_secrets=True)
    assert not (await mooring.request_publish(asked)).persisted
    keyless = replace(healer, co_calls=replace(healer.co_calls, backend=Keyless()))

    kind = DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT
    result = await keyless.heal(drift(heal).model_copy(update={"volume_handle": "late", "kind": kind}))

    newest = await temporal_client.get_workflow_handle(names.volume_id(asked)).describe()
    assert (result.outcome, newest.workflow_type) == (Outcome.FAILED, names.PUBLISH)
    assert "waits for the CO" in result.said


async def test_a_record_that_stayed_uncleared_is_cleared_without_the_secrets_as_the_driver_has_detached(
    healer: Healer, worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("locked", secret="array")
    await indexed(worker, "locked")
    epoch = (await mooring.publish("locked", "node-a")).epoch
    keyless = replace(healer, co_calls=replace(healer.co_calls, backend=Keyless()))

    result = await keyless.heal(drift(Heal.UNPUBLISH, epoch).model_copy(update={"volume_handle": "locked"}))

    assert (result.outcome, await cluster.holder("locked")) == (Outcome.HEALED, None)
    assert [call[0] for call in backend.journal] == ["publish"]


def drift(heal: Heal, epoch: int = 0) -> Drift:
    return Drift(kind=DriftKind.NOT_CLEARED, volume_handle="vol", node_id="node-a", epoch=epoch, why="So.", heal=heal)


async def test_what_is_still_as_it_was_seen_is_released(healer: Healer, cluster: Cluster, mooring: MooringClient) -> None:
    epoch = (await mooring.publish("vol", "node-a")).epoch

    result = await healer.heal(drift(Heal.UNPUBLISH, epoch))

    assert (result.outcome, result.epoch, await cluster.holder("vol")) == (Outcome.HEALED, epoch + 1, None)


async def test_what_was_published_again_since_stays(
    healer: Healer, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    epoch = (await mooring.publish("vol", "node-a")).epoch
    await mooring.publish("vol", "node-a")

    result = await healer.heal(drift(Heal.UNPUBLISH, epoch))

    assert (result.outcome, await cluster.holder("vol"), backend.attached["vol"]) == (Outcome.REFUSED, "node-a", {"node-a"})


async def test_a_stray_that_became_a_holder_stays(
    healer: Healer, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")

    result = await healer.heal(drift(Heal.UNPUBLISH_STRAY))

    assert (result.outcome, backend.attached["vol"]) == (Outcome.REFUSED, {"node-a"})


@pytest.mark.parametrize("heal", [Heal.UNPUBLISH, Heal.UNPUBLISH_STRAY])
async def test_a_publish_under_way_is_waited_for_and_not_cancelled(
    healer: Healer, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, heal: Heal
) -> None:
    backend.publish_gate = asyncio.Event()
    publishing = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    healing = asyncio.create_task(healer.heal(drift(heal)))
    await asyncio.sleep(0.2)
    backend.publish_gate.set()

    await publishing
    assert (await healing).outcome is Outcome.REFUSED
    assert backend.attached["vol"] == {"node-a"}


async def test_what_is_recorded_by_now_is_not_adopted(healer: Healer, mooring: MooringClient) -> None:
    await mooring.publish("vol", "node-a")

    assert (await healer.heal(drift(Heal.ADOPT))).outcome is Outcome.REFUSED


async def test_a_heal_that_fails_says_why(healer: Healer) -> None:
    result = await healer.heal(drift(Heal.EVACUATE))

    assert (result.outcome, "node-a" in result.said) == (Outcome.FAILED, True)


async def test_a_record_that_still_can_not_be_cleared_is_a_failure(
    healer: Healer, cluster: Cluster, mooring: MooringClient
) -> None:
    epoch = (await mooring.publish("vol", "node-a")).epoch
    cluster.proxy.fail("PATCH", status=400, times=1)

    assert (await healer.heal(drift(Heal.UNPUBLISH, epoch))).outcome is Outcome.FAILED
    assert (await healer.heal(drift(Heal.UNPUBLISH, epoch))).outcome is Outcome.HEALED

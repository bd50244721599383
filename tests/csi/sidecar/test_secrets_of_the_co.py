"""A volume whose driver takes secrets is attached and detached by the CO's own calls alone: nobody else has them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.errors import Disputed, SecretsNeeded
from mooring.evacuation.client import approve
from mooring.models import Approval, VolumeRef
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient
from tests.harness.dead_node import DeadNode, ended
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.patience import PATIENCE
from tests.harness.sidecar import fronting

SECRETS = {"secret": "open sesame"}


@pytest.fixture(scope="module")
def driver() -> str:
    return "locked.csi.example"


@pytest.fixture(scope="module")
async def locked(driver: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReferenceDriver]:
    """A driver that refuses calls without the secret."""
    folder = tmp_path_factory.mktemp("locked")
    async with ReferenceDriver.start(folder, "--name", driver, "--expect-secret", SECRETS["secret"]) as started:
        yield started


@pytest.fixture
async def sidecar(temporal_client: Client, account: ApiServer, locked: ReferenceDriver, tmp_path: Path) -> AsyncIterator[CsiClient]:
    """Mooring in front of it, and no evacuation but by command."""
    settings = {"evacuate": "off", "node_gone": 1, "retry_interval_max": 0.2}
    async with fronting(temporal_client, account.kubeconfig(), locked.endpoint, tmp_path, **settings) as co:
        yield co


@pytest.fixture
async def volume(sidecar: CsiClient, cluster: Cluster) -> str:
    """A volume whose PV names a Secret, on `node-a`."""
    handle = f"vol-{uuid.uuid4().hex[:8]}"
    await cluster.create(handle, secret="array")
    await sidecar.publish(handle, "node-a", secrets=SECRETS)
    return handle


def refused(locked: ReferenceDriver, volume: str) -> int:
    """Return how many calls about the volume the driver has got beside the attach."""
    return len([call for call in locked.calls() if call.volume == volume and call.rpc != "publish"])


async def test_an_evacuation_waits_for_the_co_and_says_so_and_asks_the_driver_nothing(
    sidecar: CsiClient, locked: ReferenceDriver, volume: str, cluster: Cluster, temporal_client: Client, driver: str
) -> None:
    dead = DeadNode(cluster, temporal_client, MooringClient(temporal_client, driver=driver))
    evacuation = await dead.evacuate()
    await dead.reaches(evacuation, State.AWAITING_PROOF, total=1)
    await approve(evacuation, Approval(by="ada", reason="it is off"))
    progress = await dead.reaches(evacuation, State.EVACUATING, failing=1)
    await asyncio.sleep(1)

    assert "waits for the CO" in progress.failed[volume]
    assert refused(locked, volume) == 0

    await sidecar.unpublish(volume, "node-a", secrets=SECRETS)
    assert (await ended(evacuation)).state == State.EVACUATED
    assert volume not in locked.attached()


async def test_what_is_asked_by_hand_is_refused_before_the_driver_is_asked(
    sidecar: CsiClient, locked: ReferenceDriver, volume: str, cluster: Cluster, temporal_client: Client, driver: str
) -> None:
    by_hand = MooringClient(temporal_client, driver=driver)
    with pytest.raises(SecretsNeeded, match="this call did not come from the CO"):
        await by_hand.unpublish(volume, "node-a", deadline=PATIENCE)

    assert (refused(locked, volume), await cluster.holder(volume)) == (0, "node-a")

    await sidecar.unpublish(volume, "node-a", secrets=SECRETS)
    with pytest.raises(SecretsNeeded, match="delete the Pod"):
        await by_hand.publish(volume, "node-b", deadline=PATIENCE)
    assert await cluster.holder(volume) is None


async def test_one_whose_pv_went_while_it_was_attached_is_still_known_by_its_secret(
    sidecar: CsiClient, locked: ReferenceDriver, volume: str, cluster: Cluster, temporal_client: Client, driver: str
) -> None:
    await cluster.delete(volume)
    by_hand = MooringClient(temporal_client, driver=driver)
    with pytest.raises(Disputed, match="mooring unpublish"):
        await by_hand.publish(volume, "node-b", deadline=PATIENCE)

    with pytest.raises(SecretsNeeded, match="this call did not come from the CO"):
        await by_hand.unpublish(volume, "node-a", deadline=PATIENCE)

    assert refused(locked, volume) == 0
    await sidecar.unpublish(volume, "node-a", secrets=SECRETS)
    assert volume not in locked.attached()


async def test_one_that_waits_for_its_pv_is_known_by_the_secrets_that_came_with_it(
    sidecar: CsiClient, locked: ReferenceDriver, cluster: Cluster, temporal_client: Client, driver: str
) -> None:
    volume = f"vol-{uuid.uuid4().hex[:8]}"
    await sidecar.publish(volume, "node-w", secrets=SECRETS)
    dead = DeadNode(cluster, temporal_client, MooringClient(temporal_client, driver=driver), node_id="node-w")
    evacuation = await dead.evacuate()
    await dead.reaches(evacuation, State.AWAITING_PROOF)
    await approve(evacuation, Approval(by="ada", reason="it is off"))
    progress = await dead.reaches(evacuation, State.EVACUATING, failing=1)
    await asyncio.sleep(1)

    assert "waits for the CO" in progress.failed[volume]
    assert refused(locked, volume) == 0
    newest = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=driver, volume_handle=volume)))
    assert (await newest.describe()).workflow_type == names.PUBLISH

    await sidecar.unpublish(volume, "node-w", secrets=SECRETS)
    assert (await ended(evacuation)).state == State.EVACUATED
    assert volume not in locked.attached()

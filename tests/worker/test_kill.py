"""kill -9 in every step completes: one worker is killed while an operation of its own is held in each, and the next goes on.

All operations are under way at once, each on its own volume, which is named by the step that is held.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.faults import Followed, Hold, Loss, ProxiedRequest
from mooring.devstack.proxy import FaultProxy
from mooring.errors import BackendFailed
from mooring.models import PublishResult, UnpublishResult, VolumeRef
from tests.harness.cluster import Cluster
from tests.harness.journal_backend import CONTEXT
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet, backed, open_fleet

PATIENT: Final = {"request_timeout": 20, "attempt_timeout": 25, "backend_timeout": 25, "publish_budget": 60, "clear_budget": 60}
"""Bounds within which a held step stays held: only the kill ends it."""
HEARTBEAT: Final = {"heartbeat_timeout": 2, "backend_budget": 60}
DEADLINE: Final = 60

WRITES: Final = {"recording": 1, "keeping-context": 2, "taking-back": 2, "releasing": 3}
"""Held at the API server before they land; the epoch that the write would make."""
LOST: Final = {"recorded": 1, "kept-context": 2, "taken-back": 2, "released": 3}
"""Landed, and their answers lost."""
CALLS: Final = {
    "attaching": "publish",
    "attached": "published",
    "undoing": "unpublish",
    "detaching": "unpublish",
    "attaching-unrecorded": "publish",
}
"""Held in the backend, at its own step."""
REFUSED: Final = ("taking-back", "taken-back", "undoing")
LEAVING: Final = ("releasing", "released", "detaching")
ARRIVING: Final = ("recording", "recorded", "keeping-context", "kept-context", "attaching", "attached")
UNRECORDED: Final = "attaching-unrecorded"

Answer = PublishResult | UnpublishResult | BaseException


@dataclass(frozen=True, slots=True)
class Scene:
    """The operations' answers, and the state of the API server and the backend."""

    cluster: Cluster
    fleet: Fleet
    mooring: MooringClient
    answers: dict[str, Answer]
    stragglers: dict[str, Hold]

    async def ends(self, handle: str) -> tuple[str | None, set[str]]:
        """Return the holder by the record, and the nodes by the backend."""
        return await self.cluster.holder(handle), self.fleet.journal.attached(handle)


@pytest.fixture(scope="module")
async def scene(temporal_client: Client, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One worker killed in every step, and the next one."""
    driver = f"d{uuid.uuid4().hex[:10]}.csi.test"
    address = temporal_client.service_client.config.target_host
    async with FaultProxy.start(kubernetes.account.kubeconfig()) as proxy:
        cluster = Cluster(kubernetes.admin, proxy, driver)
        async with open_fleet(address, cluster, tmp_path_factory.mktemp("kill")) as fleet:
            yield await play(fleet, MooringClient(temporal_client, driver=driver))


async def play(fleet: Fleet, mooring: MooringClient) -> Scene:
    settings = backed(**PATIENT, **HEARTBEAT)
    first = await (await fleet.start(**settings)).ready()
    await prepare(fleet, mooring)
    stragglers, reached = hold(fleet)
    operations = {handle: asyncio.create_task(operate(mooring, handle)) for handle in (*ARRIVING, *REFUSED, *LEAVING, UNRECORDED)}
    await asyncio.gather(*(wait() for wait in reached))

    await first.child.kill()
    for handle, step in CALLS.items():
        fleet.journal.release(step, handle)
    await (await fleet.start(**settings)).ready()

    answers = await asyncio.gather(*operations.values(), return_exceptions=True)
    return Scene(fleet.cluster, fleet, mooring, dict(zip(operations, answers, strict=True)), stragglers)


async def prepare(fleet: Fleet, mooring: MooringClient) -> None:
    await asyncio.gather(*(fleet.cluster.create(handle) for handle in (*ARRIVING, *REFUSED, *LEAVING)))
    for handle in REFUSED:
        fleet.journal.refuse(handle, "the array is full")
    await asyncio.gather(*(mooring.publish(handle, "node-a") for handle in LEAVING))


def hold(fleet: Fleet) -> tuple[dict[str, Hold], list[Callable[[], Awaitable[object]]]]:
    """Hold every step; return what was held at the API server, and how to wait until each is reached."""
    proxy, cluster = fleet.cluster.proxy, fleet.cluster
    held = {h: proxy.hold("PATCH", path=cluster.pv(h), times=1, when=makes(epoch)) for h, epoch in WRITES.items()}
    lost: list[Followed] = [
        proxy.lose_answer("PATCH", path=cluster.pv(h), times=1, when=makes(epoch), loss=Loss.HANG) for h, epoch in LOST.items()
    ]
    for handle, step in CALLS.items():
        fleet.journal.hold(step, handle)
    calls = [lambda h=h, s=s: fleet.journal.reached(s, h) for h, s in CALLS.items()]
    return held, [*(each.reached for each in held.values()), *(each.landed for each in lost), *calls]


def makes(epoch: int) -> Callable[[ProxiedRequest], bool]:
    """Return whether a request writes this epoch, as a predicate."""
    return lambda request: b'"value":"%d"' % epoch in request.body.replace(b" ", b"")


async def operate(mooring: MooringClient, handle: str) -> Answer:
    if handle in LEAVING:
        return await mooring.unpublish(handle, "node-a", deadline=DEADLINE)
    return await mooring.publish(handle, "node-a", deadline=DEADLINE)


@pytest.mark.parametrize("step", ARRIVING)
async def test_a_publish_killed_in_any_step_completes(scene: Scene, step: str) -> None:
    answer = scene.answers[step]

    assert isinstance(answer, PublishResult), answer
    assert (answer.persisted, answer.publish_context) == (True, CONTEXT)
    assert await scene.ends(step) == ("node-a", {"node-a"})


@pytest.mark.parametrize("step", REFUSED)
async def test_a_rollback_killed_in_any_step_completes(scene: Scene, step: str) -> None:
    answer = scene.answers[step]

    assert isinstance(answer, BackendFailed), answer
    assert "the array is full" in str(answer)
    assert await scene.ends(step) == (None, set())


@pytest.mark.parametrize("step", LEAVING)
async def test_an_unpublish_killed_in_any_step_completes(scene: Scene, step: str) -> None:
    answer = scene.answers[step]

    assert isinstance(answer, UnpublishResult), answer
    assert (answer.released, answer.annotation_cleared) == (("node-a",), True)
    assert await scene.ends(step) == (None, set())


@pytest.mark.parametrize("step", WRITES)
async def test_what_the_killed_worker_had_sent_changes_nothing_when_it_lands(scene: Scene, step: str) -> None:
    before = await scene.cluster.annotations(step)
    scene.stragglers[step].release()

    assert await scene.stragglers[step].landed() == 422

    assert await scene.cluster.annotations(step) == before


async def test_a_publish_without_a_pv_killed_in_the_backend_completes_and_is_recorded_once_there_is_one(scene: Scene) -> None:
    answer = scene.answers[UNRECORDED]
    assert isinstance(answer, PublishResult), answer
    assert (answer.persisted, answer.publish_context) == (False, CONTEXT)

    await scene.cluster.create(UNRECORDED)

    async with asyncio.timeout(PATIENCE):
        while await scene.cluster.holder(UNRECORDED) is None:
            await asyncio.sleep(0.05)
    assert await scene.ends(UNRECORDED) == ("node-a", {"node-a"})


@pytest.mark.parametrize("step", [*ARRIVING, *REFUSED, *LEAVING])
async def test_it_is_the_same_run_that_completes(scene: Scene, temporal_client: Client, step: str) -> None:
    volume = VolumeRef(driver=scene.cluster.driver, volume_handle=step)

    last = await temporal_client.get_workflow_handle(names.volume_id(volume)).describe()

    assert (await scene.cluster.annotations(step))[scene.cluster.keys.operation] == last.run_id

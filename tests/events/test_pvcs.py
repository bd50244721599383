"""The claim that a PV is bound to: learned from reads that happen anyway, else asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring.events.pvcs import PvcCache
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.connection import connect
from mooring.kubernetes.pv_objects import Pv, PvcRef, PvMetadata, PvSpec
from mooring.models import Precondition
from tests.harness.cluster import PVS, Cluster

BOUND = PvcRef("apps", "data", "a-uid")


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[KubernetesApi]:
    connected = await connect(cluster.proxy.kubeconfig(), {}, 1.0)
    yield connected
    await connected.close()


def pv(uid: str, pvc: PvcRef | None = BOUND) -> Pv:
    return Pv(PvMetadata("pv", uid=uid), PvSpec(claim_ref=pvc))


async def test_what_was_learned_costs_no_request(api: KubernetesApi, cluster: Cluster) -> None:
    pvcs = PvcCache(api)
    pvcs.learn(pv("u1"))
    pvcs.learn(pv("u2", None))

    assert await pvcs.of(Precondition(pv="pv", uid="u1")) == BOUND
    assert await pvcs.of(Precondition(pv="pv", uid="u2")) is None
    assert cluster.proxy.count() == 0


async def test_what_was_not_learned_is_asked_for_once(api: KubernetesApi, cluster: Cluster) -> None:
    made = (await cluster.create("vol"))["metadata"]
    pvc = {"namespace": "apps", "name": "data", "uid": "a-uid"}
    await cluster.ask("PATCH", f"{PVS}/{made['name']}", {"spec": {"claimRef": pvc}}, "application/merge-patch+json")
    pvcs, mark = PvcCache(api), Precondition(pv=made["name"], uid=made["uid"])

    assert [await pvcs.of(mark), await pvcs.of(mark)] == [BOUND, BOUND]
    assert cluster.proxy.count() == 1


async def test_a_pv_that_is_gone_is_bound_to_nothing(api: KubernetesApi) -> None:
    assert await PvcCache(api).of(Precondition(pv="absent", uid="u")) is None


async def test_no_more_are_remembered_than_there_is_room_for(api: KubernetesApi, cluster: Cluster) -> None:
    pvcs = PvcCache(api, size=2)
    for uid in ("u1", "u2", "u3"):
        pvcs.learn(pv(uid))

    assert [await pvcs.of(Precondition(pv="absent", uid=uid)) for uid in ("u1", "u2", "u3")] == [None, BOUND, BOUND]

"""The checks of a real server alone: it asks for identity and rights, and refuses when it has enough."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from mooring.devstack.kubernetes import ApiServer, RealKubernetes
from mooring.devstack.proxy import FaultProxy
from tests.devstack.contract.api import NO_RIGHTS, OWNER, PVS, Api, add, at, check, session_for
from tests.harness.patience import PATIENCE

CROWD = 400


@pytest.fixture
async def stranger(real: RealKubernetes) -> AsyncIterator[Api]:
    async with session_for(real.server(NO_RIGHTS)) as session:
        yield Api(session)


@pytest.fixture
async def busy(assets: Path, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A server that takes one write at a time and sends all others away, those of `system:masters` excepted."""
    flags = ["--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1"]
    users = {"admin": ["system:masters"], NO_RIGHTS: []}
    async with RealKubernetes.start(assets, tmp_path, users, flags) as kube, session_for(kube.server(NO_RIGHTS)) as session:
        yield session


async def test_a_patch_without_the_right_is_forbidden(stranger: Api) -> None:
    answer = await stranger.patch(f"{PVS}/any", check("/metadata/uid", "x"))
    assert answer.refusal() == (403, "Forbidden")
    assert answer.body["message"] == (
        'persistentvolumes "any" is forbidden: User "nobody" cannot patch resource "persistentvolumes" '
        'in API group "" at the cluster scope'
    )


async def test_a_watch_without_the_right_is_forbidden_before_it_begins(stranger: Api) -> None:
    assert (await stranger.get(PVS, watch="true", timeoutSeconds="1")).refusal() == (403, "Forbidden")


async def test_an_unknown_token_is_unauthorized(real: RealKubernetes) -> None:
    async with session_for(ApiServer(real.url, real.ca, "unknown")) as session:
        assert (await Api(session).get(PVS)).refusal() == (401, "Unauthorized")


async def test_a_busy_server_says_in_plain_text_when_to_come_again(busy: aiohttp.ClientSession) -> None:
    async def write() -> tuple[int, str, str]:
        async with busy.delete(f"{PVS}/any") as answer:
            return answer.status, answer.headers.get("Retry-After", ""), await answer.text()

    refused: set[tuple[str, str]] = set()
    async with asyncio.timeout(PATIENCE):
        while not refused:  # a crowd may happen to come one by one
            answers = await asyncio.gather(*(write() for _ in range(CROWD)))
            assert {status for status, _, _ in answers} <= {403, 429}
            refused = {(again, text) for status, again, text in answers if status == 429}
    assert refused == {("1", "Too many requests, please try again later.\n")}


async def test_the_fault_proxy_brings_its_own_token_and_trust(real: RealKubernetes) -> None:
    async with FaultProxy.start(real.kubeconfig()) as proxy, session_for(ApiServer(proxy.url)) as session:
        pv = await Api(session).new_pv(owner="a")
        assert (await pv.patch(add(at(OWNER), "b"))).metadata["annotations"] == {OWNER: "b"}
        watch = Api(session).watch(PVS, fieldSelector=f"metadata.name={pv.name}")
        assert [event["type"] async for event in watch] == ["ADDED"]

"""What only a real server does: it asks who you are, what you may, and tells you when it has enough."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.devstack.kubernetes import ApiServer, RealKubernetes
from tests.contract.api import OWNER, PVS, Api, at, check, pv_body
from tests.contract.conftest import NO_RIGHTS, session_for

CROWD = 400


@pytest.fixture
async def stranger(real: RealKubernetes) -> AsyncIterator[Api]:
    async with session_for(real.server(NO_RIGHTS)) as session:
        yield Api(session)


@pytest.fixture
async def busy(assets: Path, tmp_path: Path) -> AsyncIterator[Api]:
    """A server that takes one write at a time and sends all others away."""
    flags = ["--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1"]
    async with RealKubernetes.start(assets, tmp_path, flags=flags) as kube, session_for(kube.server()) as session:
        yield Api(session)


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


async def test_a_busy_server_says_when_to_come_again_and_writes_once(busy: Api) -> None:
    await busy.create(PVS, pv_body("wanted", owner="a"))
    patch = {"op": "add", "path": at(OWNER)}
    answers = await asyncio.gather(*(busy.patch(f"{PVS}/wanted", {**patch, "value": str(n)}) for n in range(CROWD)))
    refused = [answer for answer in answers if answer.code != 200]
    assert refused, f"{CROWD} writers at once found it free"
    assert {answer.code for answer in refused} == {429}
    assert all(answer.headers["Retry-After"] == "1" for answer in refused)
    print(refused[0])

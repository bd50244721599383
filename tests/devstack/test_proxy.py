"""The fault proxy does to requests what it is asked, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from mooring.devstack.faults import Loss
from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes
from mooring.devstack.proxy import FaultProxy
from tests.devstack.contract.api import OWNER, PVS, Api, Pv, add, at, check, session_for

CLIENT_PATIENCE = 0.2


@pytest.fixture
async def kube() -> AsyncIterator[EmbeddedKubernetes]:
    async with EmbeddedKubernetes.start() as running:
        yield running


@pytest.fixture
async def proxy(kube: EmbeddedKubernetes) -> AsyncIterator[FaultProxy]:
    async with FaultProxy.start(kube.kubeconfig()) as running:
        yield running


@pytest.fixture
async def api(proxy: FaultProxy) -> AsyncIterator[Api]:
    async with session_for(ApiServer.of(proxy.kubeconfig())) as session:
        yield Api(session)


@pytest.fixture
async def pv(api: Api) -> Pv:
    return await api.new_pv(owner="a")


async def impatient(pv: Pv) -> None:
    """Write owner b, if it still is a; the client gives up before an answer arrives."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(CLIENT_PATIENCE):
            await pv.patch(check(at(OWNER), "a"), add(at(OWNER), "b"))


async def test_without_rules_it_is_transparent(pv: Pv, api: Api) -> None:
    answer = await pv.patch(add(at(OWNER), "b"))
    assert answer.metadata["annotations"] == {OWNER: "b"}
    assert (await api.get(PVS, limit="1", fieldSelector=f"metadata.name={pv.name}")).names == [pv.name]
    assert (await api.get(f"{PVS}/absent")).refusal() == (404, "NotFound")


async def test_a_failure_answers_in_the_servers_place_as_often_as_told(pv: Pv, proxy: FaultProxy) -> None:
    rule = proxy.fail("PATCH", status=500, times=2)
    answers = [await pv.patch(add(at(OWNER), str(n))) for n in range(3)]
    assert [answer.code for answer in answers] == [500, 500, 200]
    assert answers[0].refusal() == (500, "InternalError")
    assert rule.seen == 2


async def test_a_rule_is_for_its_method_its_path_and_its_predicate(pv: Pv, proxy: FaultProxy, api: Api) -> None:
    proxy.fail("PATCH", status=403, path=pv.name, when=lambda request: b"secret" in request.body)
    other = await api.new_pv(owner="a")
    assert (await pv.patch(add(at(OWNER), "b"))).code == 200
    assert (await other.patch(add(at(OWNER), "secret"))).code == 200
    assert (await pv.patch(add(at(OWNER), "secret"))).refusal() == (403, "Forbidden")


async def test_too_many_requests_says_when_to_come_again(pv: Pv, proxy: FaultProxy) -> None:
    proxy.fail("PATCH", status=429, retry_after=3)
    async with aiohttp.ClientSession() as session, session.patch(proxy.url + pv.path) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")


async def test_a_stopped_rule_lets_requests_pass(pv: Pv, proxy: FaultProxy) -> None:
    proxy.fail("PATCH", status=500).stop()
    assert (await pv.patch(add(at(OWNER), "b"))).code == 200


async def test_a_delayed_request_arrives(pv: Pv, proxy: FaultProxy) -> None:
    proxy.delay("PATCH", 0.01, times=1)
    assert (await pv.patch(add(at(OWNER), "b"))).code == 200


async def test_a_dropped_request_never_reaches_the_server(pv: Pv, proxy: FaultProxy) -> None:
    proxy.drop("PATCH", times=1)
    with pytest.raises(aiohttp.ClientError):
        await pv.patch(add(at(OWNER), "b"))
    assert await pv.annotations() == {OWNER: "a"}


async def test_a_hung_request_never_reaches_the_server(pv: Pv, proxy: FaultProxy) -> None:
    proxy.drop("PATCH", times=1, loss=Loss.HANG)
    await impatient(pv)
    assert await pv.annotations() == {OWNER: "a"}


@pytest.mark.parametrize("loss", Loss)
async def test_a_write_is_applied_though_its_answer_is_lost(pv: Pv, proxy: FaultProxy, loss: Loss) -> None:
    lost = proxy.lose_answer("PATCH", times=1, loss=loss)
    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        async with asyncio.timeout(CLIENT_PATIENCE):
            await pv.patch(add(at(OWNER), "b"))
    assert await lost.landed() == 200
    assert await pv.annotations() == {OWNER: "b"}


async def test_a_straggler_reaches_the_server_after_its_client_has_gone(pv: Pv, proxy: FaultProxy) -> None:
    held = proxy.hold("PATCH", times=1)
    await impatient(pv)
    await held.reached()
    assert await pv.annotations() == {OWNER: "a"}
    held.release()
    assert await held.landed() == 200
    assert await pv.annotations() == {OWNER: "b"}


async def test_a_straggler_is_refused_by_what_was_written_meanwhile(pv: Pv, proxy: FaultProxy) -> None:
    held = proxy.hold("PATCH", times=1)
    await impatient(pv)
    assert (await pv.patch(add(at(OWNER), "c"))).code == 200
    held.release()
    assert await held.landed() == 422
    assert await pv.annotations() == {OWNER: "c"}


async def test_a_held_request_is_answered_where_its_client_still_waits(pv: Pv, proxy: FaultProxy) -> None:
    held = proxy.hold("PATCH", times=1)
    patch = asyncio.create_task(pv.patch(add(at(OWNER), "b")))
    await held.reached()
    held.release()
    assert (await patch).code == 200


async def test_in_an_outage_nothing_is_answered_and_afterwards_everything_is(pv: Pv, proxy: FaultProxy) -> None:
    with proxy.outage():
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await pv.annotations()
    assert await pv.annotations() == {OWNER: "a"}


async def test_a_watch_is_streamed_and_cut(pv: Pv, proxy: FaultProxy, api: Api) -> None:
    watch = api.watch(PVS, timeoutSeconds="60")
    assert (await anext(watch))["object"]["metadata"]["name"] == pv.name
    await pv.patch(add(at(OWNER), "b"))
    assert (await anext(watch))["type"] == "MODIFIED"
    assert proxy.cut_watches() == 1
    with pytest.raises(aiohttp.ClientError):
        await anext(watch)


async def test_an_outage_cuts_open_watches(pv: Pv, proxy: FaultProxy, api: Api) -> None:
    watch = api.watch(PVS, timeoutSeconds="60")
    assert (await anext(watch))["object"]["metadata"]["name"] == pv.name
    with proxy.outage(), pytest.raises(aiohttp.ClientError):
        await anext(watch)


async def test_requests_are_counted_by_method_and_path(pv: Pv, proxy: FaultProxy, api: Api) -> None:
    proxy.requests.clear()
    await pv.patch(add(at(OWNER), "b"))
    await api.events(PVS, timeoutSeconds="1")
    assert proxy.count("PATCH", pv.path) == 1
    assert proxy.count("WATCH") == 1
    assert proxy.count("GET") == 0
    assert proxy.count() == 2

"""The outcome of a request that the API server doesn't simply answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from aiohttp import web

from mooring.devstack.faults import Loss
from mooring.errors import KubernetesForbidden, KubernetesRejected, KubernetesUnavailable
from mooring.kubernetes.api import Gone, KubernetesApi, NotFound, Refused
from mooring.kubernetes.connection import connect
from tests.harness.cluster import Cluster
from tests.kubernetes.conftest import LIST, READ, TIMEOUT, TOKEN


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, KubernetesRejected),
        (401, KubernetesUnavailable),
        (403, KubernetesForbidden),
        (404, NotFound),
        (405, KubernetesRejected),
        (410, Gone),
        (413, KubernetesRejected),
        (422, Refused),
        (500, KubernetesUnavailable),
        (503, KubernetesUnavailable),
        (504, KubernetesUnavailable),
    ],
)
async def test_each_refusal_is_an_error_that_says_what_was_asked_and_why_not(
    api: KubernetesApi, cluster: Cluster, status: int, error: type[Exception]
) -> None:
    cluster.proxy.fail("GET", status=status, message="because of the test")
    with pytest.raises(error, match=rf"Could not read PersistentVolume pv-1: .* {status} .*: because of the test"):
        await api.request(READ)


@pytest.mark.parametrize("loss", [Loss.CUT, Loss.HANG])
async def test_a_lost_connection_is_unavailable(api: KubernetesApi, cluster: Cluster, loss: Loss) -> None:
    cluster.proxy.drop("GET", loss=loss)
    with pytest.raises(KubernetesUnavailable, match="Could not list PersistentVolumes"):
        await api.request(LIST)


async def test_an_answer_that_stops_halfway_is_unavailable() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(half, "127.0.0.1", 0) as server:
        api = await connect(plain(server.sockets[0].getsockname()[1]), {}, TIMEOUT)
        with pytest.raises(KubernetesUnavailable, match="Could not list PersistentVolumes"):
            await api.request(LIST)
        await api.close()


@pytest.mark.parametrize("status", [409, 429])
async def test_a_busy_server_is_asked_again_within_the_request(api: KubernetesApi, cluster: Cluster, status: int) -> None:
    busy = cluster.proxy.fail("GET", status=status, times=3)
    await api.request(LIST)
    assert busy.seen == 3


async def test_a_server_that_stays_busy_is_unavailable(api: KubernetesApi, cluster: Cluster) -> None:
    cluster.proxy.fail("GET", status=429)
    with pytest.raises(KubernetesUnavailable, match="429"):
        await api.request(LIST)


async def test_a_retry_after_beyond_the_request_is_not_waited_for(api: KubernetesApi, cluster: Cluster) -> None:
    busy = cluster.proxy.fail("GET", status=429, retry_after=600)
    with pytest.raises(KubernetesUnavailable, match="429"):
        await api.request(LIST)
    assert busy.seen == 1


async def test_a_token_that_the_server_repeats_is_in_no_error(api: KubernetesApi, cluster: Cluster) -> None:
    cluster.proxy.fail("GET", status=500, message=f"Authorization: Bearer {TOKEN}")
    with pytest.raises(KubernetesUnavailable) as caught:
        await api.request(LIST)
    assert not shows_token(caught.value)


async def test_what_stands_between_and_repeats_the_request_is_not_quoted() -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(status=502, text=f"<html>{dict(request.headers)}</html>")

    async with answering(echo) as api:
        with pytest.raises(KubernetesUnavailable, match="no Kubernetes Status") as caught:
            await api.request(LIST)
    assert not shows_token(caught.value)


async def test_a_refusal_in_protobuf_says_why_not(api: KubernetesApi) -> None:
    with pytest.raises(KubernetesRejected, match=r"Could not list PersistentVolumes: .* 400 BadRequest: .*continue"):
        await api.request(replace(LIST, query={"continue": "no token"}, compact=True))


async def test_the_advice_on_a_refused_read_takes_it_for_no_write(api: KubernetesApi, cluster: Cluster) -> None:
    cluster.proxy.fail("GET", status=400)
    with pytest.raises(KubernetesRejected) as caught:
        await api.request(READ)
    first, *others = caught.value.advice.split(". ")
    assert "reason" in first
    assert not any(cause in first for cause in ("polic", "annotations"))
    assert all(other.startswith("A write") for other in others)


async def test_a_compressed_answer_is_inflated() -> None:
    async with answering(partial(compressed, gzip.compress(b"a long list"))) as api:
        assert await api.request(replace(LIST, compact=True)) == b"a long list"


async def test_a_damaged_compressed_answer_is_unavailable() -> None:
    async with answering(partial(compressed, b"a long list")) as api:
        with pytest.raises(KubernetesUnavailable, match="Could not list PersistentVolumes"):
            await api.request(replace(LIST, compact=True))


async def test_an_unreachable_server_is_unavailable_without_the_token() -> None:
    api = await connect(plain(1), {}, TIMEOUT)
    with pytest.raises(
        KubernetesUnavailable, match=r"connection to the API server failed \(127.0.0.1:1: connection refused\)"
    ) as caught:
        await api.request(LIST)
    assert not shows_token(caught.value)
    await api.close()


async def test_a_host_that_has_no_address_is_told() -> None:
    api = await connect(plain(1, "nowhere.invalid"), {}, TIMEOUT)
    with pytest.raises(KubernetesUnavailable, match=r"no address is known for nowhere\.invalid"):
        await api.request(LIST)
    await api.close()


async def compressed(body: bytes, request: web.Request) -> web.Response:
    """Return a response with this body, after a check that gzip was asked for."""
    assert request.headers["Accept-Encoding"] == "gzip"
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[KubernetesApi]:
    """Yield a connection to a server that answers every request like this."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = await connect(plain(runner.addresses[0][1]), {}, TIMEOUT)
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()


def plain(port: int, host: str = "127.0.0.1") -> dict[str, object]:
    """Return a kubeconfig for a server, with the token."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": f"http://{host}:{port}"}}],
        "users": [{"name": "it", "user": {"token": TOKEN}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }


def shows_token(error: BaseException | None) -> bool:
    """Return whether the error, or one that it came from and that is shown with it, holds the token."""
    while error is not None:
        if TOKEN in f"{error!r} {error}":
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False

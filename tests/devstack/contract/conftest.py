"""Each contract test runs on the embedded server, on the simulated one and, where its binaries are built, on the real one."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes, RealKubernetes
from tests.devstack.contract.api import EVENTS, NO_RIGHTS, PVS, VOLUME_ATTACHMENTS, Api, Session, session_for
from tests.simulation.api_server import SimulatedKubernetes
from tests.simulation.api_server.session import SimulatedSession

Server = EmbeddedKubernetes | SimulatedKubernetes | RealKubernetes


@pytest.fixture(scope="session")
async def embedded() -> AsyncIterator[EmbeddedKubernetes]:
    async with EmbeddedKubernetes.start() as kube:
        yield kube


@pytest.fixture(scope="session")
async def real(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealKubernetes]:
    users = {"admin": ["system:masters"], NO_RIGHTS: []}
    # NB: the watch cache outlives compactions in etcd; what the tests of expiry list and watch is served without it.
    uncached = "--watch-cache-sizes=volumeattachments.storage.k8s.io#0"
    async with RealKubernetes.start(assets, tmp_path_factory.mktemp("kubernetes"), users, [uncached]) as kube:
        yield kube


@pytest.fixture(scope="session")
async def simulated() -> SimulatedKubernetes:
    return SimulatedKubernetes(random.Random(7), lambda: datetime.now(UTC), [])  # noqa: S311 - the same uids in every run


@pytest.fixture(scope="session", params=["embedded", "simulated", "real"])
def server(request: pytest.FixtureRequest) -> Server:
    kube: Server = request.getfixturevalue(request.param)
    return kube


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    """The server, without the objects of the tests before."""
    async with AsyncExitStack() as stack:
        api = Api(await _session(server, stack))
        for path in (PVS, VOLUME_ATTACHMENTS, EVENTS):
            for name in (await api.get(path)).names:
                await api.send("DELETE", f"{path}/{name}")
        yield api


async def _session(server: Server, stack: AsyncExitStack) -> Session:
    if isinstance(server, SimulatedKubernetes):
        return SimulatedSession(server)
    return await stack.enter_async_context(session_for(ApiServer.of(server.kubeconfig())))


@pytest.fixture
def compact(server: Server) -> Callable[[], Awaitable[None]]:
    """A function that makes the server forget its history."""

    async def forget() -> None:
        if isinstance(server, RealKubernetes):
            await _compact_etcd(server.etcd_url)
        else:
            server.compact()

    return forget


async def _compact_etcd(url: str) -> None:
    async with aiohttp.ClientSession(url) as etcd:
        async with etcd.post("/v3/kv/range", json={"key": "Lw=="}) as answer:
            revision = (await answer.json())["header"]["revision"]
        async with etcd.post("/v3/kv/compaction", json={"revision": revision, "physical": True}) as answer:
            assert answer.status == 200, await answer.text()

"""Each contract test runs on the embedded server and, where its binaries are built, on the real one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes, RealKubernetes
from tests.devstack.contract.api import EVENTS, NO_RIGHTS, PVS, VOLUME_ATTACHMENTS, Api, session_for


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


@pytest.fixture(scope="session", params=["embedded", "real"])
def server(request: pytest.FixtureRequest) -> EmbeddedKubernetes | RealKubernetes:
    kube: EmbeddedKubernetes | RealKubernetes = request.getfixturevalue(request.param)
    return kube


@pytest.fixture
async def api(server: EmbeddedKubernetes | RealKubernetes) -> AsyncIterator[Api]:
    """The server, without the objects of the tests before."""
    async with session_for(ApiServer.of(server.kubeconfig())) as session:
        api = Api(session)
        for path in (PVS, VOLUME_ATTACHMENTS, EVENTS):
            for name in (await api.get(path)).names:
                await api.send("DELETE", f"{path}/{name}")
        yield api


@pytest.fixture
def compact(server: EmbeddedKubernetes | RealKubernetes) -> Callable[[], Awaitable[None]]:
    """A function that makes the server forget its history."""

    async def forget() -> None:
        if isinstance(server, EmbeddedKubernetes):
            server.compact()
        else:
            await _compact_etcd(server.etcd_url)

    return forget


async def _compact_etcd(url: str) -> None:
    async with aiohttp.ClientSession(url) as etcd:
        async with etcd.post("/v3/kv/range", json={"key": "Lw=="}) as answer:
            revision = (await answer.json())["header"]["revision"]
        async with etcd.post("/v3/kv/compaction", json={"revision": revision, "physical": True}) as answer:
            assert answer.status == 200, await answer.text()

"""The embedded API server beyond the contract: seeding, a bounded history, and its honesty about itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes
from tests.devstack.contract.api import OWNER, PVS, Api, add, at, event_body, pv_body, session_for


@pytest.fixture
async def kube() -> AsyncIterator[EmbeddedKubernetes]:
    async with EmbeddedKubernetes.start(history=3) as running:
        yield running


@pytest.fixture
async def api(kube: EmbeddedKubernetes) -> AsyncIterator[Api]:
    async with session_for(ApiServer.of(kube.kubeconfig())) as session:
        yield Api(session)


async def test_it_says_that_it_is_for_development(kube: EmbeddedKubernetes, api: Api) -> None:
    assert "development" in (await api.get("/version")).body["gitVersion"]
    assert kube.url.startswith("http://127.0.0.1:")


async def test_what_is_seeded_is_listed(kube: EmbeddedKubernetes, api: Api) -> None:
    kube.seed(pv_body(f"pv-{n:04}", owner="a") for n in range(3000))
    first = await api.get(PVS, limit="500")
    assert first.names == [f"pv-{n:04}" for n in range(500)]
    assert first.metadata["remainingItemCount"] == 2500


async def test_a_seeded_object_is_one_like_any_other(kube: EmbeddedKubernetes, api: Api) -> None:
    kube.seed([pv_body("pv-1", owner="a"), event_body("event-1")])
    answer = await api.patch(f"{PVS}/pv-1", add(at(OWNER), "b"))
    assert answer.metadata["annotations"] == {OWNER: "b"}
    assert (await api.get("/apis/events.k8s.io/v1/events")).names == ["event-1"]


async def test_history_reaches_back_as_far_as_told(api: Api) -> None:
    pvs = [await api.new_pv() for _ in range(5)]
    assert len(await api.events(PVS, resourceVersion=pvs[1].revision)) == 3
    assert (await api.events(PVS, resourceVersion=pvs[0].revision))[0]["object"]["code"] == 410


async def test_a_revision_of_a_server_before_has_expired(api: Api) -> None:
    assert (await api.events(PVS, resourceVersion="1"))[0]["object"]["code"] == 410


async def test_open_watches_end_with_the_server() -> None:
    async with aiohttp.ClientSession() as session:
        async with EmbeddedKubernetes.start() as kube:
            answer = await session.get(kube.url + PVS, params={"watch": "true"})
        assert await answer.read() == b""


async def test_a_label_selector_is_refused_and_not_ignored(api: Api) -> None:
    assert (await api.get(PVS, labelSelector="a=b")).refusal() == (400, "BadRequest")


async def test_a_verb_that_is_not_served_is_refused(api: Api) -> None:
    assert (await api.send("PUT", f"{PVS}/any", pv_body("any"))).refusal() == (405, "MethodNotAllowed")


async def test_its_kubeconfig_leads_to_it(kube: EmbeddedKubernetes, tmp_path: Path) -> None:
    written = yaml.safe_load(kube.write_kubeconfig(tmp_path / "config").read_text())
    assert ApiServer.of(written) == ApiServer(kube.url)

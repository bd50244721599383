"""Create, get and delete, of each resource that Mooring or its tests touch."""

from typing import Any

import pytest

from tests.devstack.contract.api import EVENTS, PVS, VOLUME_ATTACHMENTS, Api, add, event_body, pv_body, volume_attachment

CSI_NODES = "/apis/storage.k8s.io/v1/csinodes"
NODES = "/api/v1/nodes"


def node() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}}


def csi_node() -> dict[str, Any]:
    spec = {"drivers": [{"name": "rds.csi.srvlab.io", "nodeID": "node-a", "topologyKeys": []}]}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "node-a"}, "spec": spec}


OBJECTS = [
    (PVS, pv_body("an-object")),
    (NODES, node()),
    (CSI_NODES, csi_node()),
    (VOLUME_ATTACHMENTS, volume_attachment("an-object")),
    (EVENTS, event_body("an-object")),
]


@pytest.mark.parametrize(("path", "body"), OBJECTS, ids=[path for path, _ in OBJECTS])
async def test_an_object_lives_from_its_creation_to_its_deletion(api: Api, path: str, body: dict[str, Any]) -> None:
    one = f"{path}/{body['metadata']['name']}"
    created = await api.create(path, body)
    assert created.code == 201
    assert (await api.create(path, body)).refusal() == (409, "AlreadyExists")
    found = await api.get(one)
    assert found.body == created.body
    assert (found.body["kind"], found.body["apiVersion"]) == (body["kind"], body["apiVersion"])
    assert found.metadata["creationTimestamp"].endswith("Z")
    assert (await api.send("DELETE", one)).code == 200
    assert (await api.get(one)).refusal() == (404, "NotFound")
    assert (await api.send("DELETE", one)).refusal() == (404, "NotFound")


async def test_a_volume_attachment_that_is_not_there_is_named_with_its_group(api: Api) -> None:
    answer = await api.get(f"{VOLUME_ATTACHMENTS}/absent")
    assert answer.body["message"] == 'volumeattachments.storage.k8s.io "absent" not found'
    assert answer.body["details"] == {"name": "absent", "group": "storage.k8s.io", "kind": "volumeattachments"}


async def test_an_object_needs_a_name(api: Api) -> None:
    assert (await api.create(PVS, {**pv_body("x"), "metadata": {}})).refusal() == (422, "Invalid")


async def test_an_object_of_another_kind_is_a_bad_request(api: Api) -> None:
    assert (await api.create(PVS, node())).refusal() == (400, "BadRequest")


async def test_a_body_that_is_no_json_object_is_a_bad_request(api: Api) -> None:
    assert (await api.create(PVS, "a string")).refusal() == (400, "BadRequest")


async def test_a_body_in_an_unknown_format_is_an_unsupported_media_type(api: Api) -> None:
    assert (await api.send("POST", PVS, pv_body("x"), "text/plain")).refusal() == (415, "UnsupportedMediaType")


async def test_a_resource_version_is_not_set_at_creation(api: Api) -> None:
    body = {**pv_body("x"), "metadata": {"name": "x", "resourceVersion": "5"}}
    assert (await api.create(PVS, body)).code == 500


async def test_a_dry_run_creates_nothing(api: Api) -> None:
    assert (await api.create(PVS, pv_body("dry"), dryRun="All")).code == 201
    assert (await api.get(f"{PVS}/dry")).code == 404


async def test_a_dry_run_deletes_nothing(api: Api) -> None:
    pv = await api.new_pv()
    assert (await api.send("DELETE", pv.path, dryRun="All")).code == 200
    assert (await api.get(pv.path)).code == 200


async def test_an_unknown_resource_is_not_found(api: Api) -> None:
    assert (await api.get("/api/v1/unknown")).code == 404


@pytest.mark.parametrize("field", ["eventTime", "reportingController", "reportingInstance", "action", "reason", "type"])
async def test_an_event_needs_its_fields(api: Api, field: str) -> None:
    body = {key: value for key, value in event_body("incomplete").items() if key != field}
    answer = await api.create(EVENTS, body)
    assert answer.refusal() == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == field


async def test_an_event_belongs_to_the_namespace_of_its_path(api: Api) -> None:
    body = {**event_body("astray"), "metadata": {"name": "astray", "namespace": "elsewhere"}}
    assert (await api.create(EVENTS, body)).refusal() == (400, "BadRequest")


async def test_an_event_is_told_once_more_by_a_merge_patch(api: Api) -> None:
    created = await api.create(EVENTS, event_body("series"))
    series = {"count": 2, "lastObservedTime": "2026-01-31T04:00:42.123456Z"}
    answer = await api.merge(f"{EVENTS}/{created.metadata['name']}", {"series": series})
    assert answer.body["series"] == series


async def test_an_event_is_told_once_more_by_a_json_patch(api: Api) -> None:
    created = await api.create(EVENTS, event_body("series"))
    for count in (2, 3):
        series = {"count": count, "lastObservedTime": "2026-01-31T04:00:42.123456Z"}
        answer = await api.patch(f"{EVENTS}/{created.metadata['name']}", add("/series", series))
        assert answer.body["series"] == series


@pytest.mark.parametrize("field", ["note", "reason", "action", "type", "reportingInstance"])
async def test_what_an_event_says_never_changes(api: Api, field: str) -> None:
    await api.create(EVENTS, event_body("said"))
    assert (await api.patch(f"{EVENTS}/said", add(f"/{field}", "Warning"))).refusal() == (422, "Invalid")


async def test_an_event_that_is_not_there_is_not_told_once_more(api: Api) -> None:
    series = {"count": 2, "lastObservedTime": "2026-01-31T04:00:42.123456Z"}
    assert (await api.patch(f"{EVENTS}/absent", add("/series", series))).refusal() == (404, "NotFound")


async def test_an_event_about_a_cluster_wide_object_is_in_no_other_namespace_than_default(api: Api) -> None:
    answer = await api.create(EVENTS.replace("default", "kube-public"), event_body("astray"))
    assert answer.refusal() == (422, "Invalid")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_server_says_that_it_is_well(api: Api, path: str) -> None:
    assert await api.text(path) == "ok"


async def test_a_server_says_its_version(api: Api) -> None:
    assert (await api.get("/version")).body["major"] == "1"

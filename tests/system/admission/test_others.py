"""Nobody but Mooring writes the record, and whoever writes anything else isn't disturbed."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from mooring.records.keys import Keys
from tests.devstack.contract.api import PVS, Answer, Api, add, at, remove
from tests.system.admission.conftest import DRIVER, annotated, pv

RECORD = dict.fromkeys(astuple(Keys.of(DRIVER)), "1")


@pytest.fixture
async def recorded(mooring_account: Api, admin: Api, name: str) -> str:
    """The path of a PV with a whole record."""
    await admin.create(PVS, pv(name))
    path = f"{PVS}/{name}"
    assert (await mooring_account.merge(path, {"metadata": {"annotations": RECORD}})).code == 200
    return path


async def unchanged(admin: Api, path: str) -> bool:
    annotations = (await admin.get(path)).metadata["annotations"]
    return {key: annotations.get(key) for key in RECORD} == RECORD


def refusal_of(answer: Answer, key: str) -> bool:
    assert answer.refusal() == (403, "Forbidden")
    return f"admin may not write {key}: Mooring alone" in answer.body["message"]


@pytest.mark.parametrize("key", RECORD)
async def test_no_annotation_of_the_record_is_added(admin: Api, name: str, key: str) -> None:
    await admin.create(PVS, pv(name))

    assert refusal_of(await admin.merge(f"{PVS}/{name}", {"metadata": {"annotations": {key: "1"}}}), key)


@pytest.mark.parametrize("key", RECORD)
async def test_none_is_changed(admin: Api, recorded: str, key: str) -> None:
    assert refusal_of(await admin.patch(recorded, add(at(key), "2")), key)
    assert await unchanged(admin, recorded)


@pytest.mark.parametrize("key", RECORD)
async def test_none_is_removed(admin: Api, recorded: str, key: str) -> None:
    assert refusal_of(await admin.patch(recorded, remove(at(key))), key)
    assert await unchanged(admin, recorded)


async def test_the_whole_record_is_not_removed_with_all_annotations(admin: Api, recorded: str) -> None:
    assert refusal_of(await admin.patch(recorded, remove("/metadata/annotations")), ", ".join(RECORD))


async def test_the_status_is_no_way_round(admin: Api, recorded: str) -> None:
    assert refusal_of(await admin.merge(f"{recorded}/status", annotated(attached_node="node-b")), f"{DRIVER}/attached-node")
    assert await unchanged(admin, recorded)


async def test_no_pv_is_created_with_a_record(admin: Api, name: str) -> None:
    answer = await admin.create(PVS, pv(name, {f"{DRIVER}/attachment-epoch": "7"}))

    assert refusal_of(answer, f"{DRIVER}/attachment-epoch")
    assert (await admin.get(f"{PVS}/{name}")).code == 404


async def test_the_refusal_says_why_and_what_to_do(admin: Api, recorded: str, name: str) -> None:
    answer = await admin.merge(recorded, annotated(attached_node=None, attached_at=None))

    assert answer.body["message"] == (
        f"persistentvolumes \"{name}\" is forbidden: ValidatingAdmissionPolicy 'mooring' with binding 'mooring' denied request: "
        f"PersistentVolume {name} is not changed: admin may not write {DRIVER}/attached-node, {DRIVER}/attached-at: Mooring alone "
        f"(system:serviceaccount:mooring:mooring) records who holds volume {name}, or two nodes may get it. "
        'Use "mooring unpublish"; to create the PersistentVolume, leave these annotations out. Where the record itself is wrong, '
        "detach the volume from every node and repeat the command with --as=admin --as-group=mooring:break-glass."
    )


async def test_what_else_a_pv_has_is_everybodys(admin: Api, recorded: str) -> None:
    found = (await admin.get(recorded)).body
    found["metadata"]["labels"] = {"a": "b"}
    found["metadata"]["finalizers"] = ["kubernetes.io/pv-protection"]
    found["metadata"]["annotations"]["example.com/note"] = "new"
    found["spec"]["persistentVolumeReclaimPolicy"] = "Delete"

    assert (await admin.send("PUT", recorded, found)).code == 200
    assert (await admin.merge(f"{recorded}/status", {"status": {"phase": "Available"}})).code == 200
    assert (await admin.merge(recorded, {"metadata": {"finalizers": None}})).code == 200
    assert await unchanged(admin, recorded)


async def test_a_pv_with_a_record_is_deleted_as_ever(admin: Api, recorded: str) -> None:
    assert (await admin.send("DELETE", recorded)).code == 200
    assert (await admin.get(recorded)).code == 404


async def test_other_drivers_keep_records_as_they_like(admin: Api, name: str) -> None:
    created = await admin.create(PVS, pv(name, {"other.csi.test/attached-node": "node-a"}, driver="other.csi.test"))
    changed = await admin.merge(f"{PVS}/{name}", {"metadata": {"annotations": {"other.csi.test/attached-node": None}}})

    assert (created.code, changed.code) == (201, 200)


async def test_a_pv_of_no_csi_driver_is_nobodys_business(admin: Api, name: str) -> None:
    body = pv(name)
    body["spec"] = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}

    created = await admin.create(PVS, body)
    changed = await admin.merge(f"{PVS}/{name}", {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}})

    assert (created.code, changed.code) == (201, 200)

"""JSON patch as compare-and-set: the ground of the fence."""

import asyncio
from typing import Any

import pytest

from tests.devstack.contract.api import OWNER, PVS, Api, add, at, check, pv_body, remove

REFUSED = "the server rejected our request due to an error in our request"


async def test_a_passed_test_lets_the_patch_write(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch(check("/metadata/uid", pv.uid), check(at(OWNER), "a"), add(at(OWNER), "b"))
    assert answer.code == 200
    assert answer.metadata["annotations"] == {OWNER: "b"}
    assert int(answer.metadata["resourceVersion"]) > int(pv.revision)


@pytest.mark.parametrize(
    "operation",
    [
        check("/metadata/uid", "another"),
        check(at(OWNER), "b"),
        check(at(OWNER), None),
        check(at("example.com/absent"), "a"),
        check("/metadata/annotations", None),
        check("/metadata/labels/absent", None),
        remove(at("example.com/absent")),
        {"op": "replace", "path": "/metadata/labels/absent", "value": "a"},
        add("/metadata/labels/new", "a"),
        {"op": "twist", "path": at(OWNER), "value": "a"},
    ],
    ids=str,
)
async def test_a_refused_patch_leaves_the_pv_untouched(api: Api, operation: dict[str, Any]) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch(add(at("example.com/before"), "b"), operation, add(at("example.com/after"), "b"))
    assert answer.refusal() == (422, "Invalid")
    assert answer.body["message"] == REFUSED
    after = await api.get(pv.path)
    assert (after.metadata["resourceVersion"], after.metadata["annotations"]) == (pv.revision, {OWNER: "a"})


async def test_a_null_test_passes_where_the_annotation_is_absent(api: Api) -> None:
    pv = await api.new_pv(other="x")
    answer = await pv.patch(check(at(OWNER), None), add(at(OWNER), "a"))
    assert answer.metadata["annotations"] == {OWNER: "a", "example.com/other": "x"}


async def test_a_null_test_on_an_annotation_is_refused_where_there_are_no_annotations(api: Api) -> None:
    pv = await api.new_pv()
    assert (await pv.patch(check(at(OWNER), None))).refusal() == (422, "Invalid")


async def test_an_annotation_is_not_added_where_there_are_none(api: Api) -> None:
    pv = await api.new_pv()
    assert (await pv.patch(add(at(OWNER), "a"))).refusal() == (422, "Invalid")


async def test_absent_annotations_are_tested_null_and_added_whole(api: Api) -> None:
    pv = await api.new_pv()
    answer = await pv.patch(check("/metadata/annotations", None), add("/metadata/annotations", {OWNER: "a"}))
    assert answer.metadata["annotations"] == {OWNER: "a"}


async def test_annotations_emptied_one_by_one_are_absent_again(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch(remove(at(OWNER)))
    assert "annotations" not in answer.metadata


async def test_a_patch_that_changes_nothing_keeps_the_resource_version(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch(check(at(OWNER), "a"), add(at(OWNER), "a"))
    assert answer.code == 200
    assert answer.metadata["resourceVersion"] == pv.revision


async def test_of_fifty_writers_with_one_epoch_one_wins(api: Api) -> None:
    pv = await api.new_pv(epoch="1")
    epoch = at("example.com/epoch")
    answers = await asyncio.gather(*(pv.patch(check(epoch, "1"), add(epoch, "2"), add(at(OWNER), str(n))) for n in range(50)))
    winners = [answer for answer in answers if answer.code == 200]
    assert len(winners) == 1
    assert {answer.refusal() for answer in answers if answer.code != 200} == {(422, "Invalid")}
    assert (await pv.annotations())[OWNER] == winners[0].metadata["annotations"][OWNER]


async def test_unrelated_writers_disturb_no_one(api: Api) -> None:
    pv = await api.new_pv(epoch="1")
    unrelated = (pv.patch(add(at(f"example.com/n{n}"), "x")) for n in range(49))
    fenced = pv.patch(check(at("example.com/epoch"), "1"), add(at("example.com/epoch"), "2"))
    answers = await asyncio.gather(*unrelated, fenced)
    assert [answer.code for answer in answers] == [200] * 50
    assert len(await pv.annotations()) == 50


async def test_a_pv_that_is_not_there_is_not_found(api: Api) -> None:
    answer = await api.patch(f"{PVS}/absent", check("/metadata/uid", "x"))
    assert answer.refusal() == (404, "NotFound")
    assert answer.body["message"] == 'persistentvolumes "absent" not found'
    assert answer.body["details"] == {"name": "absent", "kind": "persistentvolumes"}


async def test_the_uid_tells_a_pv_from_its_namesake(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    await api.send("DELETE", pv.path)
    await api.create(PVS, pv_body(pv.name))
    assert (await pv.patch(check("/metadata/uid", pv.uid), add("/metadata/annotations", {}))).refusal() == (422, "Invalid")


async def test_an_annotation_that_is_no_string_is_invalid(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    assert (await pv.patch(add(at(OWNER), 7))).refusal() == (422, "Invalid")


async def test_a_uid_can_not_be_patched(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch(add("/metadata/uid", "another"))
    assert answer.refusal() == (422, "Invalid")
    assert answer.body["message"].endswith('metadata.uid: Invalid value: "another": field is immutable')


async def test_a_name_can_not_be_patched(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    assert (await pv.patch(add("/metadata/name", "another"))).refusal() == (400, "BadRequest")


async def test_an_annotation_needs_a_qualified_name(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch(add(at("not a name"), "x"))
    assert answer.refusal() == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "metadata.annotations"


async def test_annotations_hold_256_kilobytes(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    room = 256 * 1024 - len(OWNER)
    assert (await pv.patch(add(at(OWNER), "x" * (room + 1)))).refusal() == (422, "Invalid")
    assert (await pv.patch(add(at(OWNER), "x" * room))).code == 200


async def test_replace_sets_an_absent_annotation(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch({"op": "replace", "path": at("example.com/new"), "value": "x"})
    assert answer.metadata["annotations"] == {OWNER: "a", "example.com/new": "x"}


async def test_a_patched_resource_version_is_a_precondition(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    await pv.patch(add(at(OWNER), "b"))
    answer = await pv.patch(add("/metadata/resourceVersion", pv.revision), add(at(OWNER), "c"))
    assert answer.refusal() == (409, "Conflict")


async def test_a_dry_run_answers_and_writes_nothing(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    answer = await pv.patch(check(at(OWNER), "a"), add(at(OWNER), "b"), dryRun="All")
    assert answer.code == 200
    assert answer.metadata["annotations"] == {OWNER: "b"}
    assert answer.metadata["resourceVersion"] == pv.revision
    assert (await pv.annotations()) == {OWNER: "a"}


async def test_a_refused_dry_run_is_refused_alike(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    assert (await pv.patch(check(at(OWNER), "b"), dryRun="All")).refusal() == (422, "Invalid")


async def test_an_unknown_dry_run_is_refused(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    assert (await pv.patch(add(at(OWNER), "b"), dryRun="Some")).refusal() == (422, "Invalid")


async def test_a_body_that_is_no_patch_is_a_bad_request(api: Api) -> None:
    pv = await api.new_pv()
    answer = await api.send("PATCH", pv.path, {"op": "add"}, "application/json-patch+json")
    assert answer.refusal() == (400, "BadRequest")


async def test_an_unknown_format_is_an_unsupported_media_type(api: Api) -> None:
    pv = await api.new_pv()
    answer = await api.send("PATCH", pv.path, {}, "application/x-unknown")
    assert answer.refusal() == (415, "UnsupportedMediaType")

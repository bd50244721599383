"""Merge patch, with and without a resourceVersion to compare with."""

import asyncio
from typing import Any

from tests.devstack.contract.api import OWNER, Api


def owned_by(owner: str | None, revision: str | None = None) -> dict[str, Any]:
    precondition = {} if revision is None else {"resourceVersion": revision}
    return {"metadata": {**precondition, "annotations": {OWNER: owner}}}


async def test_a_merge_patch_sets_and_removes(api: Api) -> None:
    pv = await api.new_pv(other="x")
    assert (await api.merge(pv.path, owned_by("a"))).metadata["annotations"] == {OWNER: "a", "example.com/other": "x"}
    assert (await api.merge(pv.path, owned_by(None))).metadata["annotations"] == {"example.com/other": "x"}


async def test_a_merge_patch_makes_absent_annotations(api: Api) -> None:
    pv = await api.new_pv()
    assert (await api.merge(pv.path, owned_by("a"))).metadata["annotations"] == {OWNER: "a"}


async def test_another_resource_version_is_a_conflict(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    await api.merge(pv.path, owned_by("b"))
    answer = await api.merge(pv.path, owned_by("c", pv.revision))
    assert answer.refusal() == (409, "Conflict")
    assert answer.body["details"] == {"name": pv.name, "kind": "persistentvolumes"}
    assert answer.body["message"] == (
        f'Operation cannot be fulfilled on persistentvolumes "{pv.name}": '
        "the object has been modified; please apply your changes to the latest version and try again"
    )


async def test_of_fifty_writers_with_one_resource_version_one_wins(api: Api) -> None:
    pv = await api.new_pv()
    answers = await asyncio.gather(*(api.merge(pv.path, owned_by(str(n), pv.revision)) for n in range(50)))
    assert sorted(answer.code for answer in answers) == [200] + [409] * 49


async def test_writers_without_a_resource_version_all_win(api: Api) -> None:
    pv = await api.new_pv()
    answers = await asyncio.gather(*(api.merge(pv.path, owned_by(str(n))) for n in range(50)))
    assert {answer.code for answer in answers} == {200}

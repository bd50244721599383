"""Lists: order, pages, and the answer to a page after a compaction."""

from collections.abc import Awaitable, Callable

import pytest

from tests.devstack.contract.api import PVS, VOLUME_ATTACHMENTS, Answer, Api, volume_attachment

Compact = Callable[[], Awaitable[None]]


async def pages(api: Api, path: str, limit: int) -> list[Answer]:
    found = [await api.get(path, limit=str(limit))]
    while token := found[-1].metadata.get("continue"):
        found.append(await api.get(path, **{"limit": str(limit), "continue": token}))
    return found


async def test_a_list_is_sorted_by_name(api: Api) -> None:
    made = sorted([(await api.new_pv()).name for _ in range(5)])
    assert (await api.get(PVS)).names == made


async def test_pages_make_up_the_whole_list(api: Api) -> None:
    made = sorted([(await api.new_pv()).name for _ in range(5)])
    found = await pages(api, PVS, 2)
    assert [page.names for page in found] == [made[:2], made[2:4], made[4:]]
    assert [page.metadata.get("remainingItemCount") for page in found] == [3, 1, None]


async def test_pages_show_the_objects_as_they_were_at_the_first(api: Api) -> None:
    made = sorted([(await api.new_pv()).name for _ in range(4)])
    first = await api.get(PVS, limit="2")
    await api.send("DELETE", f"{PVS}/{made[3]}")
    await api.new_pv()
    second = await api.get(PVS, **{"limit": "2", "continue": first.metadata["continue"]})
    assert second.names == made[2:]
    assert second.metadata["resourceVersion"] == first.metadata["resourceVersion"]


async def test_a_page_of_a_forgotten_list_has_expired(api: Api, compact: Compact) -> None:
    for name in ("one", "two", "three"):
        await api.create(VOLUME_ATTACHMENTS, volume_attachment(name))
    first = await api.get(VOLUME_ATTACHMENTS, limit="1")
    await api.create(VOLUME_ATTACHMENTS, volume_attachment("four"))
    await compact()
    answer = await api.get(VOLUME_ATTACHMENTS, **{"limit": "1", "continue": first.metadata["continue"]})
    assert answer.refusal() == (410, "Expired")
    assert answer.body["message"].startswith("The provided continue parameter is too old to display a consistent list result.")


async def test_a_list_by_name_finds_one(api: Api) -> None:
    wanted, _ = await api.new_pv(), await api.new_pv()
    assert (await api.get(PVS, fieldSelector=f"metadata.name={wanted.name}")).names == [wanted.name]


async def test_a_list_by_another_field_is_refused(api: Api) -> None:
    answer = await api.get(PVS, fieldSelector="spec.csi.volumeHandle=x")
    assert answer.refusal() == (400, "BadRequest")


async def test_a_list_from_any_revision_has_all(api: Api) -> None:
    """NB: it may be stale, so the objects were there before the server was asked the first time."""
    made = await api.new_pv()
    await api.get(PVS)
    assert (await api.get(PVS, resourceVersion="0")).names == [made.name]


async def test_a_list_from_a_revision_to_come_times_out(api: Api) -> None:
    answer = await api.get(PVS, resourceVersion="99999999999")
    assert answer.refusal() == (504, "Timeout")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_the_items_of_a_list_do_not_say_their_kind(api: Api) -> None:
    await api.new_pv()
    listed = (await api.get(PVS)).body
    assert (listed["kind"], listed["apiVersion"]) == ("PersistentVolumeList", "v1")
    assert not {"kind", "apiVersion"} & set(listed["items"][0])


@pytest.mark.parametrize("token", ["!!", "bm90IGEgdG9rZW4="])
async def test_a_token_that_is_none_is_a_bad_request(api: Api, token: str) -> None:
    assert (await api.get(PVS, **{"continue": token})).refusal() == (400, "BadRequest")


async def test_a_page_has_the_revision_of_its_list(api: Api) -> None:
    answer = await api.get(PVS, **{"continue": "x", "resourceVersion": "1"})
    assert answer.refusal() == (400, "BadRequest")

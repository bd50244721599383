"""Watches: order, where they begin, bookmarks, and the answer to a watch from a forgotten past."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.devstack.contract.api import OWNER, PVS, VOLUME_ATTACHMENTS, Api, add, at, pv_body, volume_attachment

Compact = Callable[[], Awaitable[None]]
INITIAL = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
ENDS = "k8s.io/initial-events-end"


def told(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


async def test_a_watch_tells_what_came_after_its_revision_in_order(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    await pv.patch(add(at(OWNER), "b"))
    other = await api.new_pv()
    await api.send("DELETE", pv.path)
    events = await api.events(PVS, resourceVersion=pv.revision)
    assert told(events) == [("MODIFIED", pv.name), ("ADDED", other.name), ("DELETED", pv.name)]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert revisions == sorted(set(revisions))


async def test_a_watch_tells_what_happens_while_it_is_open(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    watch = api.watch(PVS, resourceVersion=pv.revision, timeoutSeconds="10")
    await pv.patch(add(at(OWNER), "b"))
    first = await anext(watch)
    assert (first["type"], first["object"]["metadata"]["annotations"]) == ("MODIFIED", {OWNER: "b"})
    await pv.patch(add(at(OWNER), "c"))
    second = await anext(watch)
    assert second["object"]["metadata"]["annotations"] == {OWNER: "c"}
    await watch.aclose()


async def test_an_event_says_the_kind_of_its_object(api: Api) -> None:
    pv = await api.new_pv()
    watched = (await api.events(PVS))[0]["object"]
    assert (watched["kind"], watched["apiVersion"], watched["metadata"]["uid"]) == ("PersistentVolume", "v1", pv.uid)


async def test_a_patch_that_changes_nothing_tells_nothing(api: Api) -> None:
    pv = await api.new_pv(owner="a")
    await pv.patch(add(at(OWNER), "a"))
    assert await api.events(PVS, resourceVersion=pv.revision) == []


async def test_a_watch_without_a_revision_begins_with_all_there_is(api: Api) -> None:
    names = sorted([(await api.new_pv()).name for _ in range(3)])
    assert told(await api.events(PVS)) == [("ADDED", name) for name in names]


async def test_a_watch_without_initial_events_begins_with_what_comes_next(api: Api) -> None:
    await api.new_pv()
    assert await api.events(PVS, sendInitialEvents="false", resourceVersionMatch="NotOlderThan") == []


async def test_initial_events_end_with_a_bookmark_and_changes_follow(api: Api) -> None:
    names = sorted([(await api.new_pv()).name for _ in range(3)])
    watch = api.watch(PVS, allowWatchBookmarks="true", timeoutSeconds="10", **INITIAL)
    begin = [await anext(watch) for _ in range(4)]
    assert told(begin[:3]) == [("ADDED", name) for name in names]
    assert begin[3]["type"] == "BOOKMARK"
    assert begin[3]["object"]["metadata"]["annotations"] == {ENDS: "true"}
    after = await api.new_pv()
    assert told([await anext(watch)]) == [("ADDED", after.name)]
    await watch.aclose()


async def test_initial_events_of_nothing_end_with_a_bookmark_too(api: Api) -> None:
    watch = api.watch(PVS, allowWatchBookmarks="true", timeoutSeconds="10", **INITIAL)
    assert (await anext(watch))["object"]["metadata"]["annotations"] == {ENDS: "true"}
    await watch.aclose()


async def test_a_watch_goes_on_from_the_bookmark(api: Api) -> None:
    await api.new_pv()
    watch = api.watch(PVS, allowWatchBookmarks="true", timeoutSeconds="10", **INITIAL)
    bookmark = [await anext(watch) for _ in range(2)][-1]
    await watch.aclose()
    after = await api.new_pv()
    assert told(await api.events(PVS, resourceVersion=bookmark["object"]["metadata"]["resourceVersion"])) == [("ADDED", after.name)]


async def test_a_quiet_watch_gets_nothing_but_bookmarks_and_maybe_none(api: Api) -> None:
    """NB: a real server promises no bookmark beyond the one that ends the initial events."""
    pv = await api.new_pv()
    events = await api.events(PVS, resourceVersion=pv.revision, allowWatchBookmarks="true", timeoutSeconds="4")
    assert {event["type"] for event in events} <= {"BOOKMARK"}
    assert all(int(event["object"]["metadata"]["resourceVersion"]) >= int(pv.revision) for event in events)


async def test_without_leave_there_are_no_bookmarks(api: Api) -> None:
    pv = await api.new_pv()
    assert told(await api.events(PVS, **INITIAL)) == [("ADDED", pv.name)]


async def test_a_watch_by_name_tells_of_one(api: Api) -> None:
    wanted, other = await api.new_pv(owner="a"), await api.new_pv(owner="a")
    await other.patch(add(at(OWNER), "b"))
    await wanted.patch(add(at(OWNER), "b"))
    events = await api.events(PVS, resourceVersion=other.revision, fieldSelector=f"metadata.name={wanted.name}")
    assert told(events) == [("MODIFIED", wanted.name)]


async def test_a_pv_and_its_namesake_are_told_apart(api: Api) -> None:
    pv = await api.new_pv()
    await api.send("DELETE", pv.path)
    again = await api.create(PVS, pv_body(pv.name))
    events = await api.events(PVS, resourceVersion=pv.revision)
    assert [(event["type"], event["object"]["metadata"]["uid"]) for event in events] == [
        ("DELETED", pv.uid),
        ("ADDED", again.metadata["uid"]),
    ]


async def test_a_watch_from_a_forgotten_revision_has_expired(api: Api, compact: Compact) -> None:
    first = await api.create(VOLUME_ATTACHMENTS, volume_attachment("first"))
    for name in ("second", "third"):
        await api.create(VOLUME_ATTACHMENTS, volume_attachment(name))
    await compact()
    events = await api.events(VOLUME_ATTACHMENTS, resourceVersion=first.metadata["resourceVersion"])
    assert [event["type"] for event in events] == ["ERROR"]
    status = events[0]["object"]
    assert (status["kind"], status["status"], status["code"], status["reason"]) == ("Status", "Failure", 410, "Expired")


async def test_a_watch_goes_on_after_a_compaction_from_where_it_was(api: Api, compact: Compact) -> None:
    pv = await api.new_pv(owner="a")
    watch = api.watch(PVS, resourceVersion=pv.revision, timeoutSeconds="10")
    await pv.patch(add(at(OWNER), "b"))
    await anext(watch)
    await compact()
    await pv.patch(add(at(OWNER), "c"))
    assert (await anext(watch))["object"]["metadata"]["annotations"] == {OWNER: "c"}
    await watch.aclose()


async def test_initial_events_need_their_match_rule(api: Api) -> None:
    answer = await api.get(PVS, watch="true", sendInitialEvents="true", timeoutSeconds="1")
    assert answer.refusal() == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "resourceVersionMatch"


async def test_a_match_rule_is_for_initial_events(api: Api) -> None:
    answer = await api.get(PVS, watch="true", resourceVersionMatch="NotOlderThan", timeoutSeconds="1")
    assert answer.refusal() == (422, "Invalid")

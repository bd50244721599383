"""What is left at the driver in the end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.campaign.judge import still_attached
from tests.harness.driver.journal import Call, Entry, Event


def story(token: int | None, *events: Event) -> list[Entry]:
    """Return the journal of one call to attach."""
    call = Call(1, "publish", "vol", "node-a", token)
    return [Entry(datetime.now(UTC), event, call) for event in events]


@pytest.mark.parametrize("token", [None, 10])
def test_what_is_attached_in_the_end_is_left(token: int | None) -> None:
    assert still_attached(story(token, "call", "attach")) == {"vol": ["node-a"]}


def test_what_was_detached_is_not() -> None:
    assert still_attached(story(10, "call", "attach", "detach")) == {}


def test_what_nobody_could_fence_is_not_either() -> None:
    assert still_attached(story(None, "call", "late", "attach")) == {}


def test_what_a_token_had_to_fence_is_left() -> None:
    assert still_attached(story(10, "call", "late", "attach")) == {"vol": ["node-a"]}

"""The linear checker, and the judgement by both: a made-up history for each promise, with the promise kept and with it broken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tests.campaign.judge import judge
from tests.campaign.linear import Told, check
from tests.harness.driver.journal import Call, Entry, Event
from tests.simulation.history import PvChange

DRIVER = "made-up.csi.test"
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Story:
    """A history as it is made up, one second after another."""

    changes: list[PvChange] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    tellings: list[Told] = field(default_factory=list)
    seconds: int = 0

    def record(self, epoch: int, *nodes: str, operation: str = "", late: int = 0) -> Story:
        """Have the record name these nodes; the news of it may be late."""
        said = {"attachment-epoch": str(epoch), "attachment-operation": operation or f"run-{epoch}"}
        if nodes:
            said |= {"attached-node": nodes[0], "attachments": json.dumps([{"nodeId": node} for node in nodes])}
        return self._change({f"{DRIVER}/{key}": text for key, text in said.items()}, late)

    def born(self) -> Story:
        """Have a PV without a record."""
        return self._change({}, 0, "ADDED")

    def call(self, rpc: Literal["publish", "unpublish"], node: str, token: int | None, *events: Event) -> Story:
        """Have the driver called, and these events follow."""
        call = Call(len(self.entries) + 1, rpc, "vol", node, token, "SINGLE_NODE_WRITER" if rpc == "publish" else "")
        self.entries += [Entry(self._now(), event, call) for event in ("call", *events)]
        return self

    def told(self, node: str, since: float, until: float) -> Story:
        """Have a caller told so."""
        self.tellings.append(Told("vol", node, since, until))
        return self

    def linear(self) -> list[str]:
        """Return the rules that the linear checker finds broken."""
        return [fault.rule for fault in check(DRIVER, self.changes, self.entries, self.tellings)]

    def both(self) -> list[str]:
        """Return the rules that either finds broken."""
        return [fault.rule for fault in judge(DRIVER, self.changes, self.entries, self.tellings)]

    def _now(self) -> datetime:
        self.seconds += 1
        return BEGIN + timedelta(seconds=self.seconds)

    def _change(self, annotations: dict[str, str], late: int, kind: Literal["ADDED", "MODIFIED"] = "MODIFIED") -> Story:
        metadata: dict[str, Any] = {"name": "pv", "uid": "u1", "annotations": annotations}
        pv = {"metadata": metadata, "spec": {"csi": {"driver": DRIVER, "volumeHandle": "vol"}}}
        self.changes.append(PvChange(self._now().timestamp() + late, kind, pv))
        return self


def published() -> Story:
    """Return a story with a volume on node a."""
    return Story().born().record(1, "a").call("publish", "a", 2, "attach", "answer").told("a", 3, 5)


def moved() -> Story:
    """Return a story in which it went on to node b."""
    story = published().call("unpublish", "a", 3, "detach", "answer").record(2)
    return story.record(3, "b").call("publish", "b", 6, "attach", "answer").told("b", 8, 9)


def test_a_volume_that_goes_from_node_to_node_breaks_nothing() -> None:
    assert moved().both() == []


def test_news_of_a_record_that_are_late_break_nothing() -> None:
    late = Story().born().record(1, "a", late=50).call("publish", "a", 2, "attach").call("unpublish", "a", 3, "detach")
    assert late.record(2, late=50).both() == []


def test_a_straggler_that_the_driver_refuses_breaks_nothing() -> None:
    assert moved().call("publish", "a", 2, "straggler", "answer").both() == []


def test_two_nodes_at_the_driver_break_it() -> None:
    story = published().record(2, "b").call("publish", "b", 4, "attach")
    assert "one attached" in story.linear()
    assert "one node" in story.both()


def test_a_record_that_names_two_nodes_breaks_it() -> None:
    story = Story().born().record(1, "a", "b")
    assert story.linear() == ["one record"]
    assert "one holder" in story.both()


def test_an_epoch_that_does_not_rise_breaks_it() -> None:
    story = Story().born().record(2, "a").record(2, operation="another")
    assert "rising" in story.linear()
    assert "rising epoch" in story.both()


def test_an_attachment_that_its_record_does_not_name_breaks_it() -> None:
    story = Story().born().record(1, "b").call("publish", "a", 2, "attach")
    assert story.linear() == ["decided"]
    assert "written down" in story.both()


def test_an_attachment_of_an_epoch_that_was_never_written_breaks_it() -> None:
    assert published().call("publish", "b", 8, "attach").linear() == ["one attached", "decided"]


def test_a_record_that_lets_go_of_what_is_attached_breaks_it() -> None:
    story = published().record(2)
    assert story.linear() == ["detached first"]
    assert "not forgotten" in story.both()


def test_a_detach_that_is_decided_after_the_record_let_go_breaks_it() -> None:
    assert published().record(2).call("unpublish", "a", 5, "detach").linear() == ["detached first"]


def test_a_later_call_with_a_lower_token_breaks_it() -> None:
    story = published().call("unpublish", "a", 3, "detach").call("publish", "a", 2, "attach")
    assert "later token" in story.both()


def test_two_callers_that_were_told_of_two_nodes_at_once_break_it() -> None:
    assert published().told("b", 4, 6).linear() == ["one caller"]
    assert published().told("b", 5, 6).linear() == []
    assert published().told("a", 4, 6).linear() == []


def test_a_call_without_a_token_says_nothing_of_when_it_was_decided() -> None:
    story = Story().born().record(1, "a").call("publish", "a", None, "attach").call("unpublish", "a", None, "detach").record(2)
    assert story.linear() == []
    assert story.record(3, "a").call("publish", "a", None, "attach").linear() == []

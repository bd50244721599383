"""The judge: a made-up history for each promise that it must find broken, and one beside it that keeps it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

import pytest

from tests.harness.driver.journal import Call, Entry, Event
from tests.simulation.checker import Checker, check, leaks
from tests.simulation.history import History, PvChange

DRIVER = "sim.csi.test"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SHARED = "MULTI_NODE_MULTI_WRITER"
CANARY = "canary-4711"


class Story:
    """A history as it is made up, line by line."""

    def __init__(self) -> None:
        self.history: History = []
        self._numbers = count(1)

    def pv(
        self, *nodes: str, epoch: int | None = None, uid: str = "u1", kind: Literal["ADDED", "MODIFIED", "DELETED"] = "MODIFIED",
        mode: str = "SINGLE_NODE_WRITER",
    ) -> Story:  # fmt: skip
        """Have the PV name these nodes from now on."""
        held = [{"nodeId": node, "accessMode": mode} for node in nodes]
        found: dict[str, str] = {"attachments": json.dumps(held), "attached-node": nodes[0]} if nodes else {}
        if epoch is not None:
            found |= {"attachment-epoch": str(epoch), "attachment-operation": f"run-{epoch}"}
        annotations = {f"{DRIVER}/{key}": text for key, text in found.items()}
        metadata: dict[str, Any] = {"name": f"pv-{uid}", "uid": uid, "annotations": annotations}
        pv = {"metadata": metadata, "spec": {"csi": {"driver": DRIVER, "volumeHandle": "vol"}}}
        self.history.append(PvChange(0.0, kind, pv))
        return self

    def call(
        self, rpc: Literal["publish", "unpublish"], node: str, token: int | None, *events: Event, mode: str = "SINGLE_NODE_WRITER"
    ) -> Story:
        """Have the driver called, and these events follow."""
        call = Call(next(self._numbers), rpc, "vol", node, token, mode if rpc == "publish" else "")
        self.history += [Entry(NOW, event, call) for event in ("call", *events)]
        return self

    def broken(self, *, enforcing: bool = True, tracked: str = "", again: bool = False) -> list[str]:
        """Return the rules that are broken; `again`: all calls are of runs that were reset."""
        checker = Checker(DRIVER, enforcing, (CANARY,), is_again=lambda _: again)
        waits = {"vol": frozenset({tracked})} if tracked else {}
        return [violation.rule for violation in check(self.history, checker, waits)]


def published(node: str = "a") -> Story:
    """Return a story with a volume that was published."""
    return Story().pv(kind="ADDED").pv(node, epoch=1).call("publish", node, 2, "attach", "answer")


def test_a_volume_that_goes_from_node_to_node_breaks_nothing() -> None:
    story = published().call("unpublish", "a", 3, "detach", "answer").pv(epoch=2)
    assert story.pv("b", epoch=3).call("publish", "b", 6, "attach").broken() == []


@pytest.mark.parametrize(
    ("mode", "broken"), [("SINGLE_NODE_WRITER", ["one holder", "one holder"]), ("", ["one holder"] * 2), (SHARED, [])]
)
def test_a_record_with_two_holders_breaks_the_promise_unless_they_share(mode: str, broken: list[str]) -> None:
    assert Story().pv(kind="ADDED").pv("a", "b", epoch=1, mode=mode).broken() == broken


def test_two_pvs_that_name_two_nodes_in_the_end_break_it() -> None:
    story = Story().pv(kind="ADDED").pv(kind="ADDED", uid="u2").pv("a", epoch=1).pv("b", epoch=1, uid="u2")
    assert story.broken() == ["one holder"]
    assert story.pv(epoch=2, uid="u2").broken() == []


def test_two_nodes_at_a_driver_that_enforces_tokens_break_it() -> None:
    story = published().pv(epoch=2).call("publish", "b", 4, "attach")
    assert "one node" in story.broken()
    assert "one node" not in story.broken(enforcing=False)


def test_two_nodes_that_share_break_nothing() -> None:
    story = Story().pv(kind="ADDED").pv("a", epoch=1, mode=SHARED).call("publish", "a", 2, "attach", mode=SHARED)
    assert story.pv("a", "b", epoch=2, mode=SHARED).call("publish", "b", 4, "attach", mode=SHARED).broken() == []


def test_a_call_that_is_made_again_for_a_reset_run_whose_epoch_is_over_breaks_nothing_where_no_token_is_enforced() -> None:
    story = published().pv(epoch=2).call("publish", "b", 2, "attach")
    assert story.broken(enforcing=False, again=True).count("written down") == 0
    assert "written down" in story.broken(enforcing=False)


def test_an_attach_that_a_reset_run_has_decided_itself_has_to_be_written_down() -> None:
    assert "written down" in Story().pv(kind="ADDED").pv(epoch=1).call("publish", "a", 2, "attach").broken(again=True)


def test_a_node_that_is_attached_before_it_is_written_down_breaks_it() -> None:
    story = Story().pv(kind="ADDED").pv(epoch=1).call("publish", "a", 2, "attach")
    assert story.pv("a", epoch=2).broken() == ["written down"]


def test_what_was_given_up_and_lands_late_at_a_heedless_driver_is_nobodys_fault() -> None:
    story = published().call("unpublish", "a", 3, "detach").pv(epoch=2)
    story.call("publish", "a", 2, "late", "attach")
    assert story.broken(enforcing=False) == []
    assert story.broken() == ["written down", "not forgotten"]


def test_a_record_that_lets_go_of_what_is_attached_breaks_it() -> None:
    assert published().pv(epoch=2).broken() == ["not forgotten", "not forgotten"]


def test_a_record_that_vanished_is_no_release() -> None:
    story = published().pv()
    assert story.broken() == []
    assert story.pv("b", epoch=2).broken() == ["not forgotten", "not forgotten"]


def test_a_pv_that_is_deleted_while_its_volume_is_attached_forgets_nobody() -> None:
    story = published().pv("a", epoch=1, kind="DELETED")
    assert story.broken() == []
    assert story.pv(kind="ADDED", uid="u2").pv("a", epoch=2, uid="u2").broken() == []


def test_a_volume_whose_pv_is_gone_is_attached_to_those_alone_whom_it_named() -> None:
    def gone() -> Story:
        return Story().pv(kind="ADDED").pv("a", epoch=1).pv("a", epoch=1, kind="DELETED")

    assert gone().call("publish", "a", 2, "attach").broken() == []
    assert gone().call("publish", "b", 2, "attach").broken() == ["written down", "not forgotten"]


def test_a_node_that_is_attached_and_waits_for_no_pv_is_forgotten() -> None:
    story = Story().call("publish", "a", None, "attach")
    assert story.broken() == ["not forgotten"]
    assert story.broken(tracked="a") == []


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_epoch_that_does_not_rise_breaks_it(epoch: int) -> None:
    story = Story().pv(kind="ADDED").pv(epoch=2)
    story.pv("a", epoch=epoch)
    story.history[-1].pv["metadata"]["annotations"][f"{DRIVER}/attachment-operation"] = "another"  # type: ignore[union-attr]
    assert story.broken() == ["rising epoch"]


def test_a_later_call_with_a_lower_token_breaks_it() -> None:
    story = published().call("unpublish", "a", 3, "detach", "answer")
    assert story.call("publish", "a", 2, "attach").broken() == ["later token"]


def test_an_equal_token_is_for_repetitions_alone() -> None:
    assert published().call("publish", "a", 2, "answer").broken() == []
    assert published().call("publish", "b", 2).broken() == ["later token"]
    assert published().call("unpublish", "a", 2, "detach").broken() == ["later token"]
    assert published().call("unpublish", "a", 3, "detach").call("unpublish", "", 3).broken() == []


def test_a_straggler_bears_what_it_was_decided_at() -> None:
    story = published().call("unpublish", "a", 3, "detach", "answer").pv(epoch=2).pv("b", epoch=3).call("publish", "b", 6, "attach")
    assert story.call("publish", "a", 2, "straggler", "answer").broken() == []


def test_a_token_of_an_epoch_that_was_never_recorded_breaks_it() -> None:
    assert published().call("publish", "a", 8).broken() == ["later token"]


def test_a_secret_on_a_pv_breaks_it() -> None:
    story = Story().pv(kind="ADDED")
    story.history[0].pv["metadata"]["annotations"]["note"] = f"password {CANARY}"  # type: ignore[union-attr]
    assert story.broken() == ["no secret"]


@pytest.mark.parametrize("text", [f"say {CANARY}", f"say {CANARY}".encode()])
def test_a_secret_in_a_payload_or_log_is_found_and_not_repeated(text: str | bytes) -> None:
    (leak,) = leaks((CANARY,), [("a log", "nothing"), ("a payload", text)])
    assert leak.volume == "a payload"
    assert CANARY not in str(leak)

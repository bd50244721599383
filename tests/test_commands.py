"""Every command that advice names is safe to paste: a shell and the program take the names in it for what they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pytest
import typer

from mooring.cli.main import app
from mooring.commands import code, filled_in
from mooring.explain import commands
from mooring.explain.facts import Facts
from mooring.models import AccessMode, Attachment, Precondition, PublishRequest, VolumeRecord
from mooring.models.drift import Drift, DriftKind, advice
from mooring.records.refusals import bar
from mooring.states import GUIDANCE, State, guidance

Told = Callable[[str, str], str]
STRANGE: Final = [
    "vol",
    "-rf",
    "--help",
    "--",
    "-",
    "it's $HOME",
    "a `tick` and ``two``",
    'say "so" & | ; *',
    "NODE",
    "VOLUME NODE",
]


def drift(kind: DriftKind, volume: str, node: str) -> str:
    """Return the advice about a drift."""
    return advice(Drift(kind=kind, volume_handle=volume, node_id=node, why=""))


def refusal(known: dict[str, Any], volume: str, node: str) -> str:
    """Return the refusal of a publish to another node, for a volume whose record shows less than is known."""
    held = Attachment(node_id=node, attached_at=datetime(2026, 1, 31, tzinfo=UTC))
    record = VolumeRecord(mark=Precondition(pv="pv-vol", uid="u"), holders=(held,), floor=3, **known)
    asked = PublishRequest(driver="csi.test", volume_handle=volume, node_id="other", access_mode=AccessMode.SINGLE_NODE_WRITER)
    return str(bar(record, asked, "run-1"))


def explained(command: Callable[[Facts, str], str], volume: str, node: str) -> str:
    """Return the command that `mooring explain` suggests."""
    return code(command(Facts(driver="csi.test", volume_handle=volume), node))


def shown(state: State, volume: str, node: str) -> str:
    """Return the guidance that a run in this state shows."""
    return filled_in(guidance(state), volume, node)


OF_VOLUMES: Final = [state for state in State if "VOLUME" in GUIDANCE[state].advice]
TABLE: Final[dict[str, Told]] = {
    **{state.value: partial(shown, state) for state in OF_VOLUMES},
    "every-node": lambda volume, _: shown(State.NOT_DETACHED, volume, ""),
    **{kind.value: partial(drift, kind) for kind in DriftKind},
    "departed": partial(refusal, {"evidence": "It was seen."}),
    "altered": partial(refusal, {"altered": True}),
    "unpublish": partial(explained, commands.unpublish),
    "unpublish-all": partial(explained, lambda facts, _: commands.unpublish(facts, "")),
    "history": partial(explained, lambda facts, _: commands.history(facts)),
    "evacuate": partial(explained, lambda _, node: commands.evacuate(node)),
    "approve": partial(explained, lambda _, node: commands.approve_evacuation(node)),
}


NAMELESS: Final = {
    DriftKind.VOLUME_ATTACHMENT_WITHOUT_HOLDER,
    DriftKind.UNKNOWN_TO_RECORD,
    DriftKind.UNKNOWN_TO_BACKEND,
    DriftKind.UNPLACED_VOLUME_ATTACHMENT,
    DriftKind.UNREADABLE_RECORD,
    DriftKind.DUPLICATE_VOLUME,
    DriftKind.INDEX_BEHIND,
}
"""Drifts whose advice has no command with a name in it."""


def parsed(text: str) -> list[dict[str, Any]]:
    """Return the arguments that the program parses from each of its commands in a text."""
    spans = [span.strip() for _, span in re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", text)]
    found = [shlex.split(span) for span in spans if span.startswith("mooring ")]
    program: Any = typer.main.get_command(app)
    return [program.commands[name].make_context(name, rest).params for _, name, *rest in found]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("source", TABLE)
def test_names_are_taken_for_names(source: str, name: str) -> None:
    volume, node = f"{name}1", f"{name}2"
    known = {"volume": {volume}, "node": {node, ""}, "run": {f"evacuate/{node}"}}

    found = [(what, params[what]) for params in parsed(TABLE[source](volume, node)) for what in known if what in params]

    assert bool(found) is (source not in NAMELESS)
    assert all(value in known[what] for what, value in found)

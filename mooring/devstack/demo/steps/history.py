"""The lasting trace: the volume's runs as a table, and their place in Temporal's UI."""

from collections.abc import Mapping
from typing import Final

import aiohttp
from rich.table import Table
from yarl import URL

from mooring.devstack.demo.scene import Scene, until
from mooring.devstack.demo.story import Story
from mooring.devstack.demo.volumes import NODE, SECOND_NODE, SUBJECT, THIRD_NODE
from mooring.models import VolumeRef
from mooring.names import volume_id
from mooring.states import State
from mooring.temporal.history import VolumeRun, read_history
from mooring.temporal.pages import runs_page

EXPECTED: Final = [
    ("publish", NODE, State.ATTACHED),
    ("publish", NODE, State.ATTACHED),
    ("publish", SECOND_NODE, State.REFUSED),
    ("unpublish", NODE, State.DETACHED),
    ("publish", SECOND_NODE, State.ATTACHED),
    ("unpublish", SECOND_NODE, State.DETACHED),
    ("publish", THIRD_NODE, State.ROLLED_BACK),
    ("publish", NODE, State.ATTACHED),
]
STYLES: Final[Mapping[str, str]] = {State.REFUSED: "yellow", State.ROLLED_BACK: "red"}


async def show_history(scene: Scene, story: Story) -> None:
    """Show all that happened to the volume, oldest first, from Temporal alone."""
    runs = await until(f"{len(EXPECTED)} runs are listed", lambda: _runs(scene))
    story.show(_table(runs))
    seen = [(run.operation, run.node_id, run.state) for run in runs]
    story.so(f"each of the {len(EXPECTED)} operations is listed with its outcome", seen, EXPECTED)
    epochs = [run.epoch for run in runs if run.epoch is not None]
    story.so("the epoch only ever rose", epochs, sorted(epochs))


async def show_ui(scene: Scene, story: Story) -> None:
    """Show the same runs in Temporal's UI."""
    query = f'WorkflowId="{volume_id(VolumeRef(volume_handle=SUBJECT))}"'
    runs = runs_page("", scene.client.namespace, query).removeprefix("/")
    async with aiohttp.ClientSession() as session:
        async with session.get(URL(f"{scene.temporal.ui_url}/{runs}", encoded=True)) as page:
            story.so("the UI is there, with a page for the volume's runs:", page.status, 200)
        story.link(f"{scene.temporal.ui_url}/{runs}")
        async with session.get(URL(f"{scene.temporal.ui_url}/api/v1/{runs}", encoded=True)) as answer:
            listed = len((await answer.json()).get("executions", []))
    story.so(f"the UI lists the same {listed} runs", listed, len(EXPECTED))
    story.say("The UI ends with the demo; `mooring demo --stay` keeps it up.")


async def _runs(scene: Scene) -> list[VolumeRun] | None:
    history = await read_history(scene.client, VolumeRef(volume_handle=SUBJECT), limit=2 * len(EXPECTED))
    complete = len(history.runs) >= len(EXPECTED) and not history.lagging
    return list(reversed(history.runs)) if complete else None


def _table(runs: list[VolumeRun]) -> Table:
    table = Table(
        "started",
        "operation",
        "node",
        "ended as",
        "held by afterwards",
        "epoch",
        "took",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for run in runs:
        took = f"{(run.ended_at - run.started_at).total_seconds():.2f} s" if run.ended_at else "open"
        held_by = "-" if run.held_by is None else ", ".join(run.held_by) or "nobody"
        cells = (f"{run.started_at:%H:%M:%S}", run.operation, run.node_id, run.state, held_by, str(run.epoch or "-"), took)
        table.add_row(*cells, style=STYLES.get(run.state))
    return table

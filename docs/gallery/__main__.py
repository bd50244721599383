"""The program that takes the screenshots of docs/operations.md:  python -m docs.gallery FOLDER

It plays `scene.py` on a Temporal server and a Kubernetes API of its own, and takes about two minutes. It needs `chromium` on PATH.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from docs.gallery.browser import Browser
from docs.gallery.scene import DRIVER, Scene, scene

COLUMNS: Final = ("Status", "AttachmentState", "NodeId", "Workflow ID", "Start", "Type")
DETAILS: Final = "Current Details"


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture: its name, the page below the namespace's, and a text that is on the page once it is whole."""

    name: str
    page: str
    text: str


async def _shots(played: Scene) -> list[Shot]:
    async def run(workflow_id: str, tab: str) -> str:
        found = await played.client.get_workflow_handle(workflow_id).describe()
        return f"workflows/{quote(workflow_id, safe='')}/{found.run_id}/{tab}"

    def query(text: str) -> str:
        return f"workflows?query={quote(text)}"

    volume = f"volume/{DRIVER}"
    return [
        Shot("open", query('ExecutionStatus="Running"'), f"{volume}/half-001"),
        Shot("wrong", query('AttachmentState IN ("NotDetached", "NotCleared", "RolledBack")'), "busy-001"),
        Shot("timeline", await run(f"{volume}/half-001", "timeline"), "backend_undo"),
        Shot("pending", await run(f"{volume}/half-001", "pending-activities"), "The array did not say"),
        Shot("what-to-do", await run(f"{volume}/half-001", "user-metadata"), DETAILS),
        Shot("evacuation", await run(f"evacuate/{DRIVER}/node-6", "user-metadata"), DETAILS),
        Shot("drift", await run(f"reconcile/{DRIVER}", "timeline"), "not_cleared"),
    ]


async def _take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        async with scene(Path(place)) as played, Browser.start() as browser:
            columns = {"default": [{"label": label} for label in COLUMNS]}
            await browser.remember("namespace-workflow-table-columns", json.dumps(columns))
            for shot in await _shots(played):
                await browser.open(f"{played.ui}/namespaces/default/{shot.page}", shot.text)
                await browser.shoot(folder / f"{shot.name}.png")
                sys.stderr.write(f"{shot.name}\n")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(_take(target))

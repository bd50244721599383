"""A backend that works, refuses or hangs on command, for the demo.

The worker loads it as `mooring.devstack.demo.backend:make`; the file `mood` in the folder that MOORING_DEMO_FOLDER names controls
it, and it records its calls in the file `journal` there. Both sides are in this file.
"""

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import Final

from mooring.errors import BackendFailed
from mooring.models import BackendCall

FOLDER: Final = "MOORING_DEMO_FOLDER"
NAME: Final = "mooring.devstack.demo.backend:make"


class Mood(StrEnum):
    """Behaviour of the backend when it is asked to attach."""

    WORK = "work"
    REFUSE = "refuse"
    HANG = "hang"


class EntryKind(StrEnum):
    """Kinds of entry in its journal."""

    ASKED = "asked"
    ATTACHED = "attached"
    DETACHED = "detached"


class BackendFiles:
    """Its two files; one line of the journal is an event, a volume handle and a node id."""

    def __init__(self, folder: Path) -> None:
        self._mood = folder / "mood"
        self._journal = folder / "journal"

    @property
    def mood(self) -> Mood:
        """Its present mood; `work` until one is set."""
        return Mood(self._mood.read_text()) if self._mood.exists() else Mood.WORK

    def tell(self, mood: Mood) -> None:
        """Set the mood from now on."""
        new = self._mood.with_suffix(".new")
        new.write_text(mood)
        new.replace(self._mood)

    def note(self, event: EntryKind, volume: str, node: str) -> None:
        """Write a line of the journal."""
        with self._journal.open("a") as journal:
            journal.write(f"{event} {volume} {node}\n")

    def events(self, volume: str) -> list[tuple[EntryKind, str]]:
        """Return the events of a volume in their order, each with its node."""
        lines = self._journal.read_text().splitlines() if self._journal.exists() else []
        split = [line.split(" ") for line in lines]
        return [(EntryKind(event), node) for event, about, node in split if about == volume]

    def attached(self, volume: str) -> set[str]:
        """Return the nodes that the volume is attached to, as the backend sees it."""
        nodes: set[str] = set()
        for event, node in self.events(volume):
            nodes = nodes | {node} if event is EntryKind.ATTACHED else nodes - {node} if event is EntryKind.DETACHED else nodes
        return nodes


class DemoBackend:
    """The worker's side."""

    def __init__(self, files: BackendFiles) -> None:
        self._files = files

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, if it is in the mood."""
        handle = call.volume.volume_handle
        self._files.note(EntryKind.ASKED, handle, call.node_id)
        while self._files.mood is Mood.HANG:  # noqa: ASYNC110 - another process changes its mood
            await asyncio.sleep(0.05)
        if self._files.mood is Mood.REFUSE:
            raise BackendFailed(f"The array has no free port for volume {handle} on node {call.node_id}.")
        self._files.note(EntryKind.ATTACHED, handle, call.node_id)
        return {"devicePath": f"/dev/disk/by-id/{handle}"}

    async def unpublish(self, call: BackendCall) -> None:
        """Detach."""
        self._files.note(EntryKind.DETACHED, call.volume.volume_handle, call.node_id)


def make() -> DemoBackend:
    """Return the backend that the folder in MOORING_DEMO_FOLDER controls."""
    return DemoBackend(BackendFiles(Path(os.environ[FOLDER])))

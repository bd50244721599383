"""A backend for worker processes: what it attached is a journal on disk, and files tell it to wait or to fail.

The journal outlives the process that wrote it, as a storage array outlives a controller. Every volume has gates of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mooring.errors import BackendFailed
from mooring.models import BackendCall

FOLDER: Final = "JOURNAL_FOLDER"
FACTORY: Final = "tests.harness.journal:open_backend"
CONTEXT: Final = {"device": "/dev/sdx"}
GLANCE_SECONDS: Final = 0.02
PATIENCE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Journal:
    """The folder that a test and the backends of its workers share."""

    folder: Path

    def hold(self, step: str, handle: str) -> None:
        """Keep the volume's calls back at a step: `publish` or `unpublish`, or after it has been done, `published`."""
        (self.folder / f"hold-{step}-{handle}").touch()

    def release(self, step: str, handle: str) -> None:
        """Let the step pass."""
        (self.folder / f"hold-{step}-{handle}").unlink()

    def refuse(self, handle: str, reason: str) -> None:
        """Have every publish of the volume fail for good."""
        (self.folder / f"refuse-{handle}").write_text(reason)

    def attached(self, handle: str) -> set[str]:
        """The nodes that have the volume."""
        nodes: set[str] = set()
        for verb, node in self.calls(handle):
            nodes = nodes | {node} if verb == "publish" else nodes - {node or each for each in nodes}
        return nodes

    def calls(self, handle: str) -> list[tuple[str, str]]:
        """What was done to the volume, in order: `publish` or `unpublish`, and the node."""
        journal = self.folder / f"journal-{handle}"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [(verb, node) for verb, node in map(json.loads, lines)]

    async def reached(self, step: str, handle: str) -> None:
        """Wait until a call is held at the step."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (self.folder / f"reached-{step}-{handle}").exists():
                await asyncio.sleep(GLANCE_SECONDS)


class FileBackend:
    """The backend of one process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, unless told to refuse."""
        handle = call.volume.volume_handle
        await self._pass("publish", handle)
        refusal = self._journal.folder / f"refuse-{handle}"
        if refusal.exists():
            raise BackendFailed(refusal.read_text())
        self._note("publish", call)
        await self._pass("published", handle)
        return CONTEXT

    async def unpublish(self, call: BackendCall) -> None:
        """Detach."""
        await self._pass("unpublish", call.volume.volume_handle)
        self._note("unpublish", call)

    async def _pass(self, step: str, handle: str) -> None:
        while (self._journal.folder / f"hold-{step}-{handle}").exists():
            (self._journal.folder / f"reached-{step}-{handle}").touch()
            await asyncio.sleep(GLANCE_SECONDS)

    def _note(self, verb: str, call: BackendCall) -> None:
        with (self._journal.folder / f"journal-{call.volume.volume_handle}").open("a") as journal:
            journal.write(json.dumps([verb, call.node_id]) + "\n")


def open_backend() -> FileBackend:
    """What MOORING_BACKEND names."""
    return FileBackend(Journal(Path(os.environ[FOLDER])))

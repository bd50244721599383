"""A backend for worker processes: a journal on disk records its attachments, and files make it wait or fail.

The journal outlives the process that wrote it, as a storage array outlives a controller. Every volume has gates of its own. Fencing
tokens are enforced, but for those of an older version, which were the epoch itself.
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
from tests.harness.patience import PATIENCE
from tests.harness.tokens import Tokens, Verb

FOLDER: Final = "JOURNAL_FOLDER"
FACTORY: Final = "tests.harness.journal_backend:open_backend"
CONTEXT: Final = {"device": "/dev/sdx"}
GLANCE_SECONDS: Final = 0.02


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
        """Return the nodes that have the volume."""
        nodes: set[str] = set()
        for verb, node in self.calls(handle):
            nodes = nodes | {node} if verb == "publish" else nodes - {node or each for each in nodes}
        return nodes

    def calls(self, handle: str) -> list[tuple[str, str]]:
        """Return what was done to the volume, in order: `publish` or `unpublish`, and the node."""
        return [(verb, node) for verb, node, _ in self.lines(handle)]

    def lines(self, handle: str) -> list[tuple[Verb, str, int | None]]:
        """Return the same as `calls`, with the fencing token of each call."""
        journal = self.folder / f"journal-{handle}"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [(verb, node, token) for verb, node, token in map(json.loads, lines)]

    def stragglers(self) -> list[str]:
        """Return the calls that were refused for their token."""
        return [path.read_text() for path in self.folder.glob("straggler-*")]

    async def reached(self, step: str, handle: str) -> None:
        """Wait until a call is held at the step."""
        async with asyncio.timeout(PATIENCE):
            while not (self.folder / f"reached-{step}-{handle}").exists():
                await asyncio.sleep(GLANCE_SECONDS)


class FileBackend:
    """The backend of one process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, unless asked to refuse."""
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

    def _note(self, verb: Verb, call: BackendCall) -> None:
        token: int | None = getattr(call, "token", None)  # the model may be of an older version
        handle = call.volume.volume_handle
        self._check(handle, verb, call.node_id, token)
        with (self._journal.folder / f"journal-{handle}").open("a") as journal:
            journal.write(json.dumps([verb, call.node_id, token]) + "\n")

    def _check(self, handle: str, verb: Verb, node: str, token: int | None) -> None:
        tokens = Tokens()
        for before, where, had in self._journal.lines(handle):
            tokens.refusal(handle, before, where, had)
        refusal = tokens.refusal(handle, verb, node, token)
        if refusal:
            (self._journal.folder / f"straggler-{handle}-{verb}-{token}").write_text(refusal)
            raise BackendFailed(f"{refusal}.")


def open_backend() -> FileBackend:
    """Open the backend, as MOORING_BACKEND names this function."""
    return FileBackend(Journal(Path(os.environ[FOLDER])))

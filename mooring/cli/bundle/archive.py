"""The archive: one file a part, and an index that names each part, and what could not be had, with the reason.

Contract: a part that fails, takes too long or is too large is missing, and fails nothing. Everything that is written has been
through the redaction, names and reasons included. The file is for its owner alone.
"""

from __future__ import annotations

import asyncio
import io
import re
import tarfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from temporalio.service import RPCError

from mooring import __version__
from mooring.cli.bundle.redaction import Redaction
from mooring.models import Model
from mooring.process.at_once import ask_each
from mooring.temporal.reasons import in_words

INDEX: Final = "index.json"
PART_SECONDS: Final = 60.0
PART_BYTES: Final = 16 * 1024 * 1024
MAX_CONCURRENT: Final = 8
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class BundlePart:
    """A file of the bundle; `what` describes it."""

    path: str
    what: str
    ask: Callable[[], Awaitable[bytes]]


class BundledFile(Model):
    """A file that is in the bundle."""

    path: str
    what: str
    bytes: int


class MissingPart(Model):
    """A part that could not be had."""

    path: str
    what: str
    reason: str


class BundleIndex(Model):
    """The contents of a bundle."""

    form: Literal["mooring.bundle/v1"] = "mooring.bundle/v1"
    mooring: str = __version__
    driver: str
    made_at: datetime
    files: tuple[BundledFile, ...]
    missing: tuple[MissingPart, ...]


class Archive:
    """A bundle that is being written into a tar; `folder` is the one in it that holds all."""

    def __init__(self, tar: tarfile.TarFile, folder: str, made_at: datetime, redaction: Redaction) -> None:
        self._tar = tar
        self._folder = folder
        self._made_at = made_at
        self._redaction = redaction
        self._files: list[BundledFile] = []
        self._missing: list[MissingPart] = []

    async def gather(self, parts: Sequence[BundlePart]) -> None:
        """Ask for these parts, some at once, and add those that can be had."""
        for part, outcome in zip(parts, await ask_each(_outcome, parts, MAX_CONCURRENT), strict=True):
            if isinstance(outcome, bytes) and len(outcome) <= PART_BYTES:
                self._add(part.path, part.what, outcome)
            else:
                too_large = f"it is larger than {PART_BYTES // 1024 // 1024} MiB"
                self.miss(part.path, part.what, outcome if isinstance(outcome, str) else too_large)

    def miss(self, path: str, what: str, reason: str) -> None:
        """Note that a part can't be had."""
        self._missing.append(MissingPart(path=path, what=what, reason=self._redaction.hide(reason.encode()).decode()))

    def close(self, driver: str) -> BundleIndex:
        """Add the index, and return it."""
        files, missing = tuple(self._files), tuple(self._missing)
        index = BundleIndex(driver=driver, made_at=self._made_at, files=files, missing=missing)
        self._add(INDEX, "This index", index.model_dump_json(indent=2).encode())
        return index

    def _add(self, path: str, what: str, content: bytes) -> None:
        hidden = self._redaction.hide(content)
        entry = tarfile.TarInfo(f"{self._folder}/{path}")
        entry.size, entry.mode, entry.mtime = len(hidden), 0o600, int(self._made_at.timestamp())
        self._tar.addfile(entry, io.BytesIO(hidden))
        self._files.append(BundledFile(path=path, what=what, bytes=len(hidden)))


def file_name(number: int, *names: str) -> str:
    """Return a file's name of these names, whatever is in them; the number tells it from others."""
    return f"{number:03}-{_UNSAFE.sub('_', '-'.join(names))[:_NAME_LENGTH]}"


async def _outcome(part: BundlePart) -> bytes | str:
    """Return the part, or the reason why it can't be had."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await part.ask()
    except TimeoutError:
        return f"no answer within {PART_SECONDS:g} s"
    except RPCError as error:
        return in_words(error)
    except Exception as error:
        return str(error) or type(error).__name__

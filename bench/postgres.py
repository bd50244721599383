"""A PostgreSQL server of its own, with its defaults, gone with the block: `python -m bench.postgres` says where it is installed.

Its programs are those on PATH, or else the newest of Debian's. Its data are flushed to the disk, as an installed one's are.

NB: PostgreSQL refuses to run as root. Where this process is root's, it runs as nobody.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mooring.devstack.folders import own_folder
from mooring.devstack.ports import HOST, free_port
from mooring.devstack.process import Child, StackError, running

USER: Final = "temporal"
"""The database's superuser, who needs no password: it listens on loopback alone."""
READY: Final = "database system is ready to accept connections"
READY_SECONDS: Final = 30.0
DEBIAN: Final = Path("/usr/lib/postgresql")
NOBODY: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server on `HOST`, and its first process, whose children serve its clients."""

    port: int
    child: Child

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[Postgres]:
        """Run a server without any data while the block lasts.

        Raises:
            StackError: it is not installed, or doesn't accept connections within `READY_SECONDS`.

        """
        programs, port = installed(), free_port()
        with own_folder("mooring-postgres") as folder:
            _give(folder)
            data, log = folder / "data", folder / "postgres.log"
            await _made(programs / "initdb", data, folder)
            listen = ["-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories=", "-p", str(port)]
            async with running([*_demoted(), programs / "postgres", "-D", data, *listen], log, folder) as child:
                await _ready(child)
                yield cls(port, child)


def installed(path: str | None = None, debian: Path = DEBIAN) -> Path:
    """Return the folder of PostgreSQL's programs, on this path (None: PATH) or Debian's; raise StackError if there is none."""
    on_path = shutil.which("initdb", path=path)
    newest = sorted(debian.glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    found = Path(on_path) if on_path else newest[-1] if newest else None
    if found is None:
        raise StackError(f"PostgreSQL is not installed: its initdb is neither on PATH nor in {debian}.")
    return found.resolve().parent


def _demoted() -> list[str]:
    """Return what goes before a command so that root's process runs it as nobody."""
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={_nobody().pw_gid}", "--clear-groups"] if os.geteuid() == 0 else []


def _give(folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(folder, _nobody().pw_uid, _nobody().pw_gid)


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam(NOBODY)


async def _made(initdb: Path, data: Path, folder: Path) -> None:
    """Make the folder of an empty database."""
    options = ["--pgdata", str(data), "--username", USER, "--auth", "trust", "--locale", "C", "--encoding", "UTF8", "--no-sync"]
    async with running([*_demoted(), initdb, *options], folder / "initdb.log", folder) as child:
        await asyncio.wait_for(child.wait(), READY_SECONDS)
    if not (data / "PG_VERSION").exists():
        raise StackError("PostgreSQL's initdb failed.", child.last_words())


async def _ready(child: Child) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while READY not in child.log.read_text(errors="replace"):
                if child.ended:
                    raise StackError("PostgreSQL ended while it started.", child.last_words())
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise StackError(f"PostgreSQL is not ready after {READY_SECONDS:g} s.", child.last_words()) from None


if __name__ == "__main__":
    try:
        print(installed())
    except StackError as error:
        sys.exit(str(error))

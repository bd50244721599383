"""Child processes that never outlive this one, however it ends.

Each runs under a shell that waits for its standard input to close, which happens when this process closes it or dies: then the
child is ended by its pid. Nothing is searched for by name.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

SUPERVISE: Final = """
"$@" </dev/null &
child=$!
trap '' INT TERM HUP
read -r _
kill "$child" 2>/dev/null
wait "$child"
"""
END_SECONDS: Final = 10.0


@asynccontextmanager
async def running(command: Sequence[str | os.PathLike[str]], log: Path, cwd: Path) -> AsyncIterator[None]:
    """Run a command while the block lasts, its output in `log`; killed if it hasn't ended `END_SECONDS` after it was told to."""
    with log.open("ab") as output:
        supervisor = await asyncio.create_subprocess_exec(
            "sh", "-c", SUPERVISE, "supervise", *command,
            stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output, cwd=cwd, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        await _end(supervisor)


async def _end(supervisor: asyncio.subprocess.Process) -> None:
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await supervisor.wait()
    except TimeoutError:
        os.killpg(supervisor.pid, 9)  # the supervisor leads a session of its own: its group is it and its child
        await supervisor.wait()

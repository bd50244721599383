"""Child processes that never outlive this one, however it ends.

Each runs under a shell that waits for its standard input to close, which happens when this process closes it or dies: then the
child is asked to end, and killed if it doesn't, by its pid. Nothing is searched for by name.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mooring.errors import MooringError

# NB: the child keeps file descriptor 3 open, so that this process sees it close when the child ends.
# NB: the child is started when this process says so: a shell that is killed because its own start was cancelled leaves none.
# NB: a kube-apiserver whose etcd ended with it takes a minute and more to end by itself.
SUPERVISE: Final = """
tries=$1
shift
read -r _ || exit
"$@" </dev/null 3>&1 >&2 &
child=$!
trap '' INT TERM HUP
echo "$child"
exec >&-
read -r _
kill "$child" 2>/dev/null
while kill -0 "$child" 2>/dev/null && [ $((tries -= 1)) -gt 0 ]; do sleep 0.02; done
kill -9 "$child" 2>/dev/null
wait "$child"
"""
TRIES_A_SECOND: Final = 50
END_SECONDS: Final = 10.0
LAST_LINES: Final = 15


class StackError(MooringError):
    """A part of the stack is unavailable. `log` is the end of its log, if it has one."""

    grpc_code = "UNAVAILABLE"
    advice = ""

    def __init__(self, message: str, log: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class Child:
    """A running child; its output goes to `log`."""

    pid: int
    log: Path
    _life: asyncio.StreamReader

    @property
    def ended(self) -> bool:
        """True once it has ended, by itself or killed."""
        return self._life.at_eof()

    async def wait(self) -> None:
        """Return when it has ended; for one waiter."""
        await self._life.read()

    async def kill(self) -> None:
        """End it as kill -9 does, and return when it has ended."""
        os.kill(self.pid, signal.SIGKILL)
        await self.wait()

    def last_words(self) -> list[str]:
        """Return the last lines of its log."""
        return self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]


@asynccontextmanager
async def running(
    command: Sequence[str | os.PathLike[str]],
    log: Path,
    cwd: Path,
    environ: Mapping[str, str] | None = None,
    end_seconds: float = END_SECONDS,
) -> AsyncIterator[Child]:
    """Run a command while the block lasts, its output in `log`; kill it if it hasn't ended `end_seconds` after SIGTERM.

    It has this process's environment, unless `environ` is another.
    """
    with log.open("ab") as output:
        supervisor = await asyncio.create_subprocess_exec(
            "sh", "-c", SUPERVISE, "supervise", str(round(end_seconds * TRIES_A_SECOND)), *command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output,
            cwd=cwd, env=environ, start_new_session=True,
        )  # fmt: skip
    try:
        yield await _child_of(supervisor, log)
    finally:
        await _end(supervisor)


async def _child_of(supervisor: asyncio.subprocess.Process, log: Path) -> Child:
    life, told = supervisor.stdout, supervisor.stdin
    if life is None or told is None:
        raise StackError("The supervisor was started without pipes.")
    told.write(b"\n")
    return Child(int(await life.readline()), log, life)


async def _end(supervisor: asyncio.subprocess.Process) -> None:
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    await supervisor.wait()

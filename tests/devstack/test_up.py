"""`mooring up` says how to use the stack, and ends it when told."""

import asyncio
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
UP = [sys.executable, "-m", "mooring", "up", "--kubernetes", "embedded", "--temporal-port", "0", "--ui-port", "0"]


async def test_it_prints_the_exports_alone_and_ends_when_told(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *UP, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()
    assert (process.returncode, rest) == (0, b"")
    assert [line.partition("=")[0] for line in lines] == [
        "export TEMPORAL_ADDRESS",
        "export TEMPORAL_NAMESPACE",
        "export KUBECONFIG",
    ]
    assert not is_there(lines[2].partition("=")[2].strip())


def is_there(path: str) -> bool:
    return Path(path).exists()

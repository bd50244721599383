"""A folder of one's own is gone with the block, and with a process that is killed."""

import asyncio
import sys
from pathlib import Path

from mooring.devstack.folders import own_folder
from tests.harness.patience import PATIENCE

# The child goes on writing into the folder for a while after its parent is gone.
PARENT = """
import asyncio
from pathlib import Path
from mooring.devstack.folders import own_folder
from mooring.devstack.process import running
BUSY = "trap 'exec sleep 0.3' TERM; n=0; while :; do n=$((n + 1)); : > file-$n; done"
async def main():
    with own_folder("mooring-test") as folder:
        async with running(["sh", "-c", BUSY], folder / "log", folder):
            print(folder, flush=True)
            await asyncio.sleep(1000)
asyncio.run(main())
"""


async def gone(folder: Path) -> bool:
    async with asyncio.timeout(PATIENCE):
        while folder.exists():
            await asyncio.sleep(0.02)
    return True


def test_it_is_there_while_the_block_lasts_and_no_longer() -> None:
    with own_folder("mooring-test") as folder:
        (folder / "a").mkdir()
        (folder / "a" / "file").touch()
    assert not folder.exists()


def test_nobody_else_may_look_into_it() -> None:
    with own_folder("mooring-test") as folder:
        assert folder.stat().st_mode & 0o077 == 0


async def test_it_is_gone_after_a_kill_though_a_child_still_writes_into_it() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    folder = Path((await parent.stdout.readline()).decode().strip())
    assert folder.is_dir()
    parent.kill()
    await parent.wait()
    assert await gone(folder)

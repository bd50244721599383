"""The README is short, and its example runs."""

from __future__ import annotations

import asyncio
import re
import sys

from mooring.devstack.temporal import DevTemporal
from mooring.models import DEFAULT_DRIVER
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT
from tests.harness.workers import quick, running_worker

README = (ROOT / "README.md").read_text()
LINES_MAX = 130


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= LINES_MAX


async def test_the_python_example_runs(temporal: DevTemporal) -> None:
    # NB: the SDK's threads may abort an interpreter that goes down (temporalio/sdk-python#300), which `exit_process` prevents.
    leave = "from mooring.process.exits import exit_process\nexit_process(0)\n"
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0] + leave

    async with running_worker(await temporal.connect(), quick(DEFAULT_DRIVER, kubernetes="off"), {}):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", example, env=temporal.environ, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert (process.returncode, printed.decode()) == (0, "{} 1\n")

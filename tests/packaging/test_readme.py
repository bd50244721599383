"""What the README tells a newcomer is so."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from mooring.devstack.temporal import DevTemporal
from mooring.errors import TABLE
from mooring.models import DEFAULT_DRIVER
from mooring.names import State
from mooring.settings import Settings
from tests.harness.workers import quick, running_worker

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_every_setting_is_listed_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(MOORING_\w+)` \| `?(.*?)`? \|", README, re.MULTILINE))

    assert rows == {f"MOORING_{name.upper()}": str(field.default) for name, field in Settings.model_fields.items()}


def test_every_failure_type_in_the_table_has_the_code_it_says() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([A-Z_]+) \|", README, re.MULTILINE)

    told = {name: code for names, code in rows for name in re.findall(r"\w+", names)}

    assert told == {name: TABLE[name].grpc_code for name in told}
    assert len(told) >= 12


def test_every_attachment_state_is_listed() -> None:
    assert [state for state in State if f"`{state}`" not in README] == []


async def test_the_python_example_runs(temporal: DevTemporal) -> None:
    # NB: the SDK's threads may abort an interpreter that goes down (temporalio/sdk-python#300); `end` does not take it down.
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0] + "from mooring.leaving import end\nend(0)\n"

    async with running_worker(await temporal.connect(), quick(DEFAULT_DRIVER, kubernetes="off"), {}):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", example, env=temporal.environ, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 60)

    assert (process.returncode, printed.decode()) == (0, "{} 1\n")

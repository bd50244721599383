"""Failpoints: what arms them, what each mode does, and that no deployed code has any."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from mooring.errors import BackendUncertain
from tests.campaign.failpoints import ACTIVITIES, POINTS, Armed, Failpoints, Fuses, Mode
from tests.campaign.plan import KINDS, plan
from tests.campaign.wrappers import between
from tests.harness.repository import ROOT

POINT = "driver.publish.after"
DEPLOYED = ("mooring", "workflows", "activities", "worker.py")


async def publish(points: Failpoints) -> str:
    """Return what a step answers whose points are these."""
    done: list[str] = []

    async def work() -> str:
        done.append("done")
        return "attached"

    try:
        return await between(points, "driver.publish", BackendUncertain, work)
    except BackendUncertain:
        return "lost" if done else "not asked"


def test_there_are_enough_points_and_no_two_of_one_name() -> None:
    assert len({*POINTS}) == len(POINTS) >= 40
    assert len(Mode) == 5


def test_each_activity_has_its_points() -> None:
    defined = [
        name for file in (ROOT / "activities").glob("*.py") for name in re.findall(r'defn\(name="(\w+)"\)', file.read_text())
    ]
    assert sorted(defined) == sorted(ACTIVITIES)


async def test_a_point_that_is_not_armed_does_nothing(tmp_path: Path) -> None:
    points = Failpoints(tmp_path)
    assert await publish(points) == "attached"
    assert points.reached == {"driver.publish.before": 1, POINT: 1}


async def test_an_error_before_a_step_has_it_not_done_and_one_after_it_loses_its_answer(tmp_path: Path) -> None:
    fuses, points = Fuses(tmp_path), Failpoints(tmp_path)
    fuses.arm(Armed("1", "driver.publish.before", Mode.ERROR), Armed("2", POINT, Mode.ERROR))
    assert [await publish(points) for _ in range(3)] == ["not asked", "lost", "attached"]
    assert [fired.id for fired in fuses.fired()] == ["1", "2"]


@pytest.mark.parametrize("mode", [Mode.DELAY, Mode.HANG, Mode.FREEZE])
async def test_what_is_late_goes_on(tmp_path: Path, mode: Mode) -> None:
    fuses, points = Fuses(tmp_path), Failpoints(tmp_path)
    fuses.arm(Armed("1", POINT, mode, seconds=0.01))
    assert await publish(points) == "attached"
    assert [fired.mode for fired in fuses.fired()] == [mode]


async def test_what_killed_a_process_does_not_kill_the_next(tmp_path: Path) -> None:
    fuses = Fuses(tmp_path)
    fuses.arm(Armed("1", POINT, Mode.CRASH))
    code = f"""
import asyncio
from pathlib import Path
from tests.campaign.failpoints import Failpoints
asyncio.run(Failpoints(Path({str(tmp_path)!r})).hit({POINT!r}, RuntimeError))
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    codes = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environ)
        codes.append(await process.wait())
    assert codes == [-9, 0]
    assert len(fuses.fired()) == 1


def test_one_seed_gives_one_plan_of_all_kinds() -> None:
    first, again = ([next(faults) for _ in range(500)] for faults in (plan("7"), plan("7")))
    assert first == again
    assert {each.kind for each in first} == {*KINDS}


def test_deployed_code_knows_no_failpoint() -> None:
    files = [path for place in DEPLOYED for path in ((ROOT / place).rglob("*.py") if (ROOT / place).is_dir() else [ROOT / place])]
    assert [path for path in files if "failpoint" in path.read_text().lower() or "tests.campaign" in path.read_text()] == []

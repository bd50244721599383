"""The demo succeeds as a whole, and fails where anything it was to show isn't so."""

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mooring.devstack.demo.play import demo
from mooring.devstack.demo.scene import Scene
from mooring.devstack.demo.steps.publish import rebuild
from mooring.devstack.demo.story import NotSo, Story
from mooring.devstack.demo.volumes import SUBJECT_PV
from tests.harness.repository import ROOT

PATIENCE = 150.0
MOORING = [sys.executable, "-m", "mooring"]
NO_WORKER = """
import os, sys

if sys.orig_argv[-1].endswith("worker.py"):
    os.write(2, b"this is no worker")
    os._exit(1)
"""


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def story(screen: io.StringIO) -> Story:
    return Story(Console(file=screen))


async def run_demo(cwd: Path) -> tuple[int | None, str]:
    """Run `mooring demo` in a process of its own; return its exit code and its output."""
    pipe = asyncio.subprocess.PIPE
    environ = {**os.environ, "PYTHONPATH": f"{cwd}{os.pathsep}{ROOT}"}
    process = await asyncio.create_subprocess_exec(*MOORING, "demo", cwd=cwd, env=environ, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(PATIENCE):
        output, errors = await process.communicate()
    assert errors == b""
    return process.returncode, output.decode()


@pytest.mark.timeout(PATIENCE + 10)
async def test_all_that_the_demo_shows_is_so_where_a_stranger_s_worker_is_about(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("raise SystemExit('this is no worker')")
    code, output = await run_demo(tmp_path)
    assert code == 0, output
    assert "results are as expected" in output


@pytest.mark.timeout(PATIENCE + 10)
async def test_the_demo_fails_where_the_worker_does(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_WORKER)
    code, output = await run_demo(tmp_path)
    assert code == 1
    assert "this is no worker" in output


async def test_a_step_that_is_not_so_ends_the_demo(screen: io.StringIO) -> None:
    async def show_a_holder(scene: Scene, story: Story) -> None:
        story.so("the volume is held by host-a", (await scene.record(SUBJECT_PV)).mark.node, "host-a")

    steps = [("Rebuild", rebuild), ("What isn't so", show_a_holder), ("Never reached", show_a_holder)]
    assert await demo(Console(file=screen), os.environ, stay=False, steps=steps) is False
    assert "✗ the volume is held by host-a\n      expected  'host-a'\n      seen      None" in screen.getvalue()
    assert "Never reached" not in screen.getvalue()


async def test_an_interrupted_demo_says_so_by_its_exit_code(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *MOORING, "demo", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        await process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 130


def test_what_is_so_is_told(story: Story, screen: io.StringIO) -> None:
    story.so("two and two are four", 2 + 2, 4)
    assert screen.getvalue() == "    ✓ two and two are four\n"


def test_what_is_not_so_is_not_told(story: Story, screen: io.StringIO) -> None:
    with pytest.raises(NotSo, match="two and two are five: expected 5, saw 4"):
        story.so("two and two are five", 2 + 2, 5)
    assert screen.getvalue() == ""


def test_what_is_quoted_is_no_markup(story: Story, screen: io.StringIO) -> None:
    story.say("[bold]as it is[/]")
    assert screen.getvalue() == "    [bold]as it is[/]\n"

"""`mooring demo`: the steps in their order, and the verdict.

Contract: true only if every step passed its checks. The first that doesn't ends the demo, with the expected and the actual value,
and the end of a log.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from rich.console import Console

from mooring.devstack.demo.scene import Scene
from mooring.devstack.demo.steps.crash import kill_the_worker
from mooring.devstack.demo.steps.faults import ride_out_an_outage, roll_back
from mooring.devstack.demo.steps.history import show_history, show_ui
from mooring.devstack.demo.steps.publish import publish, publish_again, rebuild, refuse_another_node
from mooring.devstack.demo.story import Story
from mooring.devstack.demo.volumes import COUNT, NODE, SUBJECT
from mooring.devstack.process import StackError
from mooring.devstack.signals import until_told

Step = tuple[str, Callable[[Scene, Story], Awaitable[None]]]

LONGEST: Final = 120.0
"""Seconds after which the demo gives up."""
STEPS: Final[Sequence[Step]] = (
    ("Rebuild: a worker starts, and reads the holders from the PVs", rebuild),
    (f"Publish {SUBJECT} to {NODE}", publish),
    ("The same again: idempotent, and it heals", publish_again),
    ("Another node is refused", refuse_another_node),
    ("The Kubernetes API is away during a publish", ride_out_an_outage),
    ("The backend fails: the publish is rolled back", roll_back),
    ("kill -9 of the worker in mid-publish", kill_the_worker),
    (f"The history of {SUBJECT}", show_history),
    ("The same in the Temporal UI", show_ui),
)


async def demo(console: Console, environ: Mapping[str, str], *, stay: bool, steps: Sequence[Step] = STEPS) -> bool | None:
    """Play the steps and return whether all of them passed, or None if SIGINT or SIGTERM ended the demo.

    With `stay` the parts remain up until such a signal.
    """
    return await until_told(_demo(Story(console), environ, stay, steps))


async def _demo(story: Story, environ: Mapping[str, str], stay: bool, steps: Sequence[Step]) -> bool:
    began = time.perf_counter()
    story.head(f"Mooring: a real Temporal server, {COUNT:,} PersistentVolumes, an embedded Kubernetes API for development")
    try:
        async with Scene.start(environ) as scene:
            story.link(f"Temporal UI: {scene.temporal.ui_url}")
            so = await _play(steps, scene, story)
            story.verdict(time.perf_counter() - began, so=so)
            if stay:
                await _stay(story)
            return so
    except StackError as error:
        story.fail(error)
        return False


async def _play(steps: Sequence[Step], scene: Scene, story: Story) -> bool:
    """Play the steps until one fails, and return whether none did."""
    try:
        async with asyncio.timeout(LONGEST):
            for title, step in steps:
                with story.step(title):
                    await step(scene, story)
    except Exception as error:  # whatever it is, what was to be shown isn't so
        story.fail(error)
        for line in _log_of(error, scene):
            story.say(line)
        return False
    return True


def _log_of(error: Exception, scene: Scene) -> Sequence[str]:
    if isinstance(error, StackError) and error.log:
        return error.log
    return scene.worker.child.last_words() if scene.worker else ()


async def _stay(story: Story) -> None:
    story.say("The Temporal UI stays up until Ctrl-C.")
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()

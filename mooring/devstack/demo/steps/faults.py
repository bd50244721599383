"""Failures of Mooring's dependencies: the API server is out, the backend refuses."""

import asyncio
import re
from typing import Final

from mooring.devstack.demo.backend import Mood
from mooring.devstack.demo.scene import PATIENCE, Scene, until
from mooring.devstack.demo.steps.publish import refusal, unpublish
from mooring.devstack.demo.story import Story
from mooring.devstack.demo.volumes import KEYS, NODE, SECOND_NODE, SUBJECT, SUBJECT_PV, THIRD_NODE
from mooring.errors import BackendFailed
from mooring.models import VolumeRef
from mooring.temporal.history import read_history

ATTEMPTS: Final = 3


async def ride_out_an_outage(scene: Scene, story: Story) -> None:
    """Begin a publish while the API server is out, and have it complete when the server is back."""
    await unpublish(scene, NODE, story)
    before = await scene.record(SUBJECT_PV)
    with scene.proxy.outage():
        publish = asyncio.create_task(scene.mooring.publish(SUBJECT, SECOND_NODE, deadline=PATIENCE))
        told = await until(f"attempt {ATTEMPTS} has begun", lambda: _told_of_attempt(scene, ATTEMPTS))
        story.say(told)
        story.so("the API server is away, and the open publish reports it", "the connection to the API server failed" in told)
        story.so("the publish goes on", publish.done(), False)
        story.so("the PV is as it was", await scene.record(SUBJECT_PV), before)
    result = await publish
    story.so(
        f"the API server is back, and {SECOND_NODE} holds {SUBJECT} at epoch {result.epoch}", await holders(scene), [SECOND_NODE]
    )


async def roll_back(scene: Scene, story: Story) -> None:
    """Have the backend refuse a publish, which withdraws the record and moves the epoch past the attempt."""
    await unpublish(scene, SECOND_NODE, story)
    before = await scene.record(SUBJECT_PV)
    scene.backend.tell(Mood.REFUSE)
    failure = await refusal(scene, SUBJECT, THIRD_NODE)
    scene.backend.tell(Mood.WORK)
    story.say(str(failure))
    story.so("the caller gets the backend's own reason", (type(failure), "no free port" in str(failure)), (BackendFailed, True))
    after = await scene.record(SUBJECT_PV)
    story.so(f"nobody holds the volume: {KEYS.node} is gone from the PV", (after.mark.node, after.holders), (None, ()))
    story.so("the backend has it attached nowhere", scene.backend.attached(SUBJECT), set())
    story.so(f"the epoch rose from {before.epoch} to {after.epoch}", after.epoch > before.epoch)


async def holders(scene: Scene) -> list[str]:
    """Return the nodes that hold the volume, by its PV."""
    return [held.node_id for held in (await scene.record(SUBJECT_PV)).holders]


async def _told_of_attempt(scene: Scene, attempt: int) -> str | None:
    """Return Temporal's message about the open publish, once its pending step is at this attempt or later, else None."""
    told = (await read_history(scene.client, VolumeRef(volume_handle=SUBJECT), limit=1)).runs[0].message
    numbers = [int(number) for number in re.findall(r"attempt (\d+)", told)]
    return told if numbers and numbers[0] >= attempt else None

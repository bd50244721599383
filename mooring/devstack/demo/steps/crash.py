"""A worker is killed in the middle of a publish, and the next one completes it."""

import asyncio

from temporalio.client import WorkflowHandle

from mooring.devstack.demo.backend import EntryKind, Mood
from mooring.devstack.demo.scene import PATIENCE, Scene, until
from mooring.devstack.demo.steps.faults import holders
from mooring.devstack.demo.story import Story
from mooring.devstack.demo.volumes import ATTACHED, NODE, SUBJECT, SUBJECT_PV
from mooring.models import PublishResult, VolumeRef
from mooring.names import volume_id


async def kill_the_worker(scene: Scene, story: Story) -> None:
    """Kill the worker with kill -9 while the backend is at work; another rebuilds its index and completes the very same run."""
    publish = await _publish_that_hangs(scene)
    run_id = await _open_run(scene)
    pid = await scene.kill_worker()
    scene.backend.tell(Mood.WORK)
    story.say(f"kill -9 {pid}, while the backend was attaching {SUBJECT} to {NODE}")
    story.so(f"the PV names {NODE}, written by the publish's own run", await _signed(scene), (NODE, run_id))
    story.so("the backend has not attached it", scene.backend.attached(SUBJECT), set())
    story.so("the publish is still open: Temporal has it", (publish.done(), await _open_run(scene)), (False, run_id))
    found = await scene.start_worker()
    story.so(
        f"the next worker's rebuild finds {found.attached} attached volumes, one more than the first", found.attached, ATTACHED + 1
    )
    result = await publish
    story.so(f"it completes the same run: {NODE} holds {SUBJECT} at epoch {result.epoch}", await _signed(scene), (NODE, run_id))
    story.so(f"the backend has attached it, to {NODE} alone", scene.backend.attached(SUBJECT), {NODE})
    story.so("exactly one node holds it", await holders(scene), [NODE])
    story.so("the backend step was done by the new worker", await _done_by(scene), found.worker)


async def _publish_that_hangs(scene: Scene) -> asyncio.Task[PublishResult]:
    scene.backend.tell(Mood.HANG)
    publish = asyncio.create_task(scene.mooring.publish(SUBJECT, NODE, deadline=2 * PATIENCE))
    asked = len(scene.backend.events(SUBJECT))

    async def begun() -> bool | None:
        return (EntryKind.ASKED, NODE) in scene.backend.events(SUBJECT)[asked:] or None

    await until("the backend is asked", begun)
    return publish


async def _signed(scene: Scene) -> tuple[str | None, str]:
    record = await scene.record(SUBJECT_PV)
    return record.mark.node, record.operation


async def _open_run(scene: Scene) -> str:
    run = await _handle(scene).describe()
    return (run.run_id or "") if run.close_time is None else ""


async def _done_by(scene: Scene) -> str:
    """Return the identity of the worker whose attempt at the backend step succeeded."""
    names: dict[int, str] = {}
    workers: dict[int, str] = {}
    async for event in _handle(scene).fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("activity_task_completed_event_attributes"):
            done = event.activity_task_completed_event_attributes
            workers[done.scheduled_event_id] = done.identity
    return next(worker for step, worker in workers.items() if names[step] == "backend_publish")


def _handle(scene: Scene) -> "WorkflowHandle[object, object]":
    return scene.client.get_workflow_handle(volume_id(VolumeRef(volume_handle=SUBJECT)))

"""What runs do to each other: children, signals, cancellations."""

from __future__ import annotations

from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.workflow import ParentClosePolicy

from tests.simulation.faithful.samples import (
    Child,
    Disturbs,
    HasChild,
    Listens,
    Sleeps,
)
from tests.simulation.faithful.scenario import collect
from tests.simulation.faithful.world import World


async def _parent(world: World, child: Child) -> WorkflowHandle[Any, Any]:
    return await world.start(HasChild, child, which="parent")


async def _note_child(world: World, which: str = "child") -> WorkflowHandle[Any, Any]:
    described = await world.client.get_workflow_handle(world.id(which)).describe()
    world.note(described.id, described.run_id)
    return world.client.get_workflow_handle(described.id, run_id=described.run_id)


async def a_child_completes(world: World) -> None:
    async with world.worker():
        await world.end(await _parent(world, Child(id=world.id("child"))))
        await _note_child(world)


async def a_child_fails(world: World) -> None:
    async with world.worker():
        await world.end(await _parent(world, Child(id=world.id("child"), kind="Fails", given=None)))


async def a_child_is_there_already(world: World) -> None:
    async with world.worker():
        await world.start(Sleeps, 30.0, which="child")
        await world.end(await _parent(world, Child(id=world.id("child"))))


async def a_child_was_there_and_may_not_be_again(world: World) -> None:
    async with world.worker():
        await world.run(Sleeps, 0.1, which="child")
        await world.end(await _parent(world, Child(id=world.id("child"), reuse=3)))


async def a_child_is_terminated(world: World) -> None:
    async with world.worker():
        parent = await _parent(world, Child(id=world.id("child"), given=60.0))
        await world.reaches(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
        child = await _note_child(world)
        await world.reaches(child, "TIMER_STARTED")
        await child.terminate("enough")
        await world.end(parent)


async def a_child_goes_on_as_a_new_run(world: World) -> None:
    async with world.worker():
        await world.end(await _parent(world, Child(id=world.id("child"), kind="GoesOn", given=1)))


async def a_child_is_cancelled_with_its_parent(world: World) -> None:
    async with world.worker():
        parent = await _parent(world, Child(id=world.id("child"), given=60.0))
        await world.reaches(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
        await world.reaches(await _note_child(world), "TIMER_STARTED")
        await parent.cancel()
        await world.end(parent)


async def _parent_closes(world: World, policy: ParentClosePolicy, ends: str) -> None:
    async with world.worker():
        parent = await _parent(world, Child(id=world.id("child"), given=60.0, policy=policy))
        await world.reaches(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
        child = await _note_child(world)
        await world.reaches(child, "TIMER_STARTED")
        await parent.terminate("enough")
        await world.end(parent)
        if ends:
            await world.reaches(child, ends)


async def a_child_is_terminated_as_its_parent_closes(world: World) -> None:
    await _parent_closes(world, ParentClosePolicy.TERMINATE, "WORKFLOW_EXECUTION_TERMINATED")


async def a_child_outlives_its_parent(world: World) -> None:
    await _parent_closes(world, ParentClosePolicy.ABANDON, "")


async def a_child_is_cancelled_as_its_parent_closes(world: World) -> None:
    await _parent_closes(world, ParentClosePolicy.REQUEST_CANCEL, "WORKFLOW_EXECUTION_CANCELED")


async def another_run_is_signalled(world: World) -> None:
    async with world.worker():
        other = await world.start(Listens, 1, which="other")
        await world.reaches(other, "WORKFLOW_TASK_COMPLETED")
        await world.run(Disturbs, "signal", other.id)
        await world.end(other)


async def another_run_is_cancelled(world: World) -> None:
    async with world.worker():
        other = await world.start(Sleeps, 60.0, which="other")
        await world.reaches(other, "TIMER_STARTED")
        await world.run(Disturbs, "cancel", other.id)
        await world.end(other)


async def a_run_that_is_not_there_is_signalled(world: World) -> None:
    async with world.worker():
        await world.run(Disturbs, "signal", world.id("nobody"))


async def a_run_that_is_not_there_is_cancelled(world: World) -> None:
    async with world.worker():
        await world.run(Disturbs, "cancel", world.id("nobody"))


SCENARIOS: Final = collect(globals())

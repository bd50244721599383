"""What the server does beside runs: schedules, and the list of runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from tests.simulation.faithful.samples import STATE, Acts, Shows, Sleeps
from tests.simulation.faithful.scenario import collect
from tests.simulation.faithful.world import TASK_TIMEOUT, World


def _schedule(world: World, every: timedelta) -> Schedule:
    action = ScheduleActionStartWorkflow(
        Sleeps.run, 1.0, id=world.id("scheduled"), task_queue=world.queue, task_timeout=TASK_TIMEOUT
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    return Schedule(action=action, spec=spec, policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP))


async def a_schedule_is_triggered(world: World) -> None:
    async with world.worker():
        schedule = await world.client.create_schedule(world.id(), _schedule(world, timedelta(days=30)))
        try:
            await world.client.create_schedule(world.id(), _schedule(world, timedelta(days=30)))
        except ScheduleAlreadyRunningError:
            world.said.append("there is one")
        await schedule.trigger()
        while not (found := (await schedule.describe()).info).recent_actions:
            await asyncio.sleep(0.05)
        action = found.recent_actions[0].action
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        run = world.client.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id)
        world.note(run.id, run.run_id or "")
        await world.end(run)
        world.said.append(str(run.id.startswith(f"{world.id('scheduled')}-")))
        await schedule.delete()


async def a_schedule_is_changed_and_deleted(world: World) -> None:
    schedule = await world.client.create_schedule(world.id(), _schedule(world, timedelta(days=30)))

    def slower(found: ScheduleUpdateInput) -> ScheduleUpdate:
        found.description.schedule.spec.intervals = [ScheduleIntervalSpec(every=timedelta(days=60))]
        return ScheduleUpdate(found.description.schedule)

    await schedule.update(slower)
    await schedule.pause(note="for a while")
    described = await schedule.describe()
    state = described.schedule.state
    world.said += [
        str(described.schedule.spec.intervals[0].every),
        f"{state.paused} {state.note}",
    ]
    await schedule.delete()
    try:
        await schedule.describe()
    except RPCError as error:
        world.said.append(error.status.name)


async def runs_are_listed(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [], which="one")
        await world.run(Shows, which="two")
        open_one = await world.start(Sleeps, 60.0, which="three")
        await world.reaches(open_one, "TIMER_STARTED")
        mine = f"WorkflowId STARTS_WITH '{world.id('')}'"
        while await _count(world, mine) < 3 or await _count(world, f"{mine} AND ExecutionStatus = 'Completed'") < 2:
            await asyncio.sleep(0.05)
        for query in (
            mine,
            f"{mine} AND ExecutionStatus = 'Running'",
            f"{mine} AND ExecutionStatus != 'Running' AND WorkflowType = 'Acts'",
            f"{mine} AND {STATE.name} = 'Attaching'",
            f"WorkflowId = '{world.id('one')}' OR WorkflowId = \"{world.id('two')}\"",
            f"{mine} AND StartTime > '2001-01-01T00:00:00+00:00' AND CloseTime >= '2001-01-01T00:00:00+00:00'",
        ):
            found = [run async for run in world.client.list_workflows(query, page_size=1)]
            world.said.append(str([f"{run.id.rpartition('/')[2]} {run.status.name if run.status else ''}" for run in found]))
        await open_one.terminate()


async def _count(world: World, query: str) -> int:
    return (await world.client.count_workflows(query)).count


SCENARIOS: Final = collect(globals())

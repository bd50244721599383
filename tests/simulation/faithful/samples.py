"""Workflows and activities made for the scenarios."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityCancellationType, ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from temporalio.common import SearchAttributeKey, WorkflowIDReusePolicy

WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
STATE = SearchAttributeKey.for_keyword("AttachmentState")


class Act(BaseModel):
    """An activity to carry out; `fails` attempts of it fail."""

    kind: str = "say"
    fails: int = 0
    sleeps: float = 0.0
    final: bool = False
    again_after: float = 0.0
    beats: float = 0.0
    attempts: int = 0
    close: float = 0.0
    start: float = 0.0
    attempt: float = 5.0
    heartbeat: float = 0.0
    first_pause: float = 0.2
    listed: bool = False
    queue: str = ""
    cancellation: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL
    local: bool = False


@activity.defn
async def do(act: Act) -> str:
    """Do as asked."""
    info = activity.info()
    if act.sleeps and info.attempt > act.fails:
        await _sleep(act)
    if info.attempt <= act.fails:
        if act.kind == "hang":
            await asyncio.sleep(60)
        delay = timedelta(seconds=act.again_after) if act.again_after else None
        raise ApplicationError("asked to", type="Asked", non_retryable=act.final, next_retry_delay=delay)
    return f"attempt {info.attempt}"


async def _sleep(act: Act) -> None:
    for _ in range(int(act.sleeps / (act.beats or act.sleeps))):
        if act.beats:
            activity.heartbeat("beat")
        await asyncio.sleep(act.beats or act.sleeps)


def _seconds(given: float) -> timedelta | None:
    return timedelta(seconds=given) if given else None


async def carry_out(act: Act) -> str:
    """Carry an activity out, from a workflow."""
    policy = RetryPolicy(
        initial_interval=timedelta(seconds=act.first_pause),
        maximum_attempts=act.attempts,
        non_retryable_error_types=["Asked"] if act.listed else None,
    )
    if act.local:
        return await workflow.execute_local_activity(
            do, act, start_to_close_timeout=_seconds(act.attempt), retry_policy=policy, cancellation_type=act.cancellation
        )
    return await workflow.execute_activity(
        do,
        act,
        task_queue=act.queue or None,
        schedule_to_close_timeout=_seconds(act.close),
        schedule_to_start_timeout=_seconds(act.start),
        start_to_close_timeout=_seconds(act.attempt),
        heartbeat_timeout=_seconds(act.heartbeat),
        retry_policy=policy,
        cancellation_type=act.cancellation,
    )


@workflow.defn
class Acts:
    """Carries out activities, one after the other."""

    @workflow.run
    async def run(self, acts: list[Act]) -> list[str]:
        return [await carry_out(act) for act in acts]


@workflow.defn
class ActsTogether:
    """Carries out activities at once."""

    @workflow.run
    async def run(self, acts: list[Act]) -> list[str]:
        return list(await asyncio.gather(*(carry_out(act) for act in acts)))


@workflow.defn
class Undoes:
    """Carries out an activity, and another one if it is cancelled."""

    @workflow.run
    async def run(self, acts: list[Act]) -> str:
        try:
            return await carry_out(acts[0])
        except (asyncio.CancelledError, ActivityError):  # NB: an eviction raises other errors here, and must not be awaited in
            await carry_out(acts[1])
            raise


@workflow.defn
class Listens:
    """Waits for signals; `stop` ends it."""

    def __init__(self) -> None:
        self._heard: list[str] = []

    @workflow.run
    async def run(self, wanted: int) -> list[str]:
        await workflow.wait_condition(lambda: len(self._heard) >= wanted)
        return self._heard

    @workflow.signal
    def hear(self, word: str) -> None:
        self._heard.append(word)

    @workflow.query
    def heard(self) -> list[str]:
        return self._heard

    @workflow.update
    async def add(self, word: str) -> int:
        self._heard.append(word)
        return len(self._heard)

    @add.validator
    def _check(self, word: str) -> None:
        if word == "no":
            raise ApplicationError("not this", type="Refused")


@workflow.defn
class Outwaits:
    """Waits to hear a word, for a moment."""

    def __init__(self) -> None:
        self._heard = False

    @workflow.run
    async def run(self) -> bool:
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._heard, timeout=0.5)
        await workflow.sleep(0.2)
        return self._heard

    @workflow.signal
    def hear(self, _: str) -> None:
        self._heard = True


@workflow.defn
class Sleeps:
    """Sleeps."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        await workflow.sleep(seconds)
        return "slept"


@workflow.defn
class Races:
    """Has a short timer end a long one."""

    @workflow.run
    async def run(self) -> str:
        long = asyncio.create_task(workflow.sleep(3600))
        await workflow.sleep(0.2)
        long.cancel()
        await workflow.sleep(0.2)
        return "raced"


@workflow.defn
class Fails:
    """Fails."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("it was to", type="Meant", non_retryable=True)


@workflow.defn
class GoesOn:
    """Goes on as a new run, some times."""

    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1, memo={"left": left})
        return f"{workflow.info().first_execution_run_id == workflow.info().run_id}"


class Child(BaseModel):
    """A child to start."""

    id: str
    kind: str = "Sleeps"
    given: Any = 0.2
    policy: ParentClosePolicy = ParentClosePolicy.TERMINATE
    cancellation: ChildWorkflowCancellationType = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
    waits: bool = True
    reuse: int = 1


@workflow.defn
class HasChild:
    """Starts a child, and waits for it or doesn't."""

    @workflow.run
    async def run(self, child: Child) -> str:
        handle: Any = await workflow.start_child_workflow(
            child.kind,
            *([] if child.given is None else [child.given]),
            id=child.id,
            parent_close_policy=child.policy,
            cancellation_type=child.cancellation,
            id_reuse_policy=WorkflowIDReusePolicy(child.reuse),
        )
        return str(await handle) if child.waits else "left"


@workflow.defn
class Disturbs:
    """Signals or cancels another run."""

    @workflow.run
    async def run(self, what: str, other: str) -> str:
        handle = workflow.get_external_workflow_handle(other)
        try:
            await (handle.signal("hear", "from afar") if what == "signal" else handle.cancel())
        except ApplicationError as error:
            return str(error)
        return "done"


@workflow.defn
class Shows:
    """Sets what operators see."""

    @workflow.run
    async def run(self) -> str:
        workflow.upsert_search_attributes([STATE.value_set("Attaching")])
        workflow.upsert_memo({"note": "one"})
        await workflow.sleep(0.1)
        workflow.upsert_memo({"note": "two", "more": 3})
        return str(workflow.memo_value("note"))


@workflow.defn
class Patched:
    """Takes a patch, and another one later."""

    @workflow.run
    async def run(self) -> str:
        first = workflow.patched("first")
        await workflow.sleep(0.2)
        again, second = workflow.patched("first"), workflow.patched("second")
        await workflow.sleep(0.2)
        return f"{first} {again} {second}"


_FAILED_TASKS: set[str] = set()


@workflow.defn
class Stumbles:
    """Fails its first workflow task, and no other."""

    @workflow.run
    async def run(self) -> str:
        if workflow.info().run_id not in _FAILED_TASKS:
            _FAILED_TASKS.add(workflow.info().run_id)
            raise RuntimeError("a fault of the code")
        await workflow.sleep(0.2)
        return "done"


WORKFLOWS = [
    Acts,
    ActsTogether,
    Undoes,
    Listens,
    Outwaits,
    Sleeps,
    Races,
    Fails,
    GoesOn,
    HasChild,
    Disturbs,
    Shows,
    Patched,
    Stumbles,
]

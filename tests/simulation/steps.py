"""The ends of a step: done, refused, out of time, cancelled, its answer lost, or its attempt left hanging to land later."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from mooring.errors import BackendFailed, BackendInvalidArgument, KubernetesForbidden, NodeNotFound
from mooring.models import (
    BackendCall,
    NodeVerdict,
    ObserveInput,
    ObserveResult,
    OperationLimits,
    PersistInput,
    ReadResult,
    RunRef,
    UnpersistedRun,
    Write,
)
from mooring.records import fence, holds
from mooring.records.holds import Fate
from tests.simulation import judge
from tests.simulation.instance import CONVERTER
from tests.simulation.temporal import Run, Status, Step

if TYPE_CHECKING:
    from tests.simulation.server import Server

LIMITS: Final = OperationLimits(
    attempt_timeout=10,
    heartbeat_timeout=5,
    publish_budget=120,
    clear_budget=60,
    backend_timeout=60,
    backend_budget=300,
    retry_interval_max=10,
    conflicts_max=10,
    reject_missing_pv=False,
    search_attributes=False,
    backend=True,
)
WRITES: Final = ("record_attachment", "release_attachment", "persist_attachment", "undo_attachment")
FATES: Final = {
    Status.OPEN: Fate.OPEN,
    Status.COMPLETED: Fate.SUCCEEDED,
    Status.FAILED: Fate.ROLLED_BACK,
    Status.CANCELLED: Fate.ROLLED_BACK,
    Status.TERMINATED: Fate.CUT_OFF,
}


def is_ready(world: Server, step: Step) -> bool:
    """Return whether a step can end or change now."""
    if step.name == "wait_for_volume":
        return step.cancelled or world.cluster.pv is not None
    if step.name in ("drop_unpersisted", "outwait_unpersisted"):
        held = world.run(_argument(step, RunRef).run_id)
        return held is None or not held.open or (step.name == "drop_unpersisted" and not held.cancel_requested)
    return True


def carry_out(world: Server, run: Run, step: Step) -> None:
    """Have a step end or change, and add that to the story; without faults it succeeds."""
    before, attempt = len(run.jobs), step.attempt
    _carry_out(world, run, step)
    ends = run.jobs[-1].resolve_activity.result.WhichOneof("status") if len(run.jobs) > before else ""
    again = "no answer" if step.attempt > attempt else "waits"
    world.story[-1] += f": {ends or again}, {world.describe()}"


def _carry_out(world: Server, run: Run, step: Step) -> None:
    if step.cancelled and (step.name == "wait_for_volume" or world.happens(0.5)):
        leave(world, run, step)
        run.cancel_step(step)
    elif step.bounded and world.happens(0.03):
        leave(world, run, step)
        run.time_out(step)
    elif step.name in WRITES:
        _write(world, run, step)
    elif step.name.startswith("backend_"):
        _call(world, run, step)
    else:
        ANSWERS[step.name](world, run, step)


def leave_behind(world: Server, run: Run) -> None:
    """Leave what a run that is cut off has under way."""
    for step in run.steps.values():
        leave(world, run, step)
    if any("schedule_activity backend_publish" in given.answered for given in run.instance.history):
        world.loose.add(run.node)


def leave(world: Server, run: Run, step: Step) -> None:
    """Have an attempt that nobody waits for any more do its work: never, at once, or, a write, later."""
    if step.local and world.happens(0.3):
        world.cluster.write(_argument(step, Write))
    elif step.name in WRITES and world.happens(0.5):
        world.strays.append((run, _argument(step, Write)))
    elif step.name.startswith("backend_") and world.happens(0.5):
        _at_driver(world, step)


def _write(world: Server, run: Run, step: Step) -> None:
    write = _argument(step, Write)
    if step.local and world.happens(0.05):
        leave(world, run, step)  # NB: by a worker that died after it had told the server that its task goes on
        run.instance.beats = True
    if step.name in WRITES[:2] and world.happens(0.04):
        run.refuse(step, KubernetesForbidden("The API server denies it."))
        return
    if world.happens(0.12):
        world.strays.append((run, write))
        _unanswered(run, step)
        return
    result = world.cluster.write(write)
    if world.happens(0.12):
        _unanswered(run, step)
        return
    run.succeed(step, result.model_copy(update={"by": run.run_id}))


def _unanswered(run: Run, step: Step) -> None:
    """Try a step again that had no answer, or end a local one."""
    if step.local:
        run.time_out(step)
    else:
        step.attempt += 1


def _call(world: Server, run: Run, step: Step) -> None:
    if step.name == "backend_publish" and world.happens(0.08):
        run.refuse(step, BackendInvalidArgument("The backend will not."))
        return
    done = _at_driver(world, step)
    if step.name == "backend_publish" and world.happens(0.05):
        run.refuse(step, BackendFailed("The backend failed."))
    elif world.happens(0.12):
        step.attempt += 1
    else:
        run.succeed(step, done)


def _at_driver(world: Server, step: Step) -> dict[str, str] | None:
    call = _argument(step, BackendCall)
    if step.name == "backend_publish":
        judge.attaches(world, step, call.node_id)
        world.cluster.attach(call.node_id)
        return {}
    world.cluster.detach(call.node_id)
    world.loose -= {call.node_id} if call.node_id else set(world.loose)
    return None


def _observe(world: Server, run: Run, step: Step) -> None:
    seen = world.cluster.seen(world.dice) if world.faults else world.cluster.read()
    calm = _argument(step, ObserveInput).at_once and seen is not None and fence.is_plain(seen)
    waiting = _waiting(world, run)
    node = NodeVerdict.UNKNOWN if world.happens(0.03) else NodeVerdict.ADMITTED
    undisturbed = calm and waiting is None and node is NodeVerdict.ADMITTED
    run.succeed(step, ObserveResult(record=seen, waiting=waiting, limits=LIMITS, node=node, undisturbed=undisturbed))


def _look(world: Server, run: Run, step: Step) -> None:
    run.succeed(step, ReadResult(record=world.cluster.read(), by=run.run_id))


def _find(world: Server, run: Run, step: Step) -> None:
    run.succeed(step, _waiting(world, run))


def _waiting(world: Server, run: Run) -> UnpersistedRun | None:
    hold = world.hold()
    if hold is None or hold.memo is None:
        return None
    attachment = world.attachment(hold)
    return UnpersistedRun(
        attachment=attachment,
        run_id=hold.run_id,
        by=run.run_id,
        ending=hold.cancel_requested,
        begun_by=hold.instance.argument.operation,
    )


def _drop(world: Server, run: Run, step: Step) -> None:
    hold = world.run(_argument(step, RunRef).run_id)
    if hold is None or not hold.open:
        run.succeed(step, None)
    else:
        world.cancel(hold)


def _outwait(world: Server, run: Run, step: Step) -> None:
    run.succeed(step, None)


def _is_open(world: Server, run: Run, step: Step) -> None:
    operation = world.run(_argument(step, RunRef).run_id)
    run.succeed(step, operation is not None and operation.open)


def _publisher(world: Server, run: Run, step: Step) -> None:
    publisher = world.run(_argument(step, RunRef).run_id)
    fate = FATES[publisher.status] if publisher else Fate.UNKNOWN
    learnt = publisher is None or fate is not Fate.CUT_OFF or publisher.child_started
    run.succeed(step, holds.lives(fate, learnt=learnt))


def _has_begun(world: Server, run: Run, step: Step) -> None:
    hold = world.run(_argument(step, RunRef).run_id)
    asked = hold.instance.argument if hold else None
    run.succeed(step, isinstance(asked, PersistInput) and asked.operation == run.run_id)


def _wait(world: Server, run: Run, step: Step) -> None:
    run.succeed(step, world.cluster.read())


def _check_node(world: Server, run: Run, step: Step) -> None:
    if world.happens(0.5):
        run.refuse(step, NodeNotFound("There is no such node."))
    else:
        run.succeed(step, None)


def _nothing(_: Server, run: Run, step: Step) -> None:
    run.succeed(step, None)


ANSWERS: Final[dict[str, Callable[[Server, Run, Step], None]]] = {
    "observe_volume": _observe,
    "look_at_volume": _look,
    "find_unpersisted": _find,
    "drop_unpersisted": _drop,
    "outwait_unpersisted": _outwait,
    "check_operation": _is_open,
    "check_publisher": _publisher,
    "check_recorder": _has_begun,
    "wait_for_volume": _wait,
    "check_node": _check_node,
    "warn_not_cleared": _nothing,
}


def _argument(step: Step, kind: type[Any]) -> Any:
    return CONVERTER.from_payload(step.argument, kind)

"""The rules that hold: always, when an operation ends, when a stray lands, and when everything is at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mooring.errors import HeldElsewhere
from mooring.models import UnpublishResult, Write
from tests.simulation.instance import CONVERTER
from tests.simulation.temporal import Run, Status, Step
from workflows.publish import PublishVolume
from workflows.unpublish import UnpublishVolume

if TYPE_CHECKING:
    from tests.simulation.server import Server


def always(world: Server) -> None:
    """Judge a moment."""
    holders, hold = world.cluster.holders(), world.hold()
    if len(holders) > 1:
        raise world.fail(f"the record names {holders}")
    if hold is not None and set(holders) - {hold.node}:
        raise world.fail(f"{hold.node} holds without a PV, and the record names {holders}")
    if len(world.granted) > 1:
        raise world.fail(f"{sorted(world.granted)} were all told to have the volume")
    if ghosts := world.gone.intersection(holders):
        raise world.fail(f"{sorted(ghosts)} were told to be rid of the volume, and the record names them")
    record = world.cluster.read()
    for run in (run for run in world.runs if run.open):
        run.saw_rival = run.saw_rival or bool(_held(world) - {run.node})
        run.found_held = run.found_held or (record is not None and record.operation != run.run_id and run.node in holders)


def begun(world: Server, run: Run) -> None:
    """Note which reports to callers an operation takes back."""
    if run.instance.kind is PublishVolume:
        world.gone.discard(run.node)
    elif run.instance.kind is UnpublishVolume and not run.instance.argument.bound:
        world.granted -= {run.node} if run.node else set(world.granted)


def ended(world: Server, run: Run) -> None:
    """Judge what an operation reports to its caller."""
    if run.instance.kind is PublishVolume:
        _published(world, run) if run.status is Status.COMPLETED else _not_published(world, run)
    elif run.instance.kind is UnpublishVolume and run.status is Status.COMPLETED:
        _unpublished(world, run)


def attaches(world: Server, step: Step, node: str) -> None:
    """Judge a call that has the driver attach."""
    if not step.again and (others := world.granted - {node}):
        raise world.fail(f"the driver is asked to attach to {node} beside {sorted(others)}")


def landed(world: Server, run: Run, write: Write, holders: list[str]) -> None:
    """Judge a write that changed the record after nobody waited for it any more; `holders` were those before."""
    gives = write.node_id not in holders and write.node_id in [held.node_id for held in write.holders]
    if gives and any(heir.told for heir in run.heirs()):
        raise world.fail(f"a write of {run.run_id} for {write.node_id} lands after its operation has ended")


def at_rest(world: Server) -> None:
    """Judge the state in which nothing moves any more."""
    held = _held(world)
    if lost := world.granted - held:
        raise world.fail(f"{sorted(lost)} were told to have the volume, and nothing holds it for them")
    if lost := world.granted - set(world.cluster.attached):
        raise world.fail(f"{sorted(lost)} were told to have the volume, and the driver doesn't have it attached")
    if stray := set(world.cluster.attached) - held - world.loose:
        raise world.fail(f"the driver has {sorted(stray)} attached, and nothing holds the volume for them")
    if stuck := world.volume_run():
        raise world.fail(f"{stuck.run_id} waits for nothing")
    _judge_wait(world)


def empty(world: Server) -> None:
    """Judge the state after the volume was taken from everybody."""
    if _held(world) or world.cluster.attached:
        raise world.fail(f"unpublished from all, and {sorted(_held(world))} hold it, {world.cluster.attached} have it attached")


def _published(world: Server, run: Run) -> None:
    if run.node not in _held(world):
        raise world.fail(f"{run.run_id} has published to {run.node}, and nothing holds the volume for it")
    if run.node not in world.cluster.attached:
        raise world.fail(f"{run.run_id} has published to {run.node}, and the driver doesn't have it attached")
    world.granted.add(run.node)


def _not_published(world: Server, run: Run) -> None:
    record = world.cluster.read()
    if record is not None and record.operation == run.run_id and run.node in world.cluster.holders() and not run.found_held:
        raise world.fail(f"{run.run_id} has failed, and its record is left")
    if run.node in set(world.cluster.attached) - _held(world) - world.loose:
        raise world.fail(f"{run.run_id} has failed, and the driver has {run.node} attached")
    kind = run.failure.application_failure_info.type if run.failure else ""
    if kind == HeldElsewhere.type_name() and not run.saw_rival:
        raise world.fail(f"{run.run_id} is refused, and no other node held the volume while it ran")


def _unpublished(world: Server, run: Run) -> None:
    result = CONVERTER.from_payload(run.result, UnpublishResult) if run.result else None
    if result is None or not result.annotation_cleared or run.instance.argument.bound:
        return
    nodes = {run.node} if run.node else {*world.cluster.attached, *_held(world)}
    if left := nodes & (_held(world) | set(world.cluster.attached)):
        raise world.fail(f"{run.run_id} has unpublished, and {sorted(left)} still hold the volume")
    world.gone |= nodes


def _judge_wait(world: Server) -> None:
    hold = world.hold()
    if hold is None or hold.steps or hold.timers:
        return
    publisher = world.run(hold.instance.argument.operation)
    if publisher is not None and all(heir.status is not Status.TERMINATED for heir in publisher.heirs()):
        raise world.fail(f"{hold.run_id} waits for the word of {publisher.run_id}, which has ended")


def _held(world: Server) -> set[str]:
    hold = world.hold()
    return {*world.cluster.holders(), *([hold.node] if hold else [])}

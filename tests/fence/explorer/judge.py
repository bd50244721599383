"""What must hold in every state, and what an operation's end tells the caller.

A terminated operation tells nothing: its node may hold the volume or not, and only an unpublish settles it. A reset one is a
new operation that knows what its former self knew up to then; its former self was terminated, if it hadn't ended.
"""

from __future__ import annotations

from tests.fence.explorer.rules import Rules
from tests.fence.explorer.state import Run, World, Write


def fault(world: World, single_node: bool) -> str:
    """What is wrong in this state; "" where nothing is."""
    holders = world.pv.holders if world.pv else ()
    ghosts = world.gone.intersection(holders)
    lost = world.believed.difference(holders)
    if world.broken:
        return world.broken
    if single_node and len(holders) > 1:
        return f"a single-node volume has the holders {', '.join(holders)}"
    if lost:
        return f"{', '.join(sorted(lost))} was told to have the volume, nobody unpublished it, and the record doesn't hold it"
    if ghosts:
        return f"ghost: {', '.join(sorted(ghosts))} was told to be off the volume, nobody published it since, and the record holds it"
    return ""


def misstep(before: World, after: World) -> str:
    """What is wrong with a step; "" where nothing is."""
    old, new = before.pv, after.pv
    if old and new and old != new and old.uid == new.uid and new.epoch <= old.epoch:
        return f"the epoch went from {old.epoch} to {new.epoch}"
    return ""


def started(world: World, run: Run) -> World:
    """The operation is asked for: an unpublish takes its nodes out of belief, a publish its node from those that are off."""
    if run.kind == "publish":
        return world._replace(run=run, gone=world.gone - run.nodes)
    return world._replace(run=run, believed=world.believed - run.nodes)


def succeeded(world: World, run: Run) -> World:
    """The publish told its caller that the node has the volume; a PV that is gone by now takes no belief along."""
    same_volume = world.pv is not None and run.record is not None and run.record.uid == world.pv.uid
    return world._replace(run=None, believed=world.believed | run.nodes if same_volume else world.believed)


def failed(world: World, run: Run) -> World:
    """The publish told its caller that it failed and nothing of it is left: what holds the node now, another operation made."""
    made = dict(zip(world.pv.holders, world.makers, strict=True)) if world.pv else {}
    if made.get(run.node) == run.operation:
        return world._replace(broken=f"{run.name} failed, and left {run.node} the holder it made it")
    return world._replace(run=None, gone=world.gone if run.node in made else world.gone | run.nodes)


def detached(world: World, run: Run) -> World:
    """The unpublish told its caller that the nodes are off the volume."""
    return world._replace(run=None, gone=world.gone | run.nodes)


def undoing(world: World, run: Run, write: Write, rules: Rules) -> World:
    """The rollback is about to write: it takes nobody's attachment away but the one its own claim made."""
    made = dict(zip(world.pv.holders, world.makers, strict=True)) if world.pv else {}
    lost = set(made).difference(write.holders)
    if rules.lands(write, world.pv) and any(made[node] != write.operation for node in lost):
        return world._replace(run=run, broken=f"{run.name} takes back what another operation made: {', '.join(sorted(lost))}")
    return world._replace(run=run)


def replayed(decided: Run | str, again: Run | str) -> str:
    """What is wrong with a decision that a reset run takes another way than the run whose history it replays."""
    if isinstance(decided, str) or (not isinstance(again, str) and _shape(decided) == _shape(again)):
        return ""
    return f"{decided.name} went on with {decided.step}, and a run reset to a later point would not: its history can't be replayed"


def _shape(run: Run) -> tuple[object, ...]:
    write = run.write and run.write._replace(operation=0)
    return (run.step, run.look, write, run.reclaims, run.claimed, run.record)

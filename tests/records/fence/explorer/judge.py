"""The rules that hold in every state, and the meaning of an operation's end for its caller.

A terminated operation reports nothing: its node may hold the volume or not, and only an unpublish settles it. A reset one is a
new operation that knows what its former self knew up to then; its former self was terminated, if it hadn't ended.
"""

from __future__ import annotations

from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import Driver, Run, World


def fault(world: World, single_node: bool) -> str:
    """Return the fault in this state, or "" if there is none."""
    holders = world.holders
    ghosts = world.gone.intersection(holders)
    lost = world.believed.difference(holders)
    if world.broken:
        return world.broken
    if world.driver is not None and (wrong := _at_the_driver(world, world.driver, single_node)):
        return wrong
    if single_node and len(holders) > 1:
        return f"a single-node volume has the holders {', '.join(holders)}"
    if lost:
        return f"{', '.join(sorted(lost))} was told to have the volume, nobody unpublished it, and the record doesn't hold it"
    if ghosts:
        return f"ghost: {', '.join(sorted(ghosts))} was told to be off, nobody published it since, and the record holds it"
    return ""


def _at_the_driver(world: World, driver: Driver, single_node: bool) -> str:
    unnamed = driver.attached.difference(world.pv.holders if world.pv else ())
    lost = world.believed.difference(driver.attached)
    if single_node and len(driver.attached) > 1:
        return f"two nodes have a single-node volume at the driver: {', '.join(sorted(driver.attached))}"
    if lost:
        return f"{', '.join(sorted(lost))} was told to have the volume, nobody unpublished it, and the driver has detached it"
    if unnamed:
        return f"{', '.join(sorted(unnamed))} has the volume at the driver, and the record doesn't name it"
    return ""


def misstep(before: World, after: World) -> str:
    """Return the fault in a step, or "" if there is none."""
    old, new = before.pv, after.pv
    if old is None or new is None or old == new or not new.epoch:
        return ""
    most = max(old.epoch if old.uid == new.uid else 0, before.known.epoch if before.known else 0)
    return f"the epoch went from {most} to {new.epoch}" if new.epoch <= most else ""


def started(world: World, run: Run) -> World:
    """Return the world in which the operation starts: an unpublish takes its nodes out of `believed`, a publish out of `gone`."""
    if run.kind == "publish":
        return world._replace(run=run, gone=world.gone - run.nodes)
    return world._replace(run=run, believed=world.believed - run.nodes)


def ended(world: World, run: Run, how: str, rules: Rules) -> World:
    """Return the world after the operation's report: a publish "succeeds", "fails" or "is refused", an unpublish "succeeds"."""
    if run.kind == "unpublish":
        return world.forgets(rules.lets_go(run))._replace(run=None, gone=world.gone | run.nodes)
    if how == "fails":
        return _failed(world, run, rules)
    return _succeeded(world, run) if how == "succeeds" else world._replace(run=None)


def turned_away(world: World, run: Run, rules: Rules) -> World:
    """Return the world after a refusal before the first look, by which nothing of the operation was written, or ever will be."""
    if world.made.get(run.node) == run.operation:
        return world._replace(broken=f"{run.name} is refused, and has made {run.node} a holder")
    if any(write.operation == run.operation and rules.lands(write, world.pv) for write in world.flying):
        return world._replace(broken=f"{run.name} is refused, and an attempt of it may still land")
    return world._replace(run=None)


def goes_on(world: World, run: Run, rules: Rules) -> World:
    """Return the world in which the operation goes on; about to undo, it takes away no attachment but that which it acquired."""
    lost = set(world.made).difference(run.write.holders) if run.step == "undoing" and run.write else set()
    if run.write and lost and rules.lands(run.write, world.pv) and any(world.made[node] != run.write.operation for node in lost):
        return world._replace(run=run, broken=f"{run.name} takes back what another operation made: {', '.join(sorted(lost))}")
    return world._replace(run=run)


def replayed(run: Run, decided: Run | str, again: Run | str) -> str:
    """Return the fault in a decision that a run, reset to a later point and replaying it, would make otherwise, or ""."""
    if isinstance(decided, str) or (not isinstance(again, str) and _shape(decided) == _shape(again)):
        return ""
    return f"{run.name} goes on to step {decided.step}; reset later, it would not, so that Temporal could not replay it"


def _succeeded(world: World, run: Run) -> World:
    return world._replace(run=None, believed=world.believed | run.nodes)


def _failed(world: World, run: Run, rules: Rules) -> World:
    if world.made.get(run.node) == run.operation:
        world = world.forgets(rules.lets_go(run))
    if world.made.get(run.node) == run.operation:
        return world._replace(broken=f"{run.name} failed, and left {run.node} the holder it had made it")
    return world._replace(run=None, gone=world.gone if run.node in world.made else world.gone | run.nodes)


def _shape(run: Run) -> Run:
    # NB: no run is reset to the midst of its first task, where its attempt is local.
    return run._replace(operation=0, write=run.write and run.write._replace(operation=0), local=False)

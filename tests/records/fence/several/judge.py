"""The rules that hold in every state, and the meaning of an operation's end for its caller.

NB: a holder whose record went with every PV that bore it is forgotten here, if the PVs that are left have workers ask what is known
beyond them: the consequences are no question of several PVs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.records.fence.several.state import Pv, Run, World

if TYPE_CHECKING:
    from tests.records.fence.several.rules import Rules


def fault(world: World, *, lag: bool) -> str:
    """Return the fault in this state, or "" if there is none."""
    told = sorted(node for node, _ in world.believed)
    if len(told) > 1:
        return f"both {' and '.join(told)} were told to have the volume"
    return world.broken or _lost(world) or _left(world, lag=lag)


def _lost(world: World) -> str:
    for node, uids in world.believed:
        for pv in world.pvs:
            if pv.uid in uids and node not in pv.holders:
                return f"{node} was told to have the volume, nobody unpublished it, and {pv.told} doesn't hold it"
    return ""


def _left(world: World, *, lag: bool) -> str:
    for pv in world.pvs:
        for node in world.gone.intersection(pv.holders):
            if not (lag and pv.operation in world.terminated):
                return f"{node} was told to be off, nobody published it since, and {pv.told} holds it"
    return ""


def started(world: World, run: Run) -> World:
    """Return the world in which the operation starts: an unpublish takes its node out of `believed`, a publish out of `gone`."""
    if run.kind == "publish":
        held = any(run.node in pv.holders for pv in world.pvs)
        return world._replace(run=run._replace(held=held), gone=world.gone - {run.node})
    return world._replace(believed=frozenset(each for each in world.believed if each[0] != run.node))


def ended(world: World, run: Run, how: str) -> World:
    """Return the world after the operation's report: a publish "succeeds", "fails" or "is refused", an unpublish "succeeds"."""
    if run.kind == "unpublish":
        return world._replace(gone=world.gone | {run.node})
    if how == "fails":
        return world if _kept(world, run) else world._replace(gone=world.gone | {run.node})
    if how == "succeeds":
        return _succeeded(world, run)
    left = [pv.told for pv in world.pvs if run.node in pv.holders and pv.operation == run.operation and not run.held]
    return world._replace(broken=f"{run.name} said that nothing of it was written, and left {', '.join(left)}") if left else world


def written(world: World, before: Pv, after: Pv) -> World:
    """Return the world in which a write has landed on a PV."""
    if after.epoch <= before.epoch:
        return world._replace(broken=f"the epoch of {before.name} went from {before.epoch} to {after.epoch}")
    run = world.run
    if run is not None and run.node in after.holders and after.operation != run.operation:
        return world._replace(run=run._replace(held=True))
    return world


def deleted(world: World, pv: Pv, rules: Rules) -> World:
    """Return the world without the PV, in which a belief that is recorded on no PV any more is forgotten.

    NB: any worker may have been started since, and know no more than the PVs that are left say.
    """
    there = {each.uid for each in world.pvs}
    for node in sorted(node for node, uids in world.believed if not uids & there):
        for left in sorted(world.pvs):
            if node not in left.holders and not rules.asks(left, pv):
                told = f"{node} was told to have the volume, {pv.told} went, and {left.told} is the last word"
                return world._replace(broken=told)
    return world._replace(believed=frozenset(each for each in world.believed if each[1] & there))


def _kept(world: World, run: Run) -> bool:
    """Return whether the node held the volume before this operation, or holds it by another one."""
    holding = [pv for pv in world.pvs if run.node in pv.holders]
    return bool(holding) and (run.held or any(pv.operation != run.operation for pv in holding))


def _succeeded(world: World, run: Run) -> World:
    assert run.attempt is not None
    write = run.attempt.write
    there = {pv.uid for pv in world.pvs}
    uids = frozenset(mark.uid for mark in write.marks)
    if write.epoch <= world.token and not world.deleted:
        return world._replace(broken=f"{run.name} attaches with the token {write.epoch}, after one with {world.token}")
    others = frozenset(each for each in world.believed if each[0] != run.node)
    believed = others | ({(run.node, uids)} if uids & there else set())
    return world._replace(believed=believed, token=max(world.token, write.epoch))

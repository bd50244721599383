"""A driver that enforces the fencing tokens, and the calls that operations make of it.

It attaches whatever it is asked to by a call that is not too old. A call may be carried out and reported, carried out and not
reported, or refused; or it hangs, is tried again or given up, and is carried out at any later time.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.records.fence.explorer import attempts
from tests.records.fence.explorer.decisions import at, describe
from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import NODES, Call, Driver, Look, Move, Run, World


def outcomes(world: World, run: Run, call: Call, driver: Driver, rules: Rules) -> Iterator[Move]:
    """Yield all outcomes of the call that an operation waits for, the healthy one first."""
    after = carry_out(driver, call, rules)
    if after is not None:
        done = world._replace(driver=after)
        for what, following in _told(run, rules):
            yield f"{run.name}: the driver carries out {call.told}{what}", done._replace(run=following)
        tried = done._replace(run=run._replace(tried=True))
        yield f"{run.name}: the driver carries out {call.told}, but the answer is lost, so it is asked again", tried
    else:
        told = f"{run.name}: the driver refuses {call.told}, since it has seen token {driver.highest}"
        yield told, _refused(world, run, rules)
    if call.verb == "attach" and not run.tried:
        yield (
            f"{run.name}: the driver refuses {call.told} for reasons of its own",
            world._replace(run=at(run._replace(begun=rules.begun(run)), "undo")),
        )
    if not run.tried:
        hanging = world._replace(driver=driver._replace(calls=driver.calls | {call}), run=run._replace(tried=True))
        yield f"{run.name}: {call.told} hangs, so the driver is asked again", hanging


def stragglers(world: World, rules: Rules) -> Iterator[Move]:
    """Yield the carrying out of calls that nobody waits for."""
    for call in world.driver.calls if world.driver else ():
        after = world.driver and carry_out(world.driver._replace(calls=world.driver.calls - {call}), call, rules)
        if after is not None:
            yield f"the hanging call to {call.told} is carried out", world._replace(driver=after)


def carry_out(driver: Driver, call: Call, rules: Rules) -> Driver | None:
    """Return the driver after the call, without hanging ones that it would now refuse, or None if it refuses this one."""
    if not _passes(driver, call):
        return None
    nodes = frozenset(NODES if call.node not in NODES else (call.node,))
    attached = driver.attached | nodes if call.verb == "attach" else driver.attached - nodes
    last = call if call.token > driver.highest else driver.last
    after = driver._replace(attached=attached, last=last)
    return after if rules.exact else after._replace(calls=frozenset(each for each in after.calls if _passes(after, each)))


def _passes(driver: Driver, call: Call) -> bool:
    if call.token == driver.highest:
        return call.verb == "detach" or call == driver.last
    return call.token > driver.highest


def _told(run: Run, rules: Rules) -> Iterator[tuple[str, Run | None]]:
    done = run._replace(call=None, tried=False)
    if run.cancelled and run.step != "undo backend":
        yield ", but it was cancelled", at(done._replace(begun=True), "undo") if run.step == "attaching" else None
    elif run.step == "attaching":
        yield "", done._replace(step="attached", begun=True)
        yield ", with a publish context", describe(done._replace(begun=True), rules)
    elif run.step == "undo backend":
        yield "", done._replace(step="undo looked", begun=False)
    elif run.call is not None and run.look is not None:
        epoch = run.look.record.epoch if run.look.record else 0
        yield "", done._replace(step="looked", detached=run.detached | {(run.call.node, epoch)})


def _refused(world: World, run: Run, rules: Rules) -> World:
    if run.step == "attaching":
        return world._replace(run=at(run._replace(begun=rules.begun(run)), "undo"))
    if run.step == "undo backend":
        return world  # it is asked again, for ever
    left = attempts.abandoned(world, run) if run.tried else world
    live = Look(world.pv, live=True, by=run.operation)
    if (
        run.look is None
        or rules.trusts(run.look, run)
        or (run.look.record and run.look.record.mark) == (world.pv and world.pv.mark)
    ):
        return left._replace(run=None)
    return left._replace(run=at(run, "looked")._replace(look=live))

"""The ways in which an attempt may end: one that an operation waits for, and one that nobody waits for any longer.

An attempt that is being retried carries the same write, so only three things can happen to it: it lands or is refused, and the
operation learns of it; it lands, and the operation doesn't; the operation gives up, and the attempt may land at any time.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.records.fence.explorer.decisions import at
from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import Look, Move, Record, Run, World, Write


def outcomes(world: World, run: Run, write: Write, rules: Rules, when_landed: str, when_refused: str) -> Iterator[Move]:
    """Yield the ways the attempt ends; an operation that learns of its end goes on with the one step or the other."""
    made = rules.lands(write, world.pv)
    if made is not None:
        after = land(world, write, made)
        yield f"{run.name}: its attempt lands", after._replace(run=_landed(run, made, when_landed))
        yield f"{run.name}: its attempt lands, but the answer is lost, so it tries again", after._replace(run=_visibly(run))
        yield from _forgotten(world, after, run, rules)
        return
    found = world.pv
    if found is not None and rules.landed(write, found):
        yield f"{run.name}: its attempt had landed, as the PV shows", world._replace(run=_landed(run, found, when_landed))
    else:
        yield from _forgotten(world, world, run, rules)
        seen = found and rules.as_known(found, world.known)
        refused = at(run, when_refused)._replace(look=Look(seen, live=True, by=run.operation))
        yield f"{run.name}: its attempt is refused, and brings what the PV says", world._replace(run=refused)


def _forgotten(world: World, landed: World, run: Run, rules: Rules) -> Iterator[Move]:
    """Yield the ways a local attempt ends of which the history says nothing but that the first task is begun again."""
    if run.local:
        begins = Run(run.kind, run.node, run.operation, "observe", again=True)
        yield f"{run.name}: its local attempt is done, but its worker dies, so it begins again", landed._replace(run=begins)
        hanging = abandoned(world, run)._replace(run=begins)
        yield f"{run.name}: its worker dies while its local attempt hangs, so it begins again", hanging
        yield f"{run.name}: its local attempt is not done at once, so it tries visibly", world._replace(run=_visibly(run))
        for late in rules.wakes_to(run):
            frozen = world._replace(run=begins, flying=world.flying | {late})
            yield f"{run.name}: its worker is frozen before it looks, so it begins again", frozen


def _visibly(run: Run) -> Run:
    return run._replace(local=False)


def stragglers(world: World, rules: Rules) -> Iterator[Move]:
    """Yield the landings of attempts that nobody waits for."""
    for write in world.flying:
        made = rules.lands(write, world.pv)
        if made is not None:
            late = land(world, write, made)._replace(flying=world.flying - {write})
            yield f"the hanging attempt of operation {write.operation} to {write.aim} lands", late


def land(world: World, write: Write, made: Record) -> World:
    """Return the world with the PV as the write made it."""
    makers = tuple(world.made.get(node, write.operation) for node in made.holders)
    return world._replace(pv=made, makers=makers, past=world.past | ({world.pv} if world.pv else set()), known=None)


def abandoned(world: World, run: Run) -> World:
    """Return the world in which nobody waits any longer for the run's attempt, or its call of the driver."""
    if run.call is not None and world.driver is not None:
        return world._replace(driver=world.driver._replace(calls=world.driver.calls | {run.call}))
    return world if run.write is None else world._replace(flying=world.flying | {run.write})


def _landed(run: Run, record: Record, step: str) -> Run:
    acquired = record.operation if run.step == "acquire" else run.acquired
    return run._replace(step=step, write=None, record=record, acquired=acquired, local=False)

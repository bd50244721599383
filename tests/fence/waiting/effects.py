"""What the steps do to the world: attempts at the record, and requests to a hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mooring.holds import Fate
from tests.fence.waiting.rules import Rules
from tests.fence.waiting.state import Found, Hold, Move, Record, World, Write


def attempt(
    world: World,
    write: Write,
    rules: Rules,
    name: str,
    landed: Callable[[World, Record], World],
    refused: Callable[[World], World],
) -> Iterator[Move]:
    """The attempt lands and says so, lands and doesn't, or is refused."""
    made = rules.lands(write, world.pv)
    if made is not None:
        after = land(world, write, made)
        yield f"{name}: its attempt to {write.aim} lands", landed(after, made)
        yield f"{name}: its attempt to {write.aim} lands, but the answer is lost, so it tries again", after
    elif world.pv is not None and rules.landed(write, world.pv):
        yield f"{name}: its attempt to {write.aim} had landed", landed(world, world.pv)
    else:
        yield f"{name}: its attempt to {write.aim} is refused", refused(world)


def land(world: World, write: Write, made: Record) -> World:
    """The PV as the write made it."""
    makers = tuple(world.made.get(node, write.operation) for node in made.holders)
    return world._replace(pv=made, makers=makers)


def abandon(world: World, write: Write | None) -> World:
    """Nobody waits for the attempt any longer."""
    return world if write is None else world._replace(flying=world.flying | {write})


def stragglers(world: World, rules: Rules) -> Iterator[Move]:
    """An attempt that nobody waits for lands."""
    for write in world.flying:
        made = rules.lands(write, world.pv)
        if made is not None:
            late = land(world, write, made)._replace(flying=world.flying - {write})
            yield f"the hanging attempt of operation {write.operation} to {write.aim} lands", late


def ask_to_end(world: World, number: int) -> World:
    """The hold is asked to end."""
    if world.hold is None or world.hold.number != number:
        return world
    return world._replace(hold=world.hold._replace(ending=True))


def settle(world: World, found: Found, rules: Rules) -> World:
    """The hold is given the word of a publish."""
    hold = world.hold
    if hold is None or hold.number != found.number or (hold.step == "begins" and not rules.settles_first):
        return world
    return world._replace(hold=hold._replace(settled=True))


def ended(world: World, operation: int, fate: Fate) -> World:
    """The run has closed: what its hold may learn about it."""

    def told(hold: Hold | None) -> Hold | None:
        return hold._replace(fate=fate) if hold is not None and hold.operation == operation and hold.fate is Fate.OPEN else hold

    return world._replace(run=None, hold=told(world.hold), late=told(world.late))

"""The effects of the steps on the world: attempts at the record, and requests to a hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mooring.records.holds import Fate
from tests.records.fence.waiting.rules import Rules
from tests.records.fence.waiting.state import Found, Hold, Move, Record, World, Write


def attempt(
    world: World,
    write: Write,
    rules: Rules,
    name: str,
    landed: Callable[[World, Record], World],
    refused: Callable[[World], World],
) -> Iterator[Move]:
    """Yield the ways the attempt ends: it lands and reports that, lands and doesn't, or is refused."""
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
    """Return the world with the PV as the write made it."""
    makers = tuple(world.made.get(node, write.operation) for node in made.holders)
    return world._replace(pv=made, makers=makers, known=None)


def abandon(world: World, write: Write | None) -> World:
    """Return the world in which nobody waits for the attempt any longer."""
    return world if write is None else world._replace(flying=world.flying | {write})


def stragglers(world: World, rules: Rules) -> Iterator[Move]:
    """Yield the landings of attempts that nobody waits for."""
    for write in world.flying:
        made = rules.lands(write, world.pv)
        if made is not None:
            late = land(world, write, made)._replace(flying=world.flying - {write})
            yield f"the hanging attempt of operation {write.operation} to {write.aim} lands", late


def ask_to_end(world: World, number: int, asker: int) -> World:
    """Return the world in which the hold is asked to end, by an operation or an operator; the first to ask counts."""
    if world.hold is None or world.hold.number != number or world.hold.ending:
        return world
    return world._replace(hold=world.hold._replace(ending=True, asker=asker))


def late_requests(world: World) -> Iterator[Move]:
    """Yield the arrivals of requests to end a hold whose operation is over."""
    for number, operation in world.asks:
        after = ask_to_end(world, number, operation)._replace(asks=world.asks - {(number, operation)})
        yield f"the request of operation {operation} to end hold {number} arrives", after


def heir(world: World, number: int, rules: Rules) -> int:
    """Return the open hold that is this one or goes on in its place, 0 for none; only who asks may begin another one meanwhile."""
    if world.hold is None or (world.hold.number != number and not (number and rules.ends_heirs)):
        return 0
    return world.hold.number


def go_on(world: World, hold: Hold, rules: Rules, *, signed: bool = True) -> World:
    """Return the world in which another run holds in place of this one.

    That one may have an attempt under way. `signed`: the new run knows what it has signed.
    """
    known = ((*hold.signed, rules.signs(hold)) if hold.wrote else hold.signed) if signed else ()
    heir = hold._replace(number=world.held + 1, step="begins", ending=False, asker=0, signed=known, write=None)
    heir = heir if signed else heir._replace(wrote=False, renews=False)
    return abandon(world, hold.write)._replace(hold=heir, held=heir.number)


def resets(world: World, rules: Rules) -> Iterator[Move]:
    """Yield resets by an operator, of the hold that is open, or the one that ended last, to its beginning."""
    hold, over, counted = world.hold, world.over, world._replace(resets=world.resets + 1)
    if hold is not None:
        yield f"hold {hold.number} is reset, and goes on as hold {world.held + 1}", go_on(counted, hold, rules, signed=False)
    elif over is not None:
        yield (
            f"hold {over.number} is reset after it had ended, as hold {world.held + 1}",
            go_on(counted, over._replace(revived=True, forgotten=False), rules, signed=False),
        )


def settle(world: World, found: Found, rules: Rules) -> World:
    """Return the world in which the hold has the word of a publish."""
    hold = world.hold
    if hold is None or hold.number != found.number or (hold.step == "begins" and not rules.settles_first):
        return world
    return world._replace(hold=hold._replace(settled=True))


def ended(world: World, operation: int, fate: Fate) -> World:
    """Return the world in which the run has closed, with what its hold may learn about it."""

    def told(hold: Hold | None) -> Hold | None:
        return hold._replace(fate=fate) if hold is not None and hold.operation == operation and hold.fate is Fate.OPEN else hold

    return world._replace(run=None, hold=told(world.hold), late=told(world.late))

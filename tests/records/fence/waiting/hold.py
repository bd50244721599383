"""The steps of a hold: it asks for its publish, waits for that one's word and for the PV, writes the record, and ends."""

from __future__ import annotations

from collections.abc import Iterator

from tests.records.fence.waiting.effects import abandon, attempt, go_on
from tests.records.fence.waiting.rules import Rules
from tests.records.fence.waiting.state import Hold, Move, Record, World


def moves(world: World, hold: Hold, rules: Rules) -> Iterator[Move]:
    """Yield everything that the hold may do next."""
    name = f"hold {hold.number} of {hold.node}"
    if hold.ending and not hold.step.startswith("und") and not rules.heeds(hold, world.run):
        yield f"{name}: goes on as hold {world.held + 1}, as operation {hold.asker} is over", go_on(world, hold, rules)
    elif hold.ending and not hold.step.startswith("und"):
        yield f"{name}: is ended", _end(world, hold, rules)
    elif hold.step in {"begins", "unsettled", "waits"}:
        yield from _goes_on(world, hold, rules, name)
    elif hold.step == "acquire":
        yield from _attempts(world, hold, rules, name, "waits")
    else:
        if hold.step == "undo":
            yield f"{name}: decides what to undo", _undo(world, hold, rules)
        else:
            yield from _attempts(world, hold, rules, name, "undo")
        yield f"{name}: gives up taking back, and ends", abandon(world, hold.write)._replace(hold=None)


def _goes_on(world: World, hold: Hold, rules: Rules, name: str) -> Iterator[Move]:
    if hold.step == "begins" and rules.is_needed(hold):
        yield f"{name}: goes on, as its publish {_known(hold)}", _at(world, hold._replace(step="unsettled"))
    elif hold.step == "begins":
        yield f"{name}: ends, as its publish {_known(hold)}", world._replace(hold=None)
    elif hold.step == "unsettled" and hold.settled:
        yield f"{name}: has the word of its publish", _at(world, hold._replace(step="waits"))
    elif hold.step == "waits" and hold.is_known_over and rules.minds_its_end:
        yield f"{name}: ends, as it had ended before it was reset", world._replace(hold=None)
    elif hold.step == "waits" and (seen := world.seen) is not None:
        acquire = rules.acquire(seen, hold.node, rules.signs(hold))
        if acquire is not None:
            look = world.look(rules.signs(hold))
            stays = acquire.renews and rules.stays(seen, look, hold.node, hold.signed, stayed=hold.renews)
            ahead = hold._replace(step="acquire", write=acquire.write, wrote=True, renews=stays)
            yield f"{name}: sees a PV that it can write", _at(world, ahead)


def _attempts(world: World, hold: Hold, rules: Rules, name: str, refused: str) -> Iterator[Move]:
    if hold.write is None:
        raise AssertionError(f"nothing is attempted: {hold}")

    def landed(after: World, _: Record) -> World:
        ended = after._replace(hold=None)
        return _off(ended, hold) if hold.step == "undoing" else ended

    def back(after: World) -> World:
        return _at(after, hold._replace(step=refused, write=None))

    yield from attempt(world, hold.write, rules, name, landed, back)


def _end(world: World, hold: Hold, rules: Rules) -> World:
    left = abandon(world, hold.write)
    if hold.wrote and rules.takes_back:
        return _at(left, hold._replace(step="undo", write=None))
    return _off(left._replace(hold=None), hold)


def _undo(world: World, hold: Hold, rules: Rules) -> World:
    seen = world.seen
    write = None if seen is None else rules.take_back(seen, hold)
    if write is None:
        return _off(world._replace(hold=None), hold)
    return _at(world, hold._replace(step="undoing", write=write))


def _off(world: World, hold: Hold) -> World:
    """Return the world in which the operator who ended the hold knows that nothing remains of its writes."""
    published = world.run is not None and world.run.kind == "publish" and world.run.node == hold.node
    stays = hold.node in world.made
    return (
        world
        if not hold.wrote or published or stays or hold.node not in world.forced
        else world._replace(gone=world.gone | {hold.node})
    )


def _at(world: World, hold: Hold) -> World:
    return world._replace(hold=hold)


def _known(hold: Hold) -> str:
    return f"is {hold.fate}" + (", and has given its word" if hold.settled else "")

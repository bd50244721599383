"""The steps of an unpublish: look for a hold and end it once the backend has detached, then release the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mooring.records.holds import Fate
from tests.records.fence.waiting.effects import abandon, ask_to_end, attempt, ended, heir
from tests.records.fence.waiting.rules import Rules
from tests.records.fence.waiting.state import ALL, Look, Move, Record, Run, World


def moves(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    """Yield everything that the unpublish may do next, the healthy outcome first."""
    yield from _STEPS[run.step](world, run, rules)
    yield f"{run.name}: gives up, or is cancelled", ended(abandon(world, run.write), run.operation, Fate.ROLLED_BACK)


def _observe(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    for record in dict.fromkeys((world.seen, None)):
        seen = run._replace(waiting=world.find(run.operation), look=Look(record, live=False, by=0))
        yield f"{run.name}: begins", _at(world, seen._replace(step="ask" if seen.waiting else "see"))


def _asks(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: asks what waits", _asked(world, run, rules)


def _detaches_held(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: the backend detaches the node that waits", _detach_held(world, run, rules)


def _looks(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: knows the PV, or looks", _at(world, _sees(world, run, rules)._replace(step="detach"))


def _looks_again(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    look = world.look(run.operation)
    yield f"{run.name}: looks at the PV", _at(world, _again(run)._replace(look=look))


def _detaches(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    leaving = _leaving(run) or run.nodes
    yield f"{run.name}: the backend detaches", _decides(world._replace(backend=world.backend - leaving), run, rules)


def _again(run: Run) -> Run:
    return run._replace(step="ask" if run.waiting else "see", write=None)


def _asked(world: World, run: Run, rules: Rules) -> World:
    now = world.find(run.operation)
    run = run._replace(waiting=now, found=now)
    leaves = now is not None and now.node in run.nodes
    ahead = ("detach held" if rules.unpublish_detaches_first else "end hold") if leaves else "see"
    return _at(world, run._replace(step=ahead))


def _detach_held(world: World, run: Run, rules: Rules) -> World:
    node = {run.found.node} if run.found else set()
    return _at(
        world._replace(backend=world.backend - node), run._replace(step="end hold" if rules.unpublish_detaches_first else "see")
    )


def _ends_hold(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    number = run.found.number if run.found else 0
    open_one = heir(world, number, rules)
    if world.hold is not None and open_one and not world.hold.ending:
        yield f"{run.name}: asks the hold to end", ask_to_end(world, open_one, run.operation)
    elif not open_one:
        ahead = run._replace(step="see" if rules.unpublish_detaches_first else "detach held", waiting=None)
        yield f"{run.name}: the hold has ended", _at(world, ahead)


def _sees(world: World, run: Run, rules: Rules) -> Run:
    if run.look is not None and (run.look.record is not None or rules.trusts(run.look, run)):
        return run
    return run._replace(look=world.look(run.operation))


def _leaving(run: Run) -> frozenset[str]:
    return run.nodes.intersection(run.look.holders if run.look else ())


def _decides(world: World, run: Run, rules: Rules) -> World:
    look = run.look
    if look is None:
        raise AssertionError(f"nothing was seen: {run}")
    if look.record is None or (run.waiting is not None and not rules.releases_beside):
        return cleared(world, run)
    return _at(world, run._replace(step="release", write=rules.release(look.record, run.node, run.operation)))


def _attempts(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    if run.write is None:
        raise AssertionError(f"nothing is attempted: {run}")

    def landed(after: World, made: Record) -> World:
        current = made.operation == run.operation
        return cleared(after, run) if current else _at(after, run._replace(step="look again", write=None))

    def back(after: World) -> World:
        return _at(after, _again(run)._replace(look=after.look(run.operation)))

    yield from attempt(world, run.write, rules, run.name, landed, back)


def cleared(world: World, run: Run) -> World:
    """Return the world in which its caller knows that the node is off the volume."""
    after = ended(world.without(run.nodes), run.operation, Fate.SUCCEEDED)
    off = run.nodes - world.forced if run.node == ALL else run.nodes  # of all nodes it knows those that something shows
    return after._replace(gone=after.gone | (off - world.came), loose=after.loose - off, forced=after.forced - off)


def _at(world: World, run: Run) -> World:
    return world._replace(run=run)


_STEPS: Final[dict[str, Callable[[World, Run, Rules], Iterator[Move]]]] = {
    "observe": _observe,
    "ask": _asks,
    "detach held": _detaches_held,
    "end hold": _ends_hold,
    "see": _looks,
    "look again": _looks_again,
    "detach": _detaches,
    "release": _attempts,
}

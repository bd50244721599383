"""The steps of a publish: look for a hold, acquire the record or begin a hold, have the backend attach, give the hold its word,
look for it; and the rollback of whatever didn't succeed. Each step is a state at rest, in which an answer is in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mooring.records.holds import Fate
from tests.records.fence.waiting.effects import ask_to_end, attempt, ended, heir, settle
from tests.records.fence.waiting.rules import Rules, operation_of
from tests.records.fence.waiting.state import NOBODY, Found, Hold, Look, Move, Record, Run, World

ROLLBACK = ("whose hold", "detach", "end hold, undo", "undo", "undo looked", "undoing")


def moves(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    """Yield everything that the publish may do next, the healthy outcome first."""
    yield from _STEPS[run.step](world, run, rules)
    if run.step not in ROLLBACK and run.step != "start":
        yield f"{run.name}: is cancelled at step {run.step}, and rolls back", _rolls_back(world, run)


def _asks(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: asks what waits", _asked(world, run, rules)


def _outwaits(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    ends = not rules.spares_ending or (run.answer is not None and rules.is_over(run.answer))
    if ends and world.hold is not None and not world.hold.ending:
        yield f"{run.name}: asks what goes on to end", ask_to_end(world, world.hold.number, run.operation)
    elif run.answer is not None and not (world.is_open(run.answer.number) if not ends else world.hold):
        yield f"{run.name}: the hold that was to end has ended", _at(world, run._replace(step="ask", answer=None))


def _looks(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    look = world.look(run.operation)
    yield f"{run.name}: looks at the PV", _chooses(world, run._replace(look=look), rules)
    yield f"{run.name}: may not look at the PV", _rolls_back(world, run) if run.left else refused(world, run)


def _looks_beside(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    ahead = "attach" if world.pv is None else "end hold, look"
    yield f"{run.name}: looks at the PV once more, and finds {world.pv and world.pv.told}", _at(world, run._replace(step=ahead))


def _looks_beside_found(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    look = world.look(run.operation)
    excluded = look.record is not None and rules.acquire(look.record, run.node, run.operation) is None
    if excluded or (look.departed is not None and rules.bars(look.departed, run.node, run.operation)):
        yield f"{run.name}: sees another holder beside the hold", _rolls_back(world, run) if run.left else refused(world, run)
    else:
        yield f"{run.name}: sees no other holder beside the hold", _at(world, run._replace(step="attach"))


def _gives_word(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: gives its hold its word", _settles(world, run, rules)


def _finds(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: looks for its hold", _at(world, run._replace(step="found", answer=world.find(run.operation)))


def _asks_whose(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: asks whose hold it is", _asks_whose_hold(world, run, rules)


def _detaches(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    after = world._replace(backend=world.backend - {run.node})
    yield f"{run.name}: the backend detaches", _at(after, run._replace(step="end hold, undo", begun=False))


def _decides_undo(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    yield f"{run.name}: decides what to undo", _undoes(world, run, rules)


def _observe(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    seen = run._replace(waiting=world.find(run.operation))
    for record in dict.fromkeys((world.seen, None)):
        look = Look(record, live=False, by=0)
        yield f"{run.name}: begins", _chooses(world, seen._replace(look=look), rules)


def _chooses(world: World, run: Run, rules: Rules) -> World:
    """Return the world in which the publish knows the record: it first asks for what waits, then it decides."""
    if run.waiting is not None and not run.started:
        return _at(world, run._replace(step="ask"))
    return _decides(world, run, rules)


def _asked(world: World, run: Run, rules: Rules) -> World:
    found = world.find(run.operation)
    if found is not None and (rules.is_over(found) or rules.is_ending(found)):
        return _at(world, run._replace(step="outwait", answer=found))
    run = run._replace(found=found, waiting=found)
    if found is not None and rules.joins(found):
        return _holds(world, run, rules)
    return _decides(world, run, rules)


def _decides(world: World, run: Run, rules: Rules) -> World:
    look = run.look
    if look is None:
        raise AssertionError(f"nothing was seen: {run}")
    if look.record is None and not look.live:
        return _at(world, run._replace(step="look"))
    if look.record is None:
        if look.departed is not None and rules.bars(look.departed, run.node, run.operation):
            return _rolls_back(world, run) if run.left else refused(world, run)
        return _holds(world, run._replace(had=run.had or _is_departed(run, look, rules)), rules)
    acquire = rules.acquire(look.record, run.node, run.operation)
    if acquire is not None:
        run = rules.knows(run, look.record)
        stayed = run.renews or run.acquired not in {0, look.by}
        stays = acquire.renews and rules.stays(look.record, look, run.node, rules.mine(run), stayed=stayed)
        ahead = run._replace(step="acquire", write=acquire.write, renews=stays, acquired=0, may_land=True)
        return _at(world, ahead)
    if rules.trusts(look, run) or run.left:
        return _rolls_back(world, run) if run.left else refused(world, run)
    return _at(world, run._replace(step="look"))


def _attempts(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    if run.write is None:
        raise AssertionError(f"nothing is attempted: {run}")

    def landed(after: World, made: Record) -> World:
        if run.step == "undoing":
            return failed(after, run) if made.operation == run.operation else _at(after, run._replace(step="undo", write=None))
        known = run._replace(write=None, record=made, acquired=made.operation)
        return _at(after, known._replace(step="attach recorded"))

    def back(after: World) -> World:
        if run.step == "undoing":
            return _at(after, run._replace(step="undo", write=None))
        look = after.look(run.operation)
        went = after.pv is None and rules.minds_going
        let_go = went and look.departed is not None and run.node not in look.departed.holders
        known = run._replace(write=None, may_land=went, renews=run.renews and not let_go, look=look)
        return _chooses(after, known, rules)

    yield from attempt(world, run.write, rules, run.name, landed, back)


def _holds(world: World, run: Run, rules: Rules) -> World:
    if run.started:
        now = world.find(run.operation)
        if rules.is_open(run.started, now):
            return _at(world, run._replace(step="attach"))
        return _at(world, run._replace(step="look", started=0, found=None, waiting=now))
    if run.found is None:
        return _at(world, run._replace(step="start"))
    if rules.admits(run.found, run.node):
        return _at(world, run._replace(step="look beside found" if rules.looks_beside_found else "attach"))
    return _rolls_back(world, run) if run.left else refused(world, run)


def _starts(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    if world.hold is not None:
        yield f"{run.name}: another hold has begun", _rolls_back(world, run) if run.left else refused(world, run)
        return
    hold = Hold(world.held + 1, run.node, run.operation, learnt=True)
    after = world._replace(hold=hold, held=hold.number)
    yield (
        f"{run.name}: its hold {hold.number} begins",
        _at(after, run._replace(step="look beside hold", started=hold.number, own=(*run.own, hold.number), has_begun=True)),
    )


def _attaches(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    attached = world._replace(backend=world.backend | {run.node} if rules.backend else world.backend)
    begun = run._replace(begun=rules.backend)
    if run.step == "attach":
        yield f"{run.name}: the backend attaches", _at(attached, begun._replace(step="settle"))
    elif run.record is not None and run.record.operation == run.operation:
        yield f"{run.name}: the backend attaches", succeeded(attached, run)
    else:
        yield f"{run.name}: the backend attaches", _at(attached, begun._replace(step="look"))
    if not rules.backend:
        return
    yield f"{run.name}: the backend refuses, having done nothing", _rolls_back(world, run)
    yield f"{run.name}: the backend attaches, and doesn't say so in time", _rolls_back(attached, begun)


def _target(run: Run) -> int:
    return run.started or (run.found.number if run.found else 0)


def _settles(world: World, run: Run, rules: Rules) -> World:
    number = _target(run)
    after = settle(world, Found(number, run.node, 0, ending=False, by=0), rules)
    known = run._replace(recorded=run.recorded or (bool(run.started) and rules.counts_recorded))
    return _at(after, known._replace(step="find")) if rules.looks_at_last else succeeded(after, run)


def _found(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    now = run.answer
    ahead = run._replace(step="look", answer=None)
    if now is None or not rules.is_open(_target(run), now):
        yield f"{run.name}: its hold has ended", _at(world, ahead._replace(started=0, found=None, waiting=now))
    elif rules.may_succeed(now, run.operation):
        yield f"{run.name}: succeeds on its hold", succeeded(world, run)
    else:
        yield f"{run.name}: found its hold in a former life", _at(world, ahead)


def _rolls_back(world: World, run: Run) -> World:
    step = "whose hold" if run.started or run.own else "undo"
    left = world if run.write is None else world._replace(flying=world.flying | {run.write})
    return _at(left, run._replace(step=step, write=None))


def _ends_hold(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    number = heir(world, run.started, rules)
    if world.hold is not None and number and not world.hold.ending:
        yield f"{run.name}: asks its hold to end", ask_to_end(world, number, run.operation)
    elif not number:
        ahead = run._replace(step=run.step.removeprefix("end hold, "))
        yield f"{run.name}: its hold has ended", _at(world, ahead._replace(started=0) if ahead.step == "look" else ahead)


def _asks_whose_hold(world: World, run: Run, rules: Rules) -> World:
    found = world.find(run.operation)
    if not run.started and not rules.is_heir(found):
        return _at(world, run._replace(step="undo"))
    if not run.started and found is not None:
        run = run._replace(started=found.number, own=(*run.own, found.number))
    if found is not None and not rules.is_mine(found, run.started):
        return _at(world, run._replace(step="undo", started=0, found=found, has_begun=False))
    return _at(world, run._replace(step="detach" if _detaches_beside(run, rules) else "end hold, undo"))


def _detaches_beside(run: Run, rules: Rules) -> bool:
    return run.begun and rules.detaches_first and not run.renews and not (run.had and rules.keeps_departed)


def _kept(run: Run) -> bool:
    return not run.has_begun and run.found is not None and run.found.node == run.node


def _is_departed(run: Run, look: Look, rules: Rules) -> bool:
    gone = look.departed
    return gone is not None and run.node in gone.holders and gone.operation not in {look.by, *rules.mine(run)}


def _leaves(run: Run, look: Look, rules: Rules) -> bool:
    had = run.had and run.node in look.holders and rules.keeps_departed
    return had or _kept(run) or run.renews or run.acquired not in {0, look.by}


def _looks_to_undo(world: World, run: Run, rules: Rules) -> Iterator[Move]:
    look = world.look(run.operation)
    run = rules.knows(run, look.record)
    mine = {look.by, *rules.mine(run)}
    others = look.record is not None and run.node in look.record.holders and look.record.operation not in mine
    after = world
    if run.begun and not others and not _leaves(run, look, rules):
        after, run = world._replace(backend=world.backend - {run.node}), run._replace(begun=False)
    yield f"{run.name}: rolls back, and looks at the PV", _at(after, run._replace(step="undo looked", look=look))


def _undoes(world: World, run: Run, rules: Rules) -> World:
    look = run.look
    if look is None:
        raise AssertionError(f"nothing was seen: {run}")
    write = None
    if look.record is not None and (rules.undoes_beside or run.waiting is None):
        write = rules.undo(look.record, run.node, look.by, rules.mine(run), renews=_leaves(run, look, rules))
    if write is not None:
        return _at(world, run._replace(step="undoing", write=write))
    if not rules.trusts(look, run):
        return _at(world, run._replace(step="undo"))
    took_back = look.record is None and run.may_land and not _leaves(run, look, rules) and not _is_departed(run, look, rules)
    mine = world.known is not None and world.known.operation == run.operation
    return failed(world.without(run.nodes) if took_back and mine else world, run)


def succeeded(world: World, run: Run) -> World:
    """Return the world in which its caller knows that the node has the volume."""
    others = world.backend - {run.node} - world.forced
    if others:
        return world._replace(broken=f"{run.name} succeeds while the backend has the volume on {', '.join(sorted(others))}")
    after = ended(world, run.operation, Fate.SUCCEEDED)
    return after._replace(believed=after.believed | {run.node})


def refused(world: World, run: Run) -> World:
    """Return the world in which its caller knows that nothing was written."""
    return ended(world, run.operation, Fate.ROLLED_BACK)._replace(broken=_leftover(world, run))


def failed(world: World, run: Run) -> World:
    """Return the world in which its caller knows that nothing of it remains."""
    after = ended(world, run.operation, Fate.ROLLED_BACK)._replace(broken=_leftover(world, run))
    held = (
        run.node in world.made or (world.hold is not None and world.hold.node == run.node) or run.node in world.loose | world.forced
    )
    return after if held else after._replace(gone=after.gone | {run.node})


def _leftover(world: World, run: Run) -> str:
    hold = world.hold
    if operation_of(world.made.get(run.node, NOBODY)) == run.operation and run.node not in world.loose:
        return f"{run.name} failed, and left {run.node} the holder that it, or its hold, had made it"
    if hold is not None and hold.operation == run.operation and not (hold.ending or hold.revived):
        return f"{run.name} failed, and left its hold"
    holds = run.node in world.made or (hold is not None and hold.node == run.node) or run.node in world.loose | world.forced
    if run.node in world.backend and not holds:
        return f"{run.name} failed, and left {run.node} attached at the backend"
    return ""


def _at(world: World, run: Run) -> World:
    return world._replace(run=run)


_STEPS: Final[dict[str, Callable[[World, Run, Rules], Iterator[Move]]]] = {
    "observe": _observe,
    "ask": _asks,
    "outwait": _outwaits,
    "look": _looks,
    "acquire": _attempts,
    "start": _starts,
    "look beside hold": _looks_beside,
    "look beside found": _looks_beside_found,
    "attach": _attaches,
    "attach recorded": _attaches,
    "settle": _gives_word,
    "find": _finds,
    "found": _found,
    "end hold, look": _ends_hold,
    "whose hold": _asks_whose,
    "detach": _detaches,
    "end hold, undo": _ends_hold,
    "undo": _looks_to_undo,
    "undo looked": _decides_undo,
    "undoing": _attempts,
}

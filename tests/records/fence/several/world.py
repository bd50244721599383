"""Everything that may happen next: a step of the open operation, of an attempt that nobody waits for, or something from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from tests.records.fence.several import judge
from tests.records.fence.several.rules import Rules
from tests.records.fence.several.state import EPOCH, NODES, OUTDATED, Attempt, Move, Pv, Run, View, World, Write

_NAMES = ("pv-x", "pv-y")
_NEXT = 9
"""The number of an operation that starts: more than one state tells apart."""


@dataclass(frozen=True)
class Bounds:
    """The limits of the search. `lag`: a worker may know the PVs of any earlier moment, instead of all."""

    operations: int
    created: int
    deleted: int
    lag: bool


def moves(world: World, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    """Yield everything that may happen next."""
    run = world.run
    if run is not None:
        yield from _steps(world, run, rules, bounds)
        left = _abandoned(world, run)
        yield f"{run.name}: is terminated", left._replace(run=None, terminated=world.terminated | {run.operation})
    elif world.operations < bounds.operations:
        yield from _starts(world)
    for attempt in world.flying:
        yield from _goes_on(world, attempt, rules)
    yield from _pvs_come_and_go(world, rules, bounds)


def _steps(world: World, run: Run, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    if run.step == "observe":
        yield f"{run.name}: finds nothing that it can use in the index", world._replace(run=run._replace(step="look"))
        for seen in _indexed(world, rules, bounds):
            told = ", ".join(pv.told for pv in sorted(seen))
            yield f"{run.name}: finds in the index {told}", _decided(world, run, seen, rules, live=False)
    elif run.step in ("look", "undo look"):
        for view in _views(world, bounds):
            seen = rules.read(world, view, rules.remembers(run) if run.step == "undo look" else run)
            yield f"{run.name}: looks at {[pv.told for pv in sorted(seen)]}", _decided(world, run, seen, rules, live=True)
    elif run.attempt is not None:
        yield from _writes(world, run, run.attempt, rules, bounds)
    if run.kind == "publish" and run.step in ("observe", "look"):
        yield f"{run.name}: fails or is cancelled", world._replace(run=run._replace(step="undo look", may_land=True))


def _writes(world: World, run: Run, attempt: Attempt, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    left = _abandoned(world, run)
    if attempt.done == len(attempt.write.marks):
        yield (
            f"{run.name}: its write has landed",
            judge.ended(world._replace(run=None), run, "succeeds" if run.step == "write" else "fails"),
        )
    else:
        after = _set(world, attempt, rules)
        if after is not None:
            now = attempt._replace(done=attempt.done + 1)
            yield (
                f"{run.name}: its attempt passes {attempt.write.marks[attempt.done].name}",
                after._replace(run=run._replace(attempt=now)),
            )
        else:
            for view in _views(world, bounds):
                seen = rules.read(world, view, run)
                lands = run.may_land or rules.may_land(attempt.write)
                stayed = run.renews if len(attempt.write.marks) > 1 else run.stayed
                refused = run._replace(
                    step="undo look" if run.step == "undo" else "look", may_land=lands, attempt=None, stayed=stayed
                )
                yield f"{run.name}: its attempt is refused", _decided(world, refused, seen, rules, live=True)
        if run.step == "write" and run.kind == "publish":
            yield f"{run.name}: its attempt is refused for good", _forbidden(world, run, rules)
    if run.first:
        again = run._replace(attempt=attempt._replace(done=0), first=False)
        yield f"{run.name}: its attempt hangs, and is made again", left._replace(run=again)
    if run.kind == "unpublish":
        yield f"{run.name}: gives up", left._replace(run=None, terminated=world.terminated | {run.operation})
    elif run.step == "write":
        yield f"{run.name}: fails or is cancelled", left._replace(run=run._replace(step="undo look", attempt=None, may_land=True))


def _decided(world: World, run: Run, seen: frozenset[Pv], rules: Rules, *, live: bool) -> World:
    run = run._replace(known=run.known | {pv.name for pv in seen})
    if run.step == "undo look":
        write = rules.undo(seen, run.node, run.operation, run.renews) if seen else None
        return _attempts(world, run, "undo", write, live=True) if write else judge.ended(world._replace(run=None), run, "fails")
    if run.kind == "unpublish" and seen:
        return _attempts(world, run, "write", rules.release(seen, run.node, run.operation), live=live)
    acquire = rules.acquire(seen, run.node, run.operation) if seen and run.kind == "publish" else None
    if acquire is not None:
        return _attempts(world, run._replace(renews=rules.stays(acquire, seen, run)), "write", acquire.write, live=live)
    if not live and not run.may_land:
        return world._replace(run=run._replace(step="look"))
    if run.may_land:
        return world._replace(run=run._replace(step="undo look", attempt=None))
    return judge.ended(world._replace(run=None), run, "succeeds" if run.kind == "unpublish" else "is refused")


def _attempts(world: World, run: Run, step: str, write: Write, *, live: bool) -> World:
    if not live and write.marks[0] not in {pv.mark for pv in world.pvs}:
        return world._replace(run=run._replace(step="look"))  # refused at once, as nothing but a look ends that
    return world._replace(run=run._replace(step=step, attempt=Attempt(write), first=True))


def _forbidden(world: World, run: Run, rules: Rules) -> World:
    if rules.is_final(run) and not run.may_land:
        return judge.ended(world._replace(run=None), run, "is refused")
    return world._replace(run=run._replace(step="undo look", attempt=None, may_land=True))


def _set(world: World, attempt: Attempt, rules: Rules) -> World | None:
    """Return the world after the attempt's next PV, or None if that is refused."""
    mark = attempt.write.marks[attempt.done]
    pv = next((pv for pv in world.pvs if pv.uid == mark.uid), None)
    if pv is None:
        return None
    if rules.made(attempt.write, pv, attempt.done):
        return world
    if rules.passes(mark, pv, attempt.done):
        made = rules.makes(attempt.write, pv, attempt.done)
        return judge.written(world._replace(pvs=world.pvs - {pv} | {made}), pv, made)
    return None


def _goes_on(world: World, attempt: Attempt, rules: Rules) -> Iterator[Move]:
    left = world._replace(flying=world.flying - {attempt})
    after = _set(left, attempt, rules)
    if after is None:
        yield f"a hanging attempt of operation {attempt.write.operation} is refused", left
        return
    done = attempt._replace(done=attempt.done + 1)
    more = frozenset({done}) if done.done < len(done.write.marks) else frozenset()
    yield f"a hanging attempt of operation {attempt.write.operation} goes on", after._replace(flying=after.flying | more)


def _abandoned(world: World, run: Run) -> World:
    attempt = run.attempt
    if attempt is None or attempt.done == len(attempt.write.marks):
        return world
    return world._replace(flying=world.flying | {attempt})


def _views(world: World, bounds: Bounds) -> list[View]:
    return sorted(world.views, key=sorted) if bounds.lag else [_view(world.pvs)]


def _view(pvs: Iterable[Pv]) -> View:
    return frozenset((pv.uid, pv.name) for pv in pvs)


def _indexed(world: World, rules: Rules, bounds: Bounds) -> Iterator[frozenset[Pv]]:
    """Yield all that an index may show: each PV that it knows as it is now, or as anything, which can't be written to then."""
    now = {(pv.uid, pv.name): pv for pv in world.pvs}
    for view in _views(world, bounds):
        said = [[*([now[each]] if each in now else []), *_outdated(*each)] for each in sorted(view)]
        yield from (frozenset(pvs) for pvs in product(*said) if rules.tells_all(pvs, view))


def _outdated(uid: int, name: str) -> list[Pv]:
    return [Pv(uid, name, OUTDATED, holders) for holders in ((), ("A",), ("B",))]


def _starts(world: World) -> Iterator[Move]:
    for kind, node in product(("publish", "unpublish"), NODES if world.operations else NODES[:1]):  # the nodes are alike
        run = Run(kind, node, _NEXT)
        yield f"{run.name}: starts", judge.started(world._replace(operations=world.operations + 1, run=run), run)


def _pvs_come_and_go(world: World, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    if world.created < bounds.created:
        for name in _NAMES:
            if all(pv.name != name for pv in world.pvs):
                new = Pv(world.created + 1, name, EPOCH)
                yield f"PV {new.told} is created", _with(world, world.pvs | {new})._replace(created=new.uid)
    if world.deleted < bounds.deleted:
        for pv in world.pvs:
            after = judge.deleted(_with(world, world.pvs - {pv}), pv, rules)
            yield f"PV {pv.told} is deleted", after._replace(deleted=world.deleted + 1)


def _with(world: World, pvs: frozenset[Pv]) -> World:
    return world._replace(pvs=pvs, views=world.views | {_view(pvs)})

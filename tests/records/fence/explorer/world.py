"""Everything that may happen next: a step of the open operation, or something from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from tests.records.fence.explorer import attempts, driver, judge
from tests.records.fence.explorer import steps as operation
from tests.records.fence.explorer.decisions import only_decides
from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import ALL, NOBODY, NODES, START, Move, Record, Run, World

_KINDS = tuple(("publish", node) for node in NODES) + tuple(("unpublish", node) for node in (*NODES, ALL))


@dataclass(frozen=True)
class Bounds:
    """The limits of the search, if any.

    `operations`: how many may start, resets included (None: any number). `volumes`: how often the PV may exist (None: any number).
    `any_index`: the index shows any record, even one that never was, instead of the PV's own earlier ones.
    """

    operations: int | None = None
    volumes: int | None = None
    resets: bool = True
    any_index: bool = True


def moves(world: World, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    """Yield everything that may happen next."""
    if world.run is not None and only_decides(world.run, rules):
        yield from _remembers(world, world.run, rules, bounds)
        yield next(steps(world, rules, bounds))
        return
    if world.run is not None:
        yield from _remembers(world, world.run, rules, bounds)
        yield from steps(world, rules, bounds)
        yield f"{world.run.name}: is terminated", attempts.abandoned(world, world.run)._replace(run=None)
    if world.run is None and _may_start(world, bounds):
        yield from _starts(world)
    yield from attempts.stragglers(world, rules)
    yield from driver.stragglers(world, rules)
    if not rules.driver:
        yield from _pv_comes_and_goes(world, bounds)
    if bounds.resets and _may_start(world, bounds):
        yield from _resets(world, rules, bounds)


def steps(world: World, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    """Yield the next moves of the open operation, the healthy outcome first."""
    run = world.run
    if run is not None:
        yield from operation.steps(world, run, rules, _index(world, rules, bounds))


def ends(world: World, rules: Rules, bounds: Bounds) -> bool:
    """Return whether the open operation ends by itself, if all goes well from here on."""
    for _ in range(20):
        if world.run is None or world.broken:
            return True
        _, world = next(steps(world, rules, bounds))
    return False


def _index(world: World, rules: Rules, bounds: Bounds) -> frozenset[Record]:
    if not bounds.any_index:
        return world.past | ({rules.as_known(world.pv, world.known)} if world.pv else set())
    sizes = range(3 if rules.mode.multi_node else 2)
    stale = {Record(0, -1, holders, NOBODY) for size in sizes for holders in permutations(NODES, size)}
    return frozenset(stale | ({rules.as_known(world.pv, world.known)} if world.pv else set()))


def _may_start(world: World, bounds: Bounds) -> bool:
    return bounds.operations is None or world.operations < bounds.operations


def _starts(world: World) -> Iterator[Move]:
    number = world.operations + 1
    for kind, node in _KINDS:
        run = Run(kind, node, number, step="observe")
        yield f"{run.name}: starts", judge.started(world._replace(operations=number), run)


def _pv_comes_and_goes(world: World, bounds: Bounds) -> Iterator[Move]:
    if world.pv is not None:
        known = world.pv if world.pv.epoch else world.known
        yield "the PV is deleted", world._replace(pv=None, past=world.past | {world.pv}, known=known)
        if world.pv.epoch and world.run is None:
            bare = Record(world.pv.uid, 0, (), NOBODY)
            stripped = world._replace(pv=bare, known=known, past=frozenset(), remembered=None, flying=frozenset())
            yield "the PV's annotations are taken away", stripped
    elif bounds.volumes is None or world.volumes < bounds.volumes:
        uid = world.volumes + 1
        yield "a PV is created under the same name", world._replace(pv=START.pv and START.pv._replace(uid=uid), volumes=uid)


def _remembers(world: World, run: Run, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    """Yield the moment as one to which a reset may return, unless a new operation may get to the same."""
    trusted = run.look is not None and run.look.live and not rules.looks_expire
    if run.call is not None:
        # NB: a run is reset to where it does something, and while it waits for a call it does nothing, unless it is cancelled.
        run = run._replace(cancelled=True)
        world = world._replace(run=run)
    new = run.step in {"observe", "look", "looked"} and not (run.renews or run.acquired or trusted)
    if bounds.resets and not new and not run.local:
        yield f"(remembers {run.name} at step {run.step})", world._replace(remembered=run)


def _resets(world: World, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    run = world.run
    if world.remembered is not None:
        left = attempts.abandoned(world, run) if run else world
        number = world.operations + 1
        again = world.remembered._replace(operation=rules.identity(world.remembered, number))
        told = f"{world.remembered.name}: is reset to step {again.step}, and goes on as operation {again.operation}"
        after = judge.started(left._replace(operations=number), again)
        if only_decides(again, rules):
            what, after = next(steps(after, rules, bounds))
            told = f"{told}; {what}"
        yield told, after

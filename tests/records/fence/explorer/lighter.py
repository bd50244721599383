"""The renaming of states with a driver that are one: fewer than `canonical` knows to be, since tokens keep the epochs apart.

An attempt that can't land is forgotten, an operation that nobody may yet compare becomes nobody, and the nodes may change names.
"""

from __future__ import annotations

from tests.records.fence.explorer.canonical import first_told_apart, mirrored
from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import NOBODY, NODES, Call, Driver, Record, Run, World


def lighter(world: World, rules: Rules) -> World:
    """Return the state that represents this one."""
    names = _named(world)
    plain = world._replace(
        pv=world.pv and _by(world.pv, names),
        makers=tuple(maker if maker in names else NOBODY for maker in world.makers),
        flying=frozenset(write for write in world.flying if world.pv and rules.passes(write.mark, world.pv)),
        past=frozenset(_by(record, set()) for record in world.past),
        run=_shown(world.run, names),
        remembered=_shown(world.remembered, names),
    )
    first = first_told_apart(plain)
    if first == NODES[0]:
        return plain
    twin = mirrored(plain)._replace(driver=plain.driver and _mirror_driver(plain.driver))
    twin = twin._replace(run=_mirror_calls(twin.run), remembered=_mirror_calls(twin.remembered))
    return twin if first else min(plain, twin, key=_order)


def _named(world: World) -> set[int]:
    """Return the operations that somebody may yet compare."""
    names = {write.operation for write in world.flying}
    for run in (world.run, world.remembered):
        names |= {run.operation, run.acquired} if run else set()
        names |= {run.look.by} if run and run.look else set()
        names |= {run.write.operation} if run and run.write else set()
        names |= {run.record.operation} if run and run.record else set()
    return names


def _by(record: Record, names: set[int]) -> Record:
    return record if record.operation in names or record.operation == NOBODY else record._replace(operation=NOBODY)


def _shown(run: Run | None, names: set[int]) -> Run | None:
    if run is None or run.look is None or run.look.record is None:
        return run
    record = _by(run.look.record, names)
    return run if record is run.look.record else run._replace(look=run.look._replace(record=record))


def _mirror_driver(driver: Driver) -> Driver:
    return Driver(
        frozenset(map(_other, driver.attached)),
        driver.last and _mirror_call(driver.last),
        frozenset(map(_mirror_call, driver.calls)),
    )


def _mirror_calls(run: Run | None) -> Run | None:
    if run is None or not (run.call or run.detached):
        return run
    detached = frozenset((_other(node), epoch) for node, epoch in run.detached)
    return run._replace(call=run.call and _mirror_call(run.call), detached=detached)


def _mirror_call(call: Call) -> Call:
    return call._replace(node=_other(call.node))


def _other(node: str) -> str:
    return NODES[1 - NODES.index(node)] if node in NODES else node


def _order(world: World) -> str:
    driver = world.driver
    sets = (world.flying, world.past, world.believed, world.gone, driver.attached if driver else (), driver.calls if driver else ())
    return repr(
        (world.pv, world.makers, _stable(world.run), _stable(world.remembered), driver and driver.last, *map(_sorted, sets))
    )


def _stable(run: Run | None) -> object:
    return run and (*run._replace(detached=frozenset()), *sorted(run.detached))


def _sorted(given: object) -> object:
    return sorted(given)  # type: ignore[call-overload]

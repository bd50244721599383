"""The steps of an operation. A publish: observe, look, acquire, backend, describe, and the undo that ends whatever didn't succeed.
An unpublish: observe, look, release; cancelled or given up, it undoes nothing.

Each step is a state at rest, in which an answer is in the operation's history and anything may happen before it goes on. Of a
step's outcomes the healthy one comes first.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.records.fence.explorer import attempts, driver, judge
from tests.records.fence.explorer.decisions import asks, at, decide, describe
from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import Look, Move, Record, Run, World

_AFTER = {
    "acquire": ("backend", "looked"),
    "describe": ("attached", "looked"),
    "undoing": ("undone", "undo looked"),
    "release": ("released", "looked"),
}
"""Steps that follow an attempt, by the attempt's: one if it landed, one if it was refused."""


def steps(world: World, run: Run, rules: Rules, index: frozenset[Record]) -> Iterator[Move]:
    """Yield every next move of the operation, or of the attempt it waits for."""
    yield from _ahead(world, run, rules, index)
    left = attempts.abandoned(world, run)
    if run.kind == "unpublish":
        yield f"{run.name}: is cancelled, or gives up clearing the record", left._replace(run=None)
    elif run.step == "observe" and rules.may_be_refused(run):
        yield f"{run.name}: is refused, as its node is unknown, or cancelled at once", judge.turned_away(world, run, rules)
    elif not run.step.startswith("und"):
        begun = run._replace(begun=run.begun or run.call is not None)
        yield f"{run.name}: fails or is cancelled at step {run.step}, and rolls back", left._replace(run=at(begun, "undo"))


def _ahead(world: World, run: Run, rules: Rules, index: frozenset[Record]) -> Iterator[Move]:
    if run.step == "observe":
        yield f"{run.name}: finds nothing in the index", world._replace(run=at(run, "look"))
        for record in index if rules.trusts_index(run) else ():
            yield f"{run.name}: observes in the index {record.told}", world._replace(run=_shown(run, "looked", record, live=False))
    elif run.step in {"look", "undo"}:
        step = "looked" if run.step == "look" else "undo looked"
        seen = world.pv and rules.as_known(world.pv, world.known)
        yield f"{run.name}: looks at the PV", world._replace(run=_shown(run, step, seen, live=True))
    elif run.step == "backend" and world.driver is not None and run.record is not None:
        yield f"{run.name}: asks the driver", world._replace(run=asks(run, run.record, rules))
    elif run.call is not None and world.driver is not None:
        yield from driver.outcomes(world, run, run.call, world.driver, rules)
    elif run.step == "backend":
        yield f"{run.name}: the backend attaches", world._replace(run=run._replace(step="attached"))
        yield f"{run.name}: the backend attaches, with a publish context", world._replace(run=describe(run, rules))
    elif run.write is not None:
        yield from attempts.outcomes(world, run, run.write, rules, *_AFTER[run.step])
    else:
        yield _decides(world, run, rules)


def _shown(run: Run, step: str, record: Record | None, live: bool) -> Run:
    return run._replace(step=step, look=Look(record, live, run.operation), record=None)


def _decides(world: World, run: Run, rules: Rules) -> Move:
    if rules.driver and run.step == "undo looked" and run.look and not rules.undoes_on(run.look, run, world.pv):
        return f"{run.name}: looks again", world._replace(run=at(run, "undo"))
    decided = decide(run, rules)
    fault = judge.replayed(run, decided, decide(run._replace(operation=world.operations + 1), rules))
    if fault:
        return f"{run.name}: decides", world._replace(broken=fault)
    if isinstance(decided, Run):
        aim = decided.write.aim if decided.write else decided.step
        return f"{run.name}: decides to {aim}", judge.goes_on(world, decided, rules)
    return f"{run.name}: {decided}", judge.ended(world, run, decided, rules)

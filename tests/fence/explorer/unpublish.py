"""The steps of an unpublish, of one node or of all: observe, look, release. Cancelled or given up, it undoes nothing.

What publish.py says of steps at rest, of `decide` and of the first outcome holds here too.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.fence.explorer import attempts, judge
from tests.fence.explorer.rules import Rules
from tests.fence.explorer.state import Look, Move, Record, Run, World


def steps(world: World, run: Run, rules: Rules, index: frozenset[Record]) -> Iterator[Move]:
    """Everything that the unpublish, or the attempt it waits for, may do next."""
    if run.step == "observe":
        yield f"{run.name}: finds nothing in the index", world._replace(run=run._replace(step="look"))
        for record in index:
            yield f"{run.name}: observes in the index {record}", world._replace(run=_shown(run, record, live=False))
    elif run.step == "look":
        yield f"{run.name}: looks at the PV", world._replace(run=_shown(run, world.pv, live=True))
    elif run.write is not None:
        yield from attempts.outcomes(world, run, run.write, rules, "released", "looked")
    else:
        yield _decided(world, run, rules)
    told = "gives up clearing the record" if run.step == "release" else "is cancelled"
    yield f"{run.name}: {told}", attempts.abandoned(world, run)._replace(run=None)


def decide(run: Run, rules: Rules) -> Run | str:
    """What the workflow does about what its history tells it: the next step, or how it ends."""
    if run.step == "looked" and run.look is not None:
        return _on_look(run, run.look, rules)
    if run.step == "released" and run.record is not None:
        current = rules.is_current(run.record, run.operation)
        return "succeeds" if current else run._replace(step="look", record=None)
    raise AssertionError(f"nothing to decide: {run}")


def _on_look(run: Run, look: Look, rules: Rules) -> Run | str:
    if look.record is None:
        return "succeeds" if rules.trusts(look, run) else run._replace(step="look", look=None)
    if rules.needs_no_release(look, run):
        return "succeeds"
    return run._replace(step="release", look=None, write=rules.release(look.record, run.node, run.operation))


def _decided(world: World, run: Run, rules: Rules) -> Move:
    decided = decide(run, rules)
    fault = judge.replayed(decided, decide(run._replace(operation=world.operations + 1), rules))
    if fault:
        return fault, world._replace(broken=fault)
    if isinstance(decided, Run):
        return f"{run.name}: decides to {decided.write.aim if decided.write else decided.step}", world._replace(run=decided)
    return f"{run.name}: {decided}", judge.detached(world, run)


def _shown(run: Run, record: Record | None, live: bool) -> Run:
    return run._replace(step="looked", look=Look(record, live, run.operation), record=None)

"""The steps of a publish: observe, look, claim, backend, describe, and the undo that ends whatever didn't succeed.

Each step is a state at rest, in which an answer is in the operation's history and anything may happen before it goes on. `decide` is
the workflow: it sees nothing but the run. A step's first outcome is the healthy one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.fence.explorer import attempts, judge
from tests.fence.explorer.rules import Rules
from tests.fence.explorer.state import NOBODY, Look, Move, Record, Run, World

FORWARD = {"observe", "look", "looked", "claim", "backend", "describe", "attached"}


def steps(world: World, run: Run, rules: Rules, index: frozenset[Record]) -> Iterator[Move]:
    """Everything that the publish, or the attempt it waits for, may do next."""
    yield from _ahead(world, run, rules, index)
    if run.step in FORWARD:
        undo = attempts.abandoned(world, run)._replace(run=_at(run, "undo"))
        yield f"{run.name}: fails or is cancelled at step {run.step}, and rolls back", undo


def _ahead(world: World, run: Run, rules: Rules, index: frozenset[Record]) -> Iterator[Move]:
    if run.step == "observe":
        yield f"{run.name}: finds nothing in the index", world._replace(run=_at(run, "look"))
        for record in index:
            yield f"{run.name}: observes in the index {record}", world._replace(run=_shown(run, record, live=False))
    elif run.step in {"look", "undo"}:
        yield f"{run.name}: looks at the PV", world._replace(run=_shown(run, world.pv, live=True))
    elif run.step == "backend":
        yield f"{run.name}: the backend attaches", world._replace(run=run._replace(step="attached"))
        yield f"{run.name}: the backend attaches, with a publish context", world._replace(run=describe(run, rules))
    elif run.write is not None:
        landed, refused = {"claim": ("backend", "looked"), "describe": ("attached", "looked"), "undoing": ("undone", "undo")}[run.step]
        for told, after in attempts.outcomes(world, run, run.write, rules, landed, refused):
            yield told, _noted(after, run.step)
    else:
        yield _decided(world, run, rules)


def decide(run: Run, rules: Rules) -> Run | str:
    """What the workflow does about what its history tells it: the next step, or how it ends."""
    if run.step == "looked" and run.look is not None:
        return _on_look(run, run.look, rules)
    if run.step == "attached" and run.record is not None:
        return "succeeds" if rules.is_current(run.record, run.operation) else _at(run, "look")
    if run.step == "undo looked" and run.look is not None:
        return _on_undo(run, run.look, rules)
    if run.step == "undone" and run.record is not None:
        return "fails" if rules.is_current(run.record, run.operation) else _at(run, "undo")
    raise AssertionError(f"nothing to decide: {run}")


def describe(run: Run, rules: Rules) -> Run:
    """The run with the write that keeps the publish context."""
    write = run.record and rules.describe(run.record, run.node, run.operation)
    return run._replace(step="describe", write=write) if write else run._replace(step="attached")


def _on_look(run: Run, look: Look, rules: Rules) -> Run | str:
    if rules.needs_no_claim(look, run):
        return "succeeds"
    claim = look.record and rules.claim(look.record, run.node, run.operation)
    if claim:
        return run._replace(step="claim", look=None, write=claim.write, reclaims=claim.reclaims, claimed=NOBODY)
    return "is refused" if rules.trusts(look, run) else _at(run, "look")


def _on_undo(run: Run, look: Look, rules: Rules) -> Run | str:
    write = look.record and rules.undo(look.record, run.node, look.by, rules.leaves(run, look))
    if write:
        return run._replace(step="undoing", look=None, write=write)
    return "fails" if rules.trusts(look, run) else _at(run, "undo")


def _decided(world: World, run: Run, rules: Rules) -> Move:
    decided = decide(run, rules)
    fault = judge.replayed(decided, decide(run._replace(operation=world.operations + 1), rules))
    if fault:
        return fault, world._replace(broken=fault)
    if isinstance(decided, Run):
        return f"{run.name}: decides to {decided.write.aim if decided.write else decided.step}", _going_on(world, decided, rules)
    if decided == "succeeds":
        return f"{run.name}: succeeds", judge.succeeded(world, run._replace(record=run.record or (run.look and run.look.record)))
    return f"{run.name}: {decided}", judge.failed(world, run) if decided == "fails" else world._replace(run=None)


def _going_on(world: World, run: Run, rules: Rules) -> World:
    if run.step == "undoing" and run.write is not None:
        return judge.undoing(world, run, run.write, rules)
    return world._replace(run=run)


def _noted(world: World, step: str) -> World:
    run = world.run
    if step == "claim" and run is not None and run.record is not None and run.step == "backend":
        return world._replace(run=run._replace(claimed=run.record.operation))
    return world


def _shown(run: Run, record: Record | None, live: bool) -> Run:
    step = "undo looked" if run.step == "undo" else "looked"
    return run._replace(step=step, look=Look(record, live, run.operation), record=None)


def _at(run: Run, step: str) -> Run:
    return run._replace(step=step, look=None, write=None, record=None)

"""The workflows: an operation's next step, by its history alone. They see nothing but the run.

A decision that doesn't end the run must be the same for a run that was reset and replays it, or Temporal can't replay it at all; so
the run's own id, which a reset changes, is asked for only where the answer may end the run.
"""

from __future__ import annotations

from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import NOBODY, Call, Look, Record, Run

DECIDING = {"looked", "attached", "released", "undo looked", "undone"}
"""The steps at which an operation has been told what it needs to decide."""


def decide(run: Run, rules: Rules) -> Run | str:
    """Return the run at its next step, or how the operation ends."""
    call = _due(run, rules) if rules.driver else None
    if call is not None:
        return call
    if run.look is not None:
        on_look = {"looked": _claim if run.kind == "publish" else _release, "undo looked": _undo}[run.step]
        return on_look(run, run.look, rules)
    if run.record is None:
        raise AssertionError(f"nothing to decide: {run}")
    if not rules.is_current(run.record, run):
        return at(run, "undo" if run.step == "undone" else "look")
    return "fails" if run.step == "undone" else "succeeds"


def describe(run: Run, rules: Rules) -> Run:
    """Return the run as it records the publish context that the backend returned."""
    write = run.record and rules.describe(run.record, run.node, run.operation)
    return run._replace(step="describe", write=write, record=None) if write else run._replace(step="attached")


def only_decides(run: Run, rules: Rules) -> bool:
    """Return whether the operation goes on by a decision that doesn't end it: nothing else that happens can change that."""
    return run.step in DECIDING and isinstance(decide(run, rules), Run)


def at(run: Run, step: str) -> Run:
    """Return the run at a step that needs nothing of what it learned last."""
    return run._replace(step=step, look=None, write=None, record=None, call=None, tried=False, cancelled=False, local=False)


def asks(run: Run, record: Record, rules: Rules) -> Run:
    """Return the run as it calls the driver for the acquisition that has landed, or makes another if it was reset since."""
    if rules.outlived(record, run):
        return at(run, "look")
    call = Call("attach", run.node, rules.attach_token(record.epoch))
    return run._replace(step="attaching", call=call, asked=max(run.asked, record.epoch))


def _due(run: Run, rules: Rules) -> Run | None:
    """Return the operation with the call of the driver that precedes its write, or None if that is made, or there is none."""
    if run.look is None:
        return None
    record = run.look.record
    epoch = record.epoch if record else 0
    if run.step == "undo looked":
        others = record is not None and run.node in record.holders and record.operation != run.look.by
        if not run.begun or others or rules.leaves(run, run.look):
            return None
        token = rules.undo_token(max(run.asked, epoch))
        return run._replace(step="undo backend", call=Call("detach", run.node, token))
    if run.kind != "unpublish" or (record is None and not rules.trusts(run.look, run)):
        return None
    leaving = [node for node in (record.holders if record else ()) if node in run.nodes] or [run.node]
    left = [node for node in leaving if not rules.is_detached(run, node, epoch)]
    return run._replace(step="detaching", call=Call("detach", left[0], rules.detach_token(epoch))) if left else None


def _claim(run: Run, look: Look, rules: Rules) -> Run | str:
    if rules.needs_no_claim(look, run):
        return "succeeds"
    acquire = look.record and rules.acquire(look.record, run.node, run.operation)
    if acquire:
        renews = rules.stays(acquire, look, run)
        local = rules.is_local(look, run, acquire.renews)
        return run._replace(step="acquire", look=None, write=acquire.write, renews=renews, acquired=NOBODY, local=local)
    return "is refused" if rules.trusts(look, run) else at(run, "look")


def _release(run: Run, look: Look, rules: Rules) -> Run | str:
    if rules.needs_no_release(look, run):
        return "succeeds"
    if look.record is not None:
        write = rules.release(look.record, run.node, run.operation)
        return run._replace(step="release", look=None, write=write, local=rules.is_local(look, run, renews=False))
    return "succeeds" if rules.trusts(look, run) else at(run, "look")


def _undo(run: Run, look: Look, rules: Rules) -> Run | str:
    write = look.record and rules.undo(look.record, run.node, rules.undoes_as(look, run), rules.leaves(run, look))
    if write:
        return run._replace(step="undoing", look=None, write=write)
    return "fails" if rules.trusts(look, run) else at(run, "undo")

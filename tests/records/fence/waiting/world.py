"""Everything that may happen next, and the rules that hold in every state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mooring.records.holds import Fate
from tests.records.fence.waiting import hold as holding
from tests.records.fence.waiting import publish, unpublish
from tests.records.fence.waiting.effects import abandon, ask_to_end, ended, late_requests, resets, stragglers
from tests.records.fence.waiting.rules import Rules, closed
from tests.records.fence.waiting.state import ALL, NOBODY, NODES, Hold, Move, Record, Run, World

_KINDS = tuple(("publish", node) for node in NODES) + tuple(("unpublish", node) for node in (*NODES, ALL))
_EPOCH = 4
"""Epoch of the record of a PV that appears with one."""


@dataclass(frozen=True)
class Bounds:
    """The bounds of a search.

    They limit the number of operations that start, resets included; whether operators end holds, PVs appear with a record, holds
    start late, and requests to end a hold arrive late; how often holds are reset, whether Temporal forgets the runs that these were
    reset from, and how often PVs go; and the number of states after which the search begins no further round.
    """

    operations: int = 3
    resets: bool = False
    operators: bool = True
    records: bool = True
    late: bool = True
    asks: bool = False
    hold_resets: int = 0
    forgets: bool = False
    gone: int = 0
    states: int = 100_000


def moves(world: World, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    """Yield everything that may happen next."""
    run, held = world.run, world.hold
    if run is not None:
        yield from steps(world, rules)
        yield f"{run.name}: is terminated at step {run.step}", _terminated(world, run, bounds)
        if bounds.resets and run.kind == "publish" and run.step not in {"observe", "look"}:
            yield f"(remembers {run.name} at step {run.step})", world._replace(remembered=run)
    elif world.operations < bounds.operations:
        yield from _starts(world)
    if held is not None:
        yield from holding.moves(world, held, rules)
        yield from _happens_to_hold(world, held, bounds)
    elif world.late is not None:
        late = world.late._replace(number=world.held + 1)
        yield f"the hold of operation {late.operation} begins late", world._replace(late=None, hold=late, held=late.number)
    yield from _beside(world, rules, bounds)
    if bounds.resets and world.remembered is not None and world.operations < bounds.operations:
        yield _reset(world, world.remembered, bounds)


def _beside(world: World, rules: Rules, bounds: Bounds) -> Iterator[Move]:
    """Yield everything that happens to the volume beside its operations and its hold."""
    yield from stragglers(world, rules)
    yield from late_requests(world)
    if world.resets < bounds.hold_resets:
        yield from resets(world, rules)
    if world.pv is None:
        yield from _pv_appears(world, bounds)
    elif world.went < bounds.gone:
        known = world.pv if world.pv.epoch else world.known
        yield "the PV goes", world._replace(pv=None, known=known, went=world.went + 1)


def steps(world: World, rules: Rules) -> Iterator[Move]:
    """Yield everything that the open operation may do next."""
    run = world.run
    if run is not None:
        yield from (publish if run.kind == "publish" else unpublish).moves(world, run, rules)


def fault(world: World) -> str:
    """Return the fault in this state, or "" if there is none."""
    hold = world.hold
    holders = set(world.made)
    kept = {hold.node} if hold is not None else set[str]()
    asked = kept if hold is not None and _claims(hold) else set[str]()
    if world.broken:
        return world.broken
    if len(world.believed) > 1:
        return "two nodes were told to have the volume"
    if world.believed - holders - kept:
        return f"{', '.join(world.believed)} was told to have the volume, nobody unpublished it, and nothing holds it"
    if world.went and world.believed - world.backend:
        return f"{', '.join(world.believed)} was told to have the volume, nobody unpublished it, and the backend has it not"
    ghosts = world.gone & (holders | asked | (world.backend - world.forced))
    if ghosts:
        return f"ghost: {', '.join(ghosts)} was told to be off, and isn't"
    if hold is not None and hold.fate is Fate.SUCCEEDED and not (hold.settled or hold.revived):
        return f"hold {hold.number} waits for the word of a publish that has succeeded"
    if hold is not None and hold.step == "unsettled" and hold.is_known_over and not hold.settled:
        return f"hold {hold.number} waits for the word of its publish, though it was over before"
    return ""


def _claims(hold: Hold) -> bool:
    """Return whether it holds for certain; one that has yet to ask may end, and one in doubt shows its doubt until an unpublish."""
    return hold.step != "begins" and not hold.ending and not hold.revived and (hold.settled or hold.fate is not Fate.UNKNOWN)


def ends(world: World, rules: Rules) -> bool:
    """Return whether the open operation, or else the hold of a volume whose PV is there and free, ends if all goes well."""
    for _ in range(40):
        if world.broken or (world.run is None and not _is_due(world)):
            return True
        ahead = next(steps(world, rules), None)
        if ahead is None or (world.run is not None and ahead[0].endswith("rolls back") and world.hold is not None):
            ahead = next(holding.moves(world, world.hold, rules), ahead) if world.hold is not None else ahead
        if ahead is None:
            return False
        world = ahead[1]
    return False


def _is_due(world: World) -> bool:
    hold = world.hold
    if hold is None or world.pv is None:
        return False
    return hold.ending or (hold.settled and not set(world.made) - {hold.node})


def _terminated(world: World, run: Run, bounds: Bounds) -> World:
    late, asks = world.late, world.asks
    if bounds.asks and run.step.startswith("end hold") and world.hold is not None and not world.hold.ending:
        asks |= {(world.hold.number, run.operation)}
    if bounds.late and run.step == "start" and world.hold is None:
        late = Hold(0, run.node, run.operation)  # the server starts it all the same
    after = ended(abandon(world, run.write)._replace(late=late, asks=asks), run.operation, Fate.CUT_OFF)
    return after._replace(loose=after.loose | run.nodes) if run.kind == "publish" else after


def _starts(world: World) -> Iterator[Move]:
    number = world.operations + 1
    for kind, node in _KINDS:
        if number == 1 and node == NODES[1]:
            continue  # the nodes may change names
        run = Run(kind, node, number)
        after = world._replace(operations=number, run=run, came=frozenset())
        if kind == "publish":
            yield f"{run.name}: starts", after._replace(gone=world.gone - run.nodes, late=None)
        else:
            yield f"{run.name}: starts", after._replace(believed=world.believed - run.nodes)


def _happens_to_hold(world: World, hold: Hold, bounds: Bounds) -> Iterator[Move]:
    if closed(hold.fate):
        yield f"operation {hold.operation} is forgotten", world._replace(hold=hold._replace(fate=Fate.UNKNOWN))
    if bounds.forgets and hold.is_known_over:
        yield f"what hold {hold.number} was reset from is forgotten", world.forgetting(hold)
    if bounds.operators and not (world.run is not None and world.run.step == "found"):  # it is about to decide: as well after
        forced = world._replace(believed=world.believed - {hold.node}, forced=world.forced | {hold.node})
        if not hold.ending:
            yield f"an operator cancels hold {hold.number} of {hold.node}", ask_to_end(forced, hold.number, 0)
        if not hold.step.startswith("und"):
            yield f"an operator terminates hold {hold.number} of {hold.node}", abandon(forced, hold.write)._replace(hold=None)


def _pv_appears(world: World, bounds: Bounds) -> Iterator[Move]:
    yield "the PV appears", world._replace(pv=Record(world.went + 1, 0, (), NOBODY))
    for node in NODES if bounds.records else ():
        record = Record(1, _EPOCH, (node,), NOBODY)
        yield (
            f"the PV appears with a record of {node}",
            world._replace(pv=record, makers=(NOBODY,), gone=world.gone - {node}, came=frozenset({node} if world.run else ())),
        )


def _reset(world: World, former: Run, bounds: Bounds) -> Move:
    number = world.operations + 1
    left = _terminated(world, world.run, bounds) if world.run is not None else world
    again = former._replace(operation=number)
    after = left._replace(operations=number, run=again, gone=left.gone - again.nodes, loose=left.loose | again.nodes)
    return f"{former.name}: is reset to step {former.step}, and goes on as operation {number}", after

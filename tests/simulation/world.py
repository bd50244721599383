"""One volume, its operations and everything that goes wrong, chosen by a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from mooring.models import PublishRequest, UnpublishRequest, Write
from mooring.names import volume_id
from tests.simulation import judge
from tests.simulation.cluster import VOLUME
from tests.simulation.instance import Instance
from tests.simulation.server import Server
from tests.simulation.steps import carry_out, is_ready
from tests.simulation.temporal import Run
from workflows.persist import PersistAttachment
from workflows.publish import PublishVolume
from workflows.unpublish import UnpublishVolume

NODES = ("node-a", "node-b", "node-c")
MOST_MOVES = 4_000


class Move(NamedTuple):
    """Something that may happen next, and how likely beside the others."""

    weight: float
    what: str
    act: Callable[[], None]


@dataclass(slots=True)
class World(Server):
    """A story, each event chosen by the seed. `left` operations are still to be started."""

    left: int = 12

    def _begin(self) -> None:
        """Create the PV at the beginning, or don't."""
        if self.happens(0.4):
            self.cluster.create()

    def play(self) -> None:
        """Carry out all operations, go on until all is at rest, and take the volume from everybody.

        Raises:
            Violation: something is wrong.

        """
        self._begin()
        while self.left or self.volume_run() is not None:
            self._move()
        self.faults = False
        self._rest()
        for run, write in self.dice.sample(self.strays, len(self.strays)):
            self.land(run, write)
        self._rest()
        judge.at_rest(self)
        self._start(UnpublishVolume, "")
        self._rest()
        judge.empty(self)

    def _move(self) -> None:
        moves = self._moves()
        self._make(self.dice.choices(moves, [move.weight for move in moves])[0])
        if len(self.story) > MOST_MOVES:
            raise self.fail("it never ends")

    def _make(self, move: Move) -> None:
        self.story.append(move.what)
        move.act()
        judge.always(self)

    def _moves(self) -> list[Move]:
        strays = [
            Move(1.0, f"a stray write of {run.run_id} lands", partial(self._land_stray, run, write)) for run, write in self.strays
        ]
        run = self.volume_run()
        return [*self._progress(), *strays, *self._without_pv(), *(self._asked() if run is None else self._disturbances(run))]

    def _without_pv(self) -> list[Move]:
        """Return what may happen to a volume that has no PV."""
        chance = 0.3 if self.hold() else 0.03
        return [Move(chance, "the PV appears", self.cluster.create)] if self.cluster.pv is None else []

    def _asked(self) -> list[Move]:
        """Return what somebody may ask for while no operation is open."""
        if not self.left:
            return []
        node, kind = self.dice.choice(NODES), self.dice.choice([PublishVolume, PublishVolume, UnpublishVolume])
        moves = [Move(2.0, f"{kind.__name__} {node}", partial(self._start, kind, node))]
        closed = [run for run in self.runs if _may_be_reset(run)]
        if closed:
            old = self.dice.choice(closed[-3:])
            moves.append(Move(0.3, f"reset {old.run_id}", partial(self._do_again, old)))
        return moves

    def _disturbances(self, run: Run) -> list[Move]:
        moves = [] if run.cancel_requested else [Move(0.15, f"cancel {run.run_id}", partial(self.cancel, run))]
        if run.instance.history:
            moves.append(Move(0.05, f"terminate {run.run_id}", partial(self.cut_off, run)))
            moves += [Move(0.05, f"reset {run.run_id}", partial(self._do_again, run))] if _may_be_reset(run) else []
        return moves

    def _progress(self) -> list[Move]:
        """Return what happens by itself."""
        return [move for run in self.runs if run.open for move in self._progress_of(run)]

    def _progress_of(self, run: Run) -> Iterator[Move]:
        if run.jobs:
            yield Move(3.0, f"task of {run.run_id}", partial(self.task, run))
        for step in run.steps.values():
            if is_ready(self, step):
                yield Move(2.0, f"{run.run_id} {step.name} #{step.attempt}", partial(carry_out, self, run, step))
        for seq in run.timers:
            yield Move(0.5, f"timer of {run.run_id}", partial(self.fire, run, seq))

    def _rest(self) -> None:
        """Go on without faults until nothing moves by itself; a timer of a hold that meets another holder always does."""
        for _ in range(MOST_MOVES):
            moves = [move for move in self._progress() if not move.what.startswith("timer")]
            if not moves:
                return
            self._make(self.dice.choice(moves))
        raise self.fail("it never comes to rest")

    def _start(self, kind: type, node: str) -> None:
        model: Any = PublishRequest if kind is PublishVolume else UnpublishRequest
        self.left = max(0, self.left - 1)
        request = model(driver=VOLUME.driver, volume_handle=VOLUME.volume_handle, node_id=node)
        self.begin(Run(Instance(kind, volume_id(VOLUME), self.new_id(), request), node))

    def _do_again(self, old: Run) -> None:
        self.left = max(0, self.left - 1)
        self.reset(old)

    def _land_stray(self, run: Run, write: Write) -> None:
        self.strays.remove((run, write))
        self.land(run, write)


def _may_be_reset(run: Run) -> bool:
    """Return whether stories reset this run."""
    return run.instance.kind is not PersistAttachment and bool(run.instance.history)

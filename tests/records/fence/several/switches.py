"""The rules with one left out, each as somebody might write it in good faith."""

from __future__ import annotations

from collections.abc import Iterable

from tests.records.fence.several.rules import Acquire, Rules
from tests.records.fence.several.state import EPOCH, Mark, Pv, Run, View, World, Write


class OnePvIsHome(Rules):
    """The record is on one of the PVs, the home; the others remain as they are."""

    def acquire(self, seen: frozenset[Pv], node: str, operation: int) -> Acquire | None:
        acquire = super().acquire(seen, node, operation)
        return acquire and acquire._replace(write=_on(acquire.write, 1))


class OnePvIsRead(Rules):
    """A live look reads one PV that has the handle, and that another has it too goes unnoticed."""

    def read(self, world: World, view: View, run: Run) -> frozenset[Pv]:
        return frozenset(sorted(super().read(world, view, run))[-1:])


class OthersUntested(Rules):
    """An attempt tests the first PV, and sets the others whatever is on them."""

    def passes(self, mark: Mark, pv: Pv, place: int) -> bool:
        return place > 0 or super().passes(mark, pv, place)


class NoEpochTested(Rules):
    """An attempt looks at each PV in turn, and sets it if nobody new holds the volume."""

    def passes(self, mark: Mark, pv: Pv, place: int) -> bool:  # noqa: ARG002
        return mark.node == pv.mark.node


class RefusedIsDead(Rules):
    """An acquisition that was refused on one PV is taken for dead on all."""

    def may_land(self, write: Write) -> bool:  # noqa: ARG002
        return False


class RollbackForgets(Rules):
    """A rollback looks at the PVs that its worker knows, not at those that its operation wrote."""

    def remembers(self, run: Run) -> Run:
        return run._replace(known=frozenset())


class NameIsEnough(Rules):
    """A PV that has a known name is taken for the known one, though it was created again."""

    def counts(self, found: Iterable[Pv], view: View) -> bool:  # noqa: ARG002
        return any(True for _ in found)


class RecordsLeadNowhere(Rules):
    """A record doesn't name the PVs that bear it too."""

    def leads(self, names: frozenset[str], world: World) -> frozenset[str]:  # noqa: ARG002
        return names

    def tells_all(self, pvs: Iterable[Pv], view: View) -> bool:  # noqa: ARG002
        return True


class FreeRecordsLeadNowhere(Rules):
    """A record that names no holder doesn't name the PVs that bear it too."""

    def makes(self, write: Write, pv: Pv, place: int) -> Pv:
        made = super().makes(write, pv, place)
        return made if made.holders else made._replace(beside=frozenset())


class AnEpochIsTheLastWord(Rules):
    """A record with an epoch is taken for all that is known, though it leads to a PV that is gone."""

    def asks(self, left: Pv, gone: Pv) -> bool:  # noqa: ARG002
        return left.epoch == EPOCH


class FinalThoughInPart(Rules):
    """A write that is refused for good at its first attempt is taken for not made at all, though some PVs bear it."""

    def is_final(self, run: Run) -> bool:
        return run.first


class EpochOfTheFirst(Rules):
    """The epoch is counted from that of the first PV, whatever the others have."""

    def acquire(self, seen: frozenset[Pv], node: str, operation: int) -> Acquire | None:
        acquire = super().acquire(seen, node, operation)
        return acquire and acquire._replace(write=_counted(acquire.write))

    def release(self, seen: frozenset[Pv], node: str, operation: int) -> Write:
        return _counted(super().release(seen, node, operation))


class CopiesUntested(Rules):
    """Every PV gets the holders of all, also of those that are not tested yet."""

    def release(self, seen: frozenset[Pv], node: str, operation: int) -> Write:
        write = super().release(seen, node, operation)
        everyone = tuple(dict.fromkeys(holder for pv in seen for holder in pv.holders if holder != node))
        return write._replace(holders=(everyone,) * len(write.marks))


class OwnClaimStays(Rules):
    """An acquisition that landed on some PVs, before it was refused on another, is taken for a holder from before."""

    def stays(self, acquire: Acquire, seen: frozenset[Pv], run: Run) -> bool:  # noqa: ARG002
        return acquire.renews


def _on(write: Write, pvs: int) -> Write:
    return write._replace(marks=write.marks[:pvs], holders=write.holders[:pvs])


def _counted(write: Write) -> Write:
    return write._replace(epoch=write.marks[0].epoch + 1)

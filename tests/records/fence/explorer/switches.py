"""The rules with one left out, each as somebody might write it in good faith."""

from __future__ import annotations

from collections.abc import Iterator

from tests.records.fence.explorer.rules import Acquire, Rules
from tests.records.fence.explorer.state import NOBODY, Look, Mark, Record, Run, Write


class NoBurn(Rules):
    """A failed publish that finds its node unheld has nothing to undo."""

    def undo(self, seen: Record, node: str, operation: int, renews: bool) -> Write | None:
        return super().undo(seen, node, operation, renews) if node in seen.holders else None


class BurnOnlyTheUnheld(Rules):
    """A failed publish burns the epoch only where nobody at all holds the volume."""

    def undo(self, seen: Record, node: str, operation: int, renews: bool) -> Write | None:
        return super().undo(seen, node, operation, renews) if node in seen.holders or not seen.holders else None


class IdleUnpublish(Rules):
    """An unpublish that finds on the PV that there is nothing to release writes nothing."""

    def needs_no_release(self, look: Look, run: Run) -> bool:
        return self.trusts(look, run) and not run.nodes.intersection(_holders(look))


class NoReclaim(Rules):
    """A publish that finds on the PV that its node holds the volume writes nothing."""

    def needs_no_claim(self, look: Look, run: Run) -> bool:
        return self.trusts(look, run) and run.node in _holders(look)


class SuccessFromMemory(Rules):
    """A publish that finds in the index that its node holds the volume succeeds."""

    def needs_no_claim(self, look: Look, run: Run) -> bool:
        return run.node in _holders(look) and not look.live


class NoOperationId(Rules):
    """A record bears no operation's id: an operation's own record is recognised by node and epoch."""

    exact = True

    def landed(self, write: Write, found: Record) -> bool:
        return super().landed(write, found._replace(operation=write.operation))

    def undo(self, seen: Record, node: str, operation: int, renews: bool) -> Write | None:
        return super().undo(seen._replace(operation=operation if node in seen.holders else -1), node, operation, renews)

    def is_current(self, record: Record, run: Run) -> bool:  # noqa: ARG002
        return True


class UndoesReclaims(Rules):
    """A failed publish takes its node away even where it held before."""

    def leaves(self, run: Run, look: Look) -> bool:  # noqa: ARG002
        return False


class ReadsAgain(Rules):
    """An attempt reads the PV and decides again before it writes, as get-check-update loops do."""

    exact = True

    def lands(self, write: Write, pv: Record | None) -> Record | None:
        again = None if pv is None else self._again(write, pv)
        return None if again is None else super().lands(again, pv)

    def _again(self, write: Write, pv: Record) -> Write | None:
        aim, _, node = write.aim.partition(" ")
        if aim == "acquire":
            acquire: Acquire | None = self.acquire(pv, node, write.operation)
            return acquire and acquire.write
        if aim == "release":
            return self.release(pv, node, write.operation)
        return write


class NoUidTested(Rules):
    """An attempt tests the epoch and the holder, not which PV it is."""

    exact = True

    def passes(self, mark: Mark, pv: Record) -> bool:
        return mark._replace(uid=pv.uid) == pv.mark


class NoEpochTested(Rules):
    """An attempt tests who holds the volume, not the epoch."""

    exact = True

    def passes(self, mark: Mark, pv: Record) -> bool:
        return mark._replace(epoch=pv.epoch) == pv.mark


class PublishUnawareOfReset(Rules):
    """A publish that was reset trusts the acquisition its former self landed."""

    def is_current(self, record: Record, run: Run) -> bool:
        return super().is_current(record, run) or run.step == "attached"


class UnpublishUnawareOfReset(Rules):
    """An unpublish that was reset trusts the release its former self landed."""

    def is_current(self, record: Record, run: Run) -> bool:
        return super().is_current(record, run) or run.step == "released"


class UndoUnawareOfReset(Rules):
    """A rollback that was reset trusts the undo its former self landed."""

    def is_current(self, record: Record, run: Run) -> bool:
        return super().is_current(record, run) or run.step == "undone"


class LooksOutliveReset(Rules):
    """An operation that was reset ends on what its former self was shown."""

    looks_expire = False


class SameIdAfterReset(Rules):
    """An operation that was reset goes on under the id of its former self, as its history has it."""

    exact = True

    def identity(self, remembered: Run, number: int) -> int:  # noqa: ARG002
        return remembered.operation


class UndoUnderOwnId(Rules):
    """A rollback compares the record with the id of the run that decides, not of the run that looked."""

    def undoes_as(self, look: Look, run: Run) -> int:  # noqa: ARG002
        return run.operation


class DescribesAnothersClaim(Rules):
    """A rollback takes for its own acquisition what it only described."""

    def leaves(self, run: Run, look: Look) -> bool:  # noqa: ARG002
        return run.renews


class HoldersGoWithTheirPv(Rules):
    """A record that has vanished is a release: only the epoch is known of it."""

    def as_known(self, pv: Record, known: Record | None) -> Record:
        seen = super().as_known(pv, known)
        return seen._replace(holders=()) if seen.floor and not seen.altered else seen


class EpochBeginsAnew(Rules):
    """A PV that was created again begins at epoch 1."""

    def acquire(self, seen: Record, node: str, operation: int) -> Acquire | None:
        acquire = super().acquire(seen, node, operation)
        return acquire and acquire._replace(write=acquire.write._replace(floor=0))

    def release(self, seen: Record, node: str, operation: int) -> Write:
        return super().release(seen, node, operation)._replace(floor=0)


class StrippedIsFree(Rules):
    """A PV whose annotations were taken away is one that nobody has written yet, above the epoch that was seen."""

    def as_known(self, pv: Record, known: Record | None) -> Record:
        seen = super().as_known(pv, known)
        return seen._replace(holders=(), altered=False) if seen.altered else seen


class UnpublishFreesAll(Rules):
    """An unpublish writes only the holders that the PV itself names."""

    def release(self, seen: Record, node: str, operation: int) -> Write:
        return super().release(seen._replace(holders=()) if seen.floor else seen, node, operation)


class UnpublishIsNoWord(Rules):
    """An unpublish that finds no PV reports nothing of the holder that went with it."""

    def lets_go(self, run: Run) -> frozenset[str]:
        return frozenset() if run.kind == "unpublish" else run.nodes


class FailureIsNoWord(Rules):
    """An acquisition whose PV went before it was taken back still counts."""

    def lets_go(self, run: Run) -> frozenset[str]:
        return frozenset() if run.kind == "publish" else run.nodes


class ReclaimIsOwn(Rules):
    """A holder that the run had renewed on a PV that went is its own acquisition, because it bears the run's id."""

    def stays(self, acquire: Acquire, look: Look, run: Run) -> bool:
        return super().stays(acquire, look, run._replace(renews=False, acquired=NOBODY))


class ForgottenClaimStays(Rules):
    """An acquisition on what the run itself had acquired, on a PV that went, is a renewal."""

    def stays(self, acquire: Acquire, look: Look, run: Run) -> bool:  # noqa: ARG002
        return acquire.renews


class RefusedUnderAnAttempt(Rules):
    """A publish whose first task was begun before is refused without a burn, since it has written nothing that it knows of."""

    def may_be_refused(self, run: Run) -> bool:  # noqa: ARG002
        return True


class ForgottenAcquisitionIsAnothers(Rules):
    """A publish that finds what its local attempt has written, and forgot, renews it like any other's."""

    def stays(self, acquire: Acquire, look: Look, run: Run) -> bool:
        return super().stays(acquire, look if run.acquired else look._replace(by=NOBODY), run)


class AgainFromMemory(Rules):
    """A publish whose first task was begun before decides on the index, like any other."""

    exact = True

    def trusts_index(self, run: Run) -> bool:  # noqa: ARG002
        return True


class WakesUpAndWrites(Rules):
    """A worker that was frozen in a first task looks and acquires when it wakes up, whoever has gone on with the run since."""

    exact = True
    asleep = Mark(-1, -1, "")
    """The mark of an attempt that is yet to be decided."""

    def wakes_to(self, run: Run) -> Iterator[Write]:
        if run.kind == "publish":
            yield Write(self.asleep, (run.node,), run.operation, f"acquire {run.node} as its worker wakes up")

    def passes(self, mark: Mark, pv: Record) -> bool:
        return mark == self.asleep or super().passes(mark, pv)

    def lands(self, write: Write, pv: Record | None) -> Record | None:
        acquire = pv and write.mark == self.asleep and self.acquire(pv, write.holders[0], write.operation)
        if acquire and not acquire.renews:
            write = acquire.write
        return None if write.mark == self.asleep else super().lands(write, pv)


class WakesUpAndReleases(WakesUpAndWrites):
    """A release that is bound to no epoch need not ask whether its task was given to another worker."""

    def wakes_to(self, run: Run) -> Iterator[Write]:
        if run.kind == "unpublish":
            yield Write(self.asleep, (), run.operation, f"release {run.node} as its worker wakes up")

    def lands(self, write: Write, pv: Record | None) -> Record | None:
        if write.mark != self.asleep:
            return super().lands(write, pv)
        node = write.aim.removeprefix("release ").removesuffix(" as its worker wakes up")
        return super().lands(self.release(pv, node, write.operation), pv) if pv and pv.epoch else None


class LocalRenewal(Rules):
    """A renewal is a local activity, too."""

    def is_local(self, look: Look, run: Run, renews: bool) -> bool:  # noqa: ARG002
        return super().is_local(look, run, renews=False)


class ForgottenIsNoWord(Rules):
    """A publish that knows of no acquisition of its own says nothing of what it took back where the PV has gone."""

    heeds_again = True

    def lets_go(self, run: Run) -> frozenset[str]:
        return frozenset() if run.kind == "publish" and run.again else run.nodes


def _holders(look: Look) -> tuple[str, ...]:
    return look.record.holders if look.record else ()

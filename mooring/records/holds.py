"""The decisions about a volume without a PV: its holder, and the end of its hold. Pure, as those of fence.py.

Until there is a PV to record it on, an attachment is kept by an open run of PersistAttachment, its *hold*.

Invariants, each searched in tests/records/fence:

1. A hold begins only under the volume's lock. "There is none" therefore remains true to an operation's end; "there is one" is asked
   again before anything depends on it, because a hold ends by itself.
2. The settlement by its publish (`settle`) overrides all other knowledge of that publish. Only a rollback that was seen ends a
   hold: a publish that can't be found proves nothing.
3. While a hold is open no other node becomes a holder. An operation that ends moves the epoch beside it as ever, and releases the
   recorded holders.
4. A hold signs all its writes with an id of its own: else its publish takes a record for its own that the hold is about to undo.
   To that publish an acquisition of its hold is its own acquisition, to any later one an earlier holder. A hold that is reset while
   its publish is open remains that one's, under another id.
5. A hold ends after the backend has detached, like a record.
6. A hold ends for an operation that is open, or for an operator: the request of one that is over may arrive after another publish
   has relied on the hold. It then goes on in another run, and an operation that ends it ends that, too. One that was reset after it
   had ended by itself is relied on by no operation, and gives and takes nothing.
   If that is forgotten, a publish relies on a hold that it found only if no record names a holder that excludes its node.
7. A publish succeeds on its hold only if it has seen it open, and not about to end, after the backend attached.

Not kept here: finding and ending a hold (activities/unpersisted.py), and the record (fence.py).
"""

from __future__ import annotations

from enum import StrEnum

from mooring.errors import Contended, MooringError
from mooring.models import Attachment, PublishRequest, UnpersistedRun
from mooring.records import refusals


class Fate(StrEnum):
    """Fate of the publish that began a hold; CUT_OFF is terminated or timed out, UNKNOWN past its retention."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled back"
    CUT_OFF = "cut off"
    UNKNOWN = "unknown"


def lives(fate: Fate, *, learnt: bool) -> bool:
    """Return whether the publish may have had the backend attach; `learnt`: it knew that its hold had begun, which comes first."""
    return fate is not Fate.ROLLED_BACK and (fate is not Fate.CUT_OFF or learnt)


def is_needed(*, settled: bool, publisher_lives: bool) -> bool:
    """Return whether a hold goes on, given the state of its publish."""
    return settled or publisher_lives


def refuse(held: Attachment, asked: PublishRequest) -> MooringError | None:
    """Return the error if the hold doesn't admit the request, or None if it does."""
    refusal = refusals.refuse([held], asked)
    if refusal is not None or held.node_id == asked.node_id:
        return refusal
    # NB: a second holder has nowhere to be written down until the PV is there.
    return Contended(
        f"Volume {asked.volume_handle} has no PersistentVolume yet and is held by node {held.node_id}; "
        f"node {asked.node_id} can join once it has one."
    )


def is_open(hold: UnpersistedRun, found: UnpersistedRun | None) -> bool:
    """Return whether it is this hold that was found, and it isn't about to end."""
    return found is not None and found.run_id == hold.run_id and not found.ending


def may_succeed(found: UnpersistedRun, operation: str) -> bool:
    """Return whether a publish may end on the hold it found: only on a look of its own, as after a reset it replays another's."""
    return found.by == operation


def is_mine(found: UnpersistedRun) -> bool:
    """Return whether the very run that found the hold had begun it.

    The hold of a run that this one was reset from remains: that run may have had the backend attach, and have reported success.
    """
    return found.begun_by in {"", found.by}

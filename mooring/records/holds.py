"""The decisions about a volume without a PV: who holds it, and until when. Pure, as those of fence.py.

Until there is a PV to record it on, an attachment is kept by an open run of PersistAttachment, its *hold*.

Invariants, each searched in tests/fence:

1. A hold begins only under the volume's lock. "There is none" therefore stays true to an operation's end; "there is one" is asked
   again before anything depends on it, because a hold ends by itself.
2. The word of its publish (`settle`) beats whatever can be asked about that publish. Only a rollback that was seen ends a hold: a
   publish that can't be found proves nothing.
3. While a hold is open nobody else becomes a holder. Who ends an operation moves the epoch beside it as ever, and releases what the
   record says.
4. A hold signs all that it writes with an id of its own: else its publish takes for its own what the hold is about to take back.
   To that publish a claim of its hold is its own claim, to any later one what was there before.
5. A hold ends after the backend has detached, like a record.
6. A hold ends for an operation that is open, or for an operator: the word of one that is over may come after another publish has
   relied on the hold. It then goes on in another run, and whoever ends it ends that, too. One that was reset after it had ended
   by itself is relied on by nobody, and gives and takes nothing.
   Where that is forgotten, a publish relies on a hold that it found only if no record names a holder that excludes its node.
7. A publish succeeds on its hold only if it has seen it open, and not about to end, after the backend attached.

Not kept here: how a hold is found and ended (activities/unpersisted.py), and the record (fence.py).
"""

from __future__ import annotations

from enum import StrEnum

from mooring.errors import Contended, MooringError
from mooring.models import Attachment, PublishRequest, Waiting
from mooring.records import fence


class Fate(StrEnum):
    """What is known of the publish that began a hold; CUT_OFF is terminated or timed out, UNKNOWN past its retention."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled back"
    CUT_OFF = "cut off"
    UNKNOWN = "unknown"


def lives(fate: Fate, *, learnt: bool) -> bool:
    """Whether the publish may have had the backend attach; `learnt`: it was told that its hold has begun, which comes first."""
    return fate is not Fate.ROLLED_BACK and (fate is not Fate.CUT_OFF or learnt)


def is_needed(*, settled: bool, publisher_lives: bool) -> bool:
    """Whether a hold goes on, now that its publish was asked for."""
    return settled or publisher_lives


def refuse(held: Attachment, asked: PublishRequest) -> MooringError | None:
    """Why the hold doesn't admit what is asked; None where it does."""
    refusal = fence.refuse([held], asked)
    if refusal is not None or held.node_id == asked.node_id:
        return refusal
    # NB: a second holder has nowhere to be written down until the PV is there.
    return Contended(
        f"Volume {asked.volume_handle} has no PersistentVolume yet and is held by node {held.node_id}; "
        f"node {asked.node_id} can join once it has."
    )


def is_open(hold: Waiting, found: Waiting | None) -> bool:
    """Whether it is this hold that was found, and it isn't about to end."""
    return found is not None and found.run_id == hold.run_id and not found.ending


def may_succeed(found: Waiting, operation: str) -> bool:
    """Whether a publish may end on the hold it found: only on a look of its very own, as after a reset it replays another's."""
    return found.by == operation


def is_mine(found: Waiting) -> bool:
    """Whether the very run that found the hold had begun it.

    The hold of a run that this one was reset from stays: that run may have had the backend attach, and have reported success.
    """
    return found.begun_by in {"", found.by}

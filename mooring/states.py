"""The meaning of each state of a run, and the advice to an operator: shown in the Temporal UI, explained in docs/operations.md.

Contract: every state has a row. The texts are Markdown in plain sentences, of no volume and no node in particular.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """The values of the search attribute AttachmentState."""

    PUBLISHING = "Publishing"
    ATTACHED = "Attached"
    REFUSED = "Refused"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    UNPUBLISHING = "Unpublishing"
    DETACHED = "Detached"
    NOT_CLEARED = "NotCleared"
    NOT_DETACHED = "NotDetached"
    WAITING_FOR_PV = "WaitingForPV"
    ADOPTING = "Adopting"
    RECONCILING = "Reconciling"
    AWAITING_APPROVAL = "AwaitingApproval"
    IN_STEP = "InStep"
    HEALED = "Healed"
    DRIFTED = "Drifted"
    AWAITING_PROOF = "AwaitingProof"
    EVACUATING = "Evacuating"
    EVACUATED = "Evacuated"
    NOT_NEEDED = "NotNeeded"
    MIGRATING = "Migrating"
    MIGRATION_OVERDUE = "MigrationOverdue"
    MIGRATED = "Migrated"
    SHARED = "Shared"


class Guidance(NamedTuple):
    """The meaning of a state, and the advice for it."""

    meaning: str
    advice: str


_PENDING: Final = "If it lasts, *Pending Activities* names the step, how often it was tried, and what it said last."
_NOTHING: Final = "Nothing is to be done."

GUIDANCE: Final = {
    State.PUBLISHING: Guidance(
        "The node is being made the volume's holder, then the backend attaches.",
        f"{_PENDING} To give it up, *request cancellation*: it is rolled back. Terminating skips the rollback.",
    ),
    State.ATTACHED: Guidance("The node holds the volume.", _NOTHING),
    State.REFUSED: Guidance(
        "The answer was no, and nothing was written.", "The failure says why, and which node has the volume where one has."
    ),
    State.ROLLING_BACK: Guidance(
        "The publish failed or was cancelled. What it did is being undone: the backend first, then the record.",
        f"It is tried until it succeeds. {_PENDING} Mend what that names. Terminating leaves the volume with the node until it is "
        "unpublished.",
    ),
    State.ROLLED_BACK: Guidance(
        "The publish failed, and nothing of it is left.", "The failure says what failed. Mend that; the CO asks again by itself."
    ),
    State.UNPUBLISHING: Guidance(
        "The backend detaches, then the record lets the node go.",
        f"{_PENDING} Cancelled, it stops where it is; asked again, it goes on.",
    ),
    State.DETACHED: Guidance("The node holds the volume no longer.", _NOTHING),
    State.NOT_CLEARED: Guidance(
        "The backend has detached, but the record could not be cleared, so the volume stays fenced to its holder.",
        "The result says why. Mend that (rights, an admission webhook); reconciliation clears it then, as another unpublish does.",
    ),
    State.NOT_DETACHED: Guidance(
        "The backend did not detach, so the node keeps the volume.", "The failure says why. Mend that, and unpublish again."
    ),
    State.WAITING_FOR_PV: Guidance(
        "The node holds the volume, which has no PersistentVolume yet to be recorded on; this run is the record.",
        "Create the PersistentVolume, or unpublish the volume. Where the PersistentVolume is there, *Pending Activities* names "
        "what keeps the node off it. Neither cancel nor terminate this: cancelled, it leaves the volume free to all; terminated, "
        "it leaves it refused to every other node until it is unpublished.",
    ),
    State.ADOPTING: Guidance("An attachment that was there before Mooring is being recorded.", _PENDING),
    State.RECONCILING: Guidance("What is recorded is compared with what is attached.", _PENDING),
    State.AWAITING_APPROVAL: Guidance(
        "More is amiss than MOORING_DRIFT_GUARD lets be healed without being asked. Nothing is healed meanwhile.",
        "See `mooring drift`. If it is right, `mooring approve reconcile --reason ...`; if not, find what makes it look so.",
    ),
    State.IN_STEP: Guidance("Records and attachments agree.", _NOTHING),
    State.HEALED: Guidance("What was amiss is healed; the result lists it.", _NOTHING),
    State.DRIFTED: Guidance("Something is amiss that is not healed by itself.", "`mooring drift` lists it, each with what to do."),
    State.AWAITING_PROOF: Guidance(
        "The node is to be emptied, and nothing proves yet that it is dead. Its volumes stay with it.",
        "If it is powered off for certain, taint it, `kubectl taint node NODE "
        "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`, or give your word: "
        "`mooring approve evacuate/NODE --reason ...`.",
    ),
    State.EVACUATING: Guidance(
        "The node is known to be dead, and its volumes are released one by one.",
        "The query `progress` says how far it is and what could not be released.",
    ),
    State.EVACUATED: Guidance("The node holds nothing any longer.", _NOTHING),
    State.NOT_NEEDED: Guidance("The node is back, so nothing more was released.", _NOTHING),
    State.MIGRATING: Guidance("Two nodes hold the volume while a machine migrates from one to the other.", _NOTHING),
    State.MIGRATION_OVERDUE: Guidance(
        "The migration is past its deadline, and both nodes hold the volume. Nothing is detached for that.",
        "See whether it is still running. End it, or unpublish the volume from the node that is to lose it.",
    ),
    State.MIGRATED: Guidance("One node is left that holds the volume.", _NOTHING),
    State.SHARED: Guidance(
        "Any number of nodes may hold the volume (MOORING_MIGRATION_NODES=0), so it is watched no longer.", _NOTHING
    ),
}


def guidance(state: State) -> str:
    """Return the meaning of the state and the advice for it, as a run shows them, in Markdown."""
    return f"**{state}.** {GUIDANCE[state].meaning}\n\n{GUIDANCE[state].advice}"

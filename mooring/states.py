"""The meaning of each state of a run, and the advice to an operator: shown in the Temporal UI, explained in docs/operations.md.

Contract: every state has a row. The texts are Markdown in plain sentences, of no volume and no node in particular: commands name
VOLUME and NODE, which a run's details have filled in (commands.py).
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


_PENDING: Final = "If it takes long, *Pending Activities* shows the step, the number of attempts and the last failure."
_EXPLAIN: Final = f"{_PENDING[:-1]}, and `mooring explain VOLUME` what to do."
_UNPUBLISH: Final = "`mooring unpublish VOLUME NODE`"
_NOTHING: Final = "No action is needed."

GUIDANCE: Final = {
    State.PUBLISHING: Guidance(
        "The node is being made the volume's holder, then the backend attaches.",
        f"{_EXPLAIN} To give it up, *request cancellation*, and it is rolled back. Terminating skips the rollback.",
    ),
    State.ATTACHED: Guidance("The node holds the volume.", _NOTHING),
    State.REFUSED: Guidance(
        "The answer was no, and nothing was written.",
        "The failure says why, and names the node that holds the volume, if one does.",
    ),
    State.ROLLING_BACK: Guidance(
        "The publish failed or was cancelled. It is being undone: first at the backend, then in the record.",
        f"It is tried until it succeeds. {_EXPLAIN} Fix the cause. Terminating leaves the volume with the node until it is "
        f"unpublished: {_UNPUBLISH}.",
    ),
    State.ROLLED_BACK: Guidance(
        "The publish failed, and nothing of it is left.", "The failure says why. Fix the cause; the CO tries again."
    ),
    State.UNPUBLISHING: Guidance(
        "The backend detaches, then the record lets the node go.",
        f"{_EXPLAIN} If it is cancelled, it stops where it is, and another unpublish goes on from there.",
    ),
    State.DETACHED: Guidance("The node no longer holds the volume.", _NOTHING),
    State.NOT_CLEARED: Guidance(
        "The backend has detached, but the record could not be cleared, so the volume stays fenced to its holder.",
        "The result says why. Fix the cause (rights, an admission webhook); then reconciliation, or another unpublish, clears "
        f"the record: {_UNPUBLISH}.",
    ),
    State.NOT_DETACHED: Guidance(
        "The backend did not detach, so the node keeps the volume.",
        f"The failure says why. Fix the cause, and unpublish again: {_UNPUBLISH}.",
    ),
    State.WAITING_FOR_PV: Guidance(
        "The node holds the volume, which has no PersistentVolume yet; until it has one, this run is the record.",
        f"Create the PersistentVolume, or unpublish the volume: {_UNPUBLISH}. If the PersistentVolume exists, "
        "*Pending Activities* shows why the node can't be recorded on it. Don't cancel or terminate this run: "
        "cancelled, it frees the volume for every node; terminated, it leaves the volume refused to every other node until it is "
        "unpublished.",
    ),
    State.ADOPTING: Guidance("An attachment that predates Mooring is being recorded.", _EXPLAIN),
    State.RECONCILING: Guidance("The records are being compared with the attachments.", _PENDING),
    State.AWAITING_APPROVAL: Guidance(
        "More heals are due than MOORING_DRIFT_GUARD allows without an approval. Nothing is healed until then.",
        "See `mooring drift`. If the drift is real, run `mooring approve reconcile --reason ...`; if not, find out what makes "
        "it look so.",
    ),
    State.IN_STEP: Guidance("Records and attachments agree.", _NOTHING),
    State.HEALED: Guidance("All drift is healed; the result lists it.", _NOTHING),
    State.DRIFTED: Guidance("Some drift is not healed automatically.", "`mooring drift` lists it, with advice on each."),
    State.AWAITING_PROOF: Guidance(
        "The node is to be evacuated, and nothing proves yet that it is dead. It keeps its volumes until then.",
        "If you are certain that it is powered off, taint it, `kubectl taint node NODE "
        "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`, or confirm it: `mooring approve evacuate/NODE --reason ...`.",
    ),
    State.EVACUATING: Guidance(
        "The node is proven dead, and its volumes are being released.",
        "The query `progress` counts the released volumes and names some that could not be released yet.",
    ),
    State.EVACUATED: Guidance("The node no longer holds any volume.", _NOTHING),
    State.NOT_NEEDED: Guidance("The node is back, so no more volumes were released.", _NOTHING),
    State.MIGRATING: Guidance("Two nodes hold the volume while a machine migrates from one to the other.", _NOTHING),
    State.MIGRATION_OVERDUE: Guidance(
        "The migration is past its deadline, and both nodes hold the volume. Nothing is detached automatically.",
        "Check whether it is still running; `mooring explain VOLUME` shows both nodes. End it, or unpublish the volume "
        "from the node that should lose it.",
    ),
    State.MIGRATED: Guidance("Only one node still holds the volume.", _NOTHING),
    State.SHARED: Guidance(
        "Any number of nodes may hold the volume (MOORING_MIGRATION_NODES=0), so it is no longer watched.", _NOTHING
    ),
}


def guidance(state: State) -> str:
    """Return the meaning of the state and the advice for it, as a run shows them, in Markdown."""
    return f"{meaning(state)}\n\n{GUIDANCE[state].advice}"


def meaning(state: State) -> str:
    """Return the meaning of the state alone, as a run shows it, in Markdown."""
    return f"**{state}.** {GUIDANCE[state].meaning}"

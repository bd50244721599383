"""One table: error -> Temporal failure type -> gRPC code -> retryable or not -> advice.

Contract: the failure type is the class's name, and callers in every language switch on it, so a name never changes its meaning.
A message says what happened, to which volume and node; `advice` says what to do next, and `str(error)` gives both.

Not kept here: the mapping to Temporal's own exceptions (workflows/common/failures.py, activities/attempt.py) and to gRPC's.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "TABLE",
    "AttachLimitReached",
    "BackendAlreadyExists",
    "BackendDataLoss",
    "BackendFailed",
    "BackendFailedPrecondition",
    "BackendInvalidArgument",
    "BackendNotFound",
    "BackendOutOfRange",
    "BackendPermissionDenied",
    "BackendRefused",
    "BackendResourceExhausted",
    "BackendUnauthenticated",
    "BackendUncertain",
    "BackendUnimplemented",
    "Contended",
    "Disputed",
    "DuplicateVolume",
    "HeldElsewhere",
    "Incompatible",
    "InvalidRequest",
    "KubernetesForbidden",
    "KubernetesRejected",
    "KubernetesUnavailable",
    "ListOutdated",
    "MalformedRecord",
    "MigrationAwaited",
    "MooringError",
    "NodeNotFound",
    "NotReconciled",
    "NothingToApprove",
    "OperationCancelled",
    "OperationPending",
    "OperationTerminated",
    "RecordAltered",
    "RecordTooLarge",
    "SecretsAwaited",
    "SecretsNeeded",
    "SecretsOutOfReach",
    "TemporalUnavailable",
    "UnreadableHistory",
    "UntranslatableVolume",
    "VolumeAwaited",
    "VolumeNotFound",
    "WorkerUnavailable",
    "from_failure",
]


class MooringError(Exception):
    """The base of every error that leaves Mooring.

    `grpc_code` is a name of google.rpc.Code. `retryable`: the same attempt may succeed later without anybody's help.
    `expected`: a normal answer of a healthy system, kept out of error logs (Temporal's BENIGN category).
    `may_have_landed`: final, and yet the request may have been carried out. `landed_in_part`: part of it is known to have been.
    """

    grpc_code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    expected: ClassVar[bool] = False
    may_have_landed: ClassVar[bool] = False
    advice: ClassVar[str] = "Look at the operation in the Temporal UI."

    def __init__(self, message: str) -> None:
        super().__init__(message if self.advice in message else f"{message} {self.advice}")
        self.landed_in_part = False

    @classmethod
    def type_name(cls) -> str:
        """Return the Temporal failure type."""
        return cls.__name__


class InvalidRequest(MooringError):
    """A field of the request is missing or malformed."""

    grpc_code = "INVALID_ARGUMENT"
    expected = True
    advice = "Correct the request and send it again."


class VolumeNotFound(MooringError):
    """No PV of the driver has this volume handle, and MOORING_MISSING_PV is `reject`."""

    grpc_code = "NOT_FOUND"
    expected = True
    advice = "Create the PersistentVolume first, or set MOORING_MISSING_PV=tolerate."


class NodeNotFound(MooringError):
    """The cluster knows no node with this id, by the check that MOORING_NODE_CHECK chooses."""

    grpc_code = "NOT_FOUND"
    expected = True
    advice = "Check that the node is in the cluster and the driver's node plugin is registered there (kubectl get csinode)."


class AttachLimitReached(MooringError):
    """The node holds as many volumes of the driver as its CSINode has room for (`allocatable.count`)."""

    grpc_code = "RESOURCE_EXHAUSTED"
    expected = True
    advice = "Unpublish a volume from there first, or publish this one to another node."


class HeldElsewhere(MooringError):
    """Another node holds the volume in a way that does not admit this one."""

    grpc_code = "FAILED_PRECONDITION"
    expected = True
    advice = "Unpublish it from there first, or publish it on the node that holds it."


class Incompatible(MooringError):
    """This node holds the volume already, with another access mode or readonly flag."""

    grpc_code = "ALREADY_EXISTS"
    expected = True
    advice = "Unpublish it first, or ask for it as it is attached."


class Disputed(MooringError):
    """Something besides the record says that the volume is attached, and nothing decides which node may have it."""

    grpc_code = "FAILED_PRECONDITION"
    advice = (
        "Delete the Pod that must not have it, so that its VolumeAttachment goes, or unpublish it from a node that has it no "
        "longer; `mooring adopt --dry-run` shows what is in doubt."
    )


class DuplicateVolume(MooringError):
    """Several PVs of one volume name holders that can't hold it at once, so one of these records is wrong."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Find out which node has the volume, unpublish it from the other (`mooring unpublish VOLUME NODE`), then try again."


class MalformedRecord(MooringError):
    """The PV's annotations contradict themselves, can't be read or say less than they did, so the holder is unknown."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Find out which node has the volume, correct the annotations with kubectl, then try again."


class UntranslatableVolume(MooringError):
    """A PV has an in-tree source of the driver that gives no volume handle, so its volume is unknown."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Create the PersistentVolume anew with a source that the CSI driver serves, or as a CSI volume."


class Contended(MooringError):
    """The record kept changing between a look at it and the write decided on it."""

    grpc_code = "ABORTED"
    advice = "Try again; if it goes on, find the other writer in the PV's managedFields."


class OperationPending(MooringError):
    """Another operation on the volume is still open, or this one was at the caller's deadline; it goes on by itself."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Ask again: a repeated call joins the open operation."


class ListOutdated(MooringError):
    """A list of volumes can't be continued from this token."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Begin the list anew, without a token."


class OperationCancelled(MooringError):
    """The operation was cancelled, and is undone."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Ask again when it is wanted."


class OperationTerminated(MooringError):
    """The operation was terminated, so nothing it had begun was undone; the fence keeps the record true."""

    grpc_code = "ABORTED"
    advice = "Ask again, or unpublish the volume: either settles what the terminated run left."


class KubernetesForbidden(MooringError):
    """The API server denies this account a right that it needs."""

    grpc_code = "PERMISSION_DENIED"
    advice = "Grant the account it names what deploy/kubernetes/rbac.yaml has; if a policy is named above, correct admission.yaml."


class KubernetesRejected(MooringError):
    """The API server refuses the write itself, and not because the record had changed."""

    grpc_code = "INTERNAL"
    advice = "Read the API server's reason above; an admission policy or a limit on annotations may be in the way."


class RecordTooLarge(KubernetesRejected):
    """The record has grown beyond what the annotations of one PV may hold together (256 KiB)."""

    grpc_code = "FAILED_PRECONDITION"
    advice = (
        "Unpublish the volume from nodes that need it no longer, or have other annotations of the PersistentVolume removed; see "
        "how many holders fit in docs/operations.md."
    )


class RecordAltered(MooringError):
    """The API server took the write and stored something else."""

    grpc_code = "INTERNAL"
    may_have_landed = True
    advice = "Find the admission webhook that changes this driver's annotations, and exempt them."


class KubernetesUnavailable(MooringError):
    """The API server did not answer, or answered that it cannot now. The write may or may not have been applied."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "If it goes on, check the API server and the way to it."


class VolumeAwaited(MooringError):
    """An attachment waits to be recorded on its PV: for the PV to appear, or for the obstacle to its record to go."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    expected = True
    advice = "It is recorded as soon as the PersistentVolume exists and admits the node; unpublish the volume to give it up."


class NotReconciled(MooringError):
    """No Schedule has the driver reconciled."""

    grpc_code = "NOT_FOUND"
    expected = True
    advice = "Run a worker of this driver, with a MOORING_RECONCILE_INTERVAL that isn't 0."


class NothingToApprove(MooringError):
    """A run doesn't wait for an approval, or there is none."""

    grpc_code = "NOT_FOUND"
    expected = True
    advice = "See with `mooring drift` or in the Temporal UI (AttachmentState AwaitingApproval, AwaitingProof) what waits for one."


class MigrationAwaited(MooringError):
    """Several nodes still hold a volume that migrates from one to the other."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    expected = True
    advice = "Nothing is to be done: it ends as soon as one node is left."


class BackendFailed(MooringError):
    """The backend gave a final answer: it will not do this. It may have done part of it."""

    grpc_code = "INTERNAL"
    may_have_landed = True
    advice = "Read the backend's reason above and its log."


class BackendRefused(BackendFailed):
    """The backend will not do this, and has done nothing of it. The types below give its reason, a gRPC code each."""

    may_have_landed = False


class BackendInvalidArgument(BackendRefused):
    """The backend calls the request malformed."""

    grpc_code = "INVALID_ARGUMENT"


class BackendNotFound(BackendRefused):
    """The backend knows no such volume or node."""

    grpc_code = "NOT_FOUND"


class BackendAlreadyExists(BackendRefused):
    """The backend has the volume on this node already, otherwise than asked."""

    grpc_code = "ALREADY_EXISTS"


class BackendPermissionDenied(BackendRefused):
    """The backend denies its caller this."""

    grpc_code = "PERMISSION_DENIED"


class BackendUnauthenticated(BackendRefused):
    """The backend takes the credentials for wrong, or misses some."""

    grpc_code = "UNAUTHENTICATED"
    advice = "Correct the volume's secret (controllerPublishSecretRef of its PersistentVolume)."


class BackendResourceExhausted(BackendFailed):
    """The backend has no room for another attachment on this node.

    NB: gRPC says the same if an answer is too large, and a server if it has no resources for a call that it has begun.
    """

    grpc_code = "RESOURCE_EXHAUSTED"


class BackendFailedPrecondition(BackendRefused):
    """The backend's state does not admit this: for example, the volume is attached elsewhere, or the fencing token is too old."""

    grpc_code = "FAILED_PRECONDITION"


class BackendOutOfRange(BackendRefused):
    """The backend calls a value of the request out of range."""

    grpc_code = "OUT_OF_RANGE"


class BackendDataLoss(BackendFailed):
    """The backend has lost data of the volume."""

    grpc_code = "DATA_LOSS"


class BackendUnimplemented(BackendRefused):
    """The backend can't attach and detach."""

    grpc_code = "UNIMPLEMENTED"


class SecretsNeeded(BackendRefused):
    """The driver takes secrets, and the call is not from the CO, which alone supplies them: the driver was not called."""

    grpc_code = "FAILED_PRECONDITION"
    expected = True
    advice = (
        "Have the CO ask: delete the Pod on a dead node by force, or its VolumeAttachment; where there is none, make one for the "
        "volume and the node, and delete it."
    )


class SecretsOutOfReach(MooringError):
    """The CSI endpoint runs without a worker, and the call carries secrets for the driver."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Run the CSI endpoint in the worker's process (MOORING_CSI_ONLY=false)."


class SecretsAwaited(MooringError):
    """The secrets of the call are not in this worker's memory; the next call supplies them again."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    expected = True
    advice = "It goes on with the CO's next call about this volume, which brings the secrets again."


class BackendUncertain(MooringError):
    """The backend did not say whether it has carried out the call."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "It is retried; check the backend if it goes on."


class TemporalUnavailable(MooringError):
    """The Temporal server cannot be reached or refuses the call."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "Check TEMPORAL_ADDRESS, the namespace and the server, then try again."


class UnreadableHistory(MooringError):
    """The knowledge of a volume depends on a run whose payloads can't be read here, so its holder is unknown."""

    grpc_code = "FAILED_PRECONDITION"
    advice = (
        "Give every worker the payload codec and keys that the run was written with; where these are lost, find out which node has "
        "the volume and delete the run (`temporal workflow delete`)."
    )


class WorkerUnavailable(MooringError):
    """No worker picked the work up in time."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "Start a worker (`mooring worker`) or look at why none is ready (/readyz)."


def _all(root: type[MooringError]) -> dict[str, type[MooringError]]:
    rows: dict[str, type[MooringError]] = {}
    for cls in root.__subclasses__():
        rows |= {cls.type_name(): cls, **_all(cls)}
    return rows


TABLE: dict[str, type[MooringError]] = _all(MooringError)
"""Temporal failure type -> error class."""


def from_failure(type_name: str | None, message: str) -> MooringError:
    """Return the error for a Temporal failure of this type, a plain `MooringError` for an unknown type."""
    return TABLE.get(type_name or "", MooringError)(message)

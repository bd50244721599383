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
    """The base class of the errors that leave Mooring.

    `grpc_code` is a name of google.rpc.Code. `retryable`: a later attempt may succeed without anyone's help.
    `expected`: a normal answer of a healthy system, kept out of error logs (Temporal's BENIGN category).
    `may_have_landed`: final, although the request may have been carried out. `landed_in_part`: part of it is known to be done.
    `advice` is that of the type, unless an error that doesn't travel is given its own.
    """

    grpc_code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    expected: ClassVar[bool] = False
    may_have_landed: ClassVar[bool] = False
    advice: str = "Look at the operation in the Temporal UI."

    def __init__(self, message: str, advice: str | None = None) -> None:
        self.advice = self.advice if advice is None else advice
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
    advice = "Check the spelling: `mooring list` shows the volume handles."


class NodeNotFound(MooringError):
    """The cluster has no node with this id, by the check that MOORING_NODE_CHECK selects."""

    grpc_code = "NOT_FOUND"
    expected = True
    advice = "Check that the node is in the cluster and that the driver's node plugin is registered on it (`kubectl get csinode`)."


class AttachLimitReached(MooringError):
    """The node already holds as many volumes of the driver as its CSINode allows (`allocatable.count`)."""

    grpc_code = "RESOURCE_EXHAUSTED"
    expected = True
    advice = "Unpublish a volume from that node first, or publish this one to another node."


class HeldElsewhere(MooringError):
    """Another node holds the volume in a way that excludes this one."""

    grpc_code = "FAILED_PRECONDITION"
    expected = True
    advice = "Unpublish it from that node first, or publish it to the node that holds it."


class Incompatible(MooringError):
    """This node already holds the volume, with another access mode or readonly flag."""

    grpc_code = "ALREADY_EXISTS"
    expected = True
    advice = "Unpublish the volume first, or request the access mode and readonly flag that it is attached with."


class Disputed(MooringError):
    """Evidence beside the record says that the volume is attached, and nothing shows which node may have it."""

    grpc_code = "FAILED_PRECONDITION"
    advice = (
        "Delete the Pod that must not have the volume, so that its VolumeAttachment is deleted, or unpublish the volume from a "
        "node that no longer has it; `mooring adopt --dry-run` lists the volumes in doubt."
    )


class DuplicateVolume(MooringError):
    """Several PVs of one volume name holders that exclude each other, so one of these records is wrong."""

    grpc_code = "FAILED_PRECONDITION"
    advice = (
        "Find out which node has the volume, unpublish it from the other one (`mooring unpublish VOLUME NODE`), then try again."
    )


class MalformedRecord(MooringError):
    """The PV's annotations contradict each other, can't be read, or say less than before, so the holder is unknown."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Find out which node has the volume, correct the annotations with kubectl, then try again."


class UntranslatableVolume(MooringError):
    """A PV has an in-tree source of the driver that gives no volume handle, so its volume is unknown."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Recreate the PersistentVolume with a source that the CSI driver serves, or as a CSI volume."


class Contended(MooringError):
    """The record kept changing between a read and the write based on it."""

    grpc_code = "ABORTED"
    advice = "Try again; if this persists, find the other writer in the PersistentVolume's managedFields."


class OperationPending(MooringError):
    """Another operation on the volume is open, or this one was still open at the caller's deadline; it goes on."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Ask again: a repeated call joins the open operation."


class ListOutdated(MooringError):
    """A list of volumes can't be continued from this token."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Start the list again, without a token."


class OperationCancelled(MooringError):
    """The operation was cancelled and rolled back."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Ask again if the operation is still wanted."


class OperationTerminated(MooringError):
    """The operation was terminated, so nothing that it had begun was rolled back; the fence keeps the record true."""

    grpc_code = "ABORTED"
    advice = "Ask again, or unpublish the volume: either one settles what the terminated run left unfinished."


class KubernetesForbidden(MooringError):
    """The API server denies this account a right that it needs."""

    grpc_code = "PERMISSION_DENIED"
    advice = (
        "Grant the account named above the rights in deploy/kubernetes/rbac.yaml; if a policy is named, correct admission.yaml."
    )


class KubernetesRejected(MooringError):
    """The API server refuses the request itself. If that is a write, the record has not changed."""

    grpc_code = "INTERNAL"
    advice = (
        "Read the API server's reason above. A write is also refused by admission policies, and beyond the size of annotations."
    )


class RecordTooLarge(KubernetesRejected):
    """The record has grown beyond what the annotations of one PV may hold together (256 KiB)."""

    grpc_code = "FAILED_PRECONDITION"
    advice = (
        "Unpublish the volume from nodes that no longer need it, or remove other annotations of the PersistentVolume; "
        "docs/operations.md has the number of holders that fit."
    )


class RecordAltered(MooringError):
    """The API server accepted the write and stored something else."""

    grpc_code = "INTERNAL"
    may_have_landed = True
    advice = "Find the admission webhook that changes this driver's annotations, and exempt them from it."


class KubernetesUnavailable(MooringError):
    """The API server did not answer, or can't serve requests now. The write may or may not have been applied."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "If this persists, check the API server and the network path to it."


class VolumeAwaited(MooringError):
    """An attachment waits to be recorded: until its PV exists, and until nothing prevents the record."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    expected = True
    advice = "It is recorded as soon as the PersistentVolume exists and admits the node; to give it up, unpublish the volume."


class NotReconciled(MooringError):
    """No Schedule reconciles the driver."""

    grpc_code = "NOT_FOUND"
    expected = True
    advice = "Run a worker of this driver with MOORING_RECONCILE_INTERVAL above 0."


class NothingToApprove(MooringError):
    """There is no such run, or it doesn't wait for an approval."""

    grpc_code = "NOT_FOUND"
    expected = True
    advice = "`mooring list --open` shows what waits for an approval."


class MigrationAwaited(MooringError):
    """Several nodes still hold a volume that is migrating from one to the other."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    expected = True
    advice = "No action is needed: this ends as soon as only one node holds the volume."


class BackendFailed(MooringError):
    """The backend's final answer is no. It may have done part of the call."""

    grpc_code = "INTERNAL"
    may_have_landed = True
    advice = "Read the backend's reason above, and its log."


class BackendRefused(BackendFailed):
    """The backend refuses the call, and has done nothing of it. The types below are its reasons, one for each gRPC code."""

    may_have_landed = False


class BackendInvalidArgument(BackendRefused):
    """The backend's answer to a malformed request."""

    grpc_code = "INVALID_ARGUMENT"


class BackendNotFound(BackendRefused):
    """The backend has no such volume or node."""

    grpc_code = "NOT_FOUND"


class BackendAlreadyExists(BackendRefused):
    """The backend has already attached the volume to this node, in another way than requested."""

    grpc_code = "ALREADY_EXISTS"


class BackendPermissionDenied(BackendRefused):
    """The backend denies Mooring the right to make this call."""

    grpc_code = "PERMISSION_DENIED"


class BackendUnauthenticated(BackendRefused):
    """The backend rejects the credentials, or got none."""

    grpc_code = "UNAUTHENTICATED"
    advice = "Correct the volume's secret (controllerPublishSecretRef of its PersistentVolume)."


class BackendResourceExhausted(BackendFailed):
    """The backend has no room for another attachment on this node.

    NB: gRPC has the same code for an answer that is too large, and a server may run out of resources during a call.
    """

    grpc_code = "RESOURCE_EXHAUSTED"


class BackendFailedPrecondition(BackendRefused):
    """The backend's state does not allow the call: for example, the volume is attached elsewhere, or the token is too old."""

    grpc_code = "FAILED_PRECONDITION"


class BackendOutOfRange(BackendRefused):
    """The backend's answer to a value that is out of range."""

    grpc_code = "OUT_OF_RANGE"


class BackendDataLoss(BackendFailed):
    """The backend has lost data of the volume."""

    grpc_code = "DATA_LOSS"


class BackendUnimplemented(BackendRefused):
    """The backend does not attach and detach volumes."""

    grpc_code = "UNIMPLEMENTED"


class SecretsNeeded(BackendRefused):
    """The driver takes secrets, which only the CO's own calls carry, so it was not called."""

    grpc_code = "FAILED_PRECONDITION"
    expected = True
    advice = (
        "Let the CO detach it: force-delete the Pod on a dead node, or delete its VolumeAttachment; if there is none, create "
        "one for the volume and the node, and delete it."
    )


class SecretsOutOfReach(MooringError):
    """The CSI endpoint runs without a worker, and the call carries secrets for the driver."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Run the CSI endpoint in the worker's process (MOORING_CSI_ONLY=false)."


class SecretsAwaited(MooringError):
    """The secrets of the call are not in this worker's memory; the CO's next call supplies them again."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    expected = True
    advice = "It goes on with the CO's next call about this volume, which supplies the secrets again."


class BackendUncertain(MooringError):
    """The backend did not report the outcome of the call."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "It is retried; if this persists, check the backend."


class TemporalUnavailable(MooringError):
    """The Temporal server can't be reached, or refuses the call."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "Check TEMPORAL_ADDRESS, the namespace and the server, then try again."


class UnreadableHistory(MooringError):
    """A volume's holder is unknown, because the run that shows it has payloads that can't be read here."""

    grpc_code = "FAILED_PRECONDITION"
    advice = (
        "Give every worker the payload codec and keys that the run was written with; if these are lost, find out which node "
        "has the volume, and delete the run (`temporal workflow delete`)."
    )


class WorkerUnavailable(MooringError):
    """No worker took the work in time."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "Start a worker (`mooring worker`) or find out from /readyz why none is ready."


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

"""One table: error -> Temporal failure type -> gRPC code -> whether a retry can help -> what to do.

Contract: the failure type is the class's name, and callers in every language switch on it, so a name never changes its meaning.
A message says what happened, to which volume and node; `advice` says what to do next, and `str(error)` gives both.

Not kept here: the mapping to Temporal's own exceptions (activities/failures.py) and to gRPC's.
"""

from __future__ import annotations

from typing import ClassVar


class MooringError(Exception):
    """The base of every error that leaves Mooring.

    `grpc_code` is a name of google.rpc.Code. `retryable`: the same attempt may succeed later without anybody's help.
    `expected`: a normal answer of a healthy system, kept out of error logs (Temporal's BENIGN category).
    `may_have_landed`: final, and yet what was asked may have been done.
    """

    grpc_code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    expected: ClassVar[bool] = False
    may_have_landed: ClassVar[bool] = False
    advice: ClassVar[str] = "Look at the operation in the Temporal UI."

    def __init__(self, message: str) -> None:
        super().__init__(message if self.advice in message else f"{message} {self.advice}")

    @classmethod
    def type_name(cls) -> str:
        """The Temporal failure type."""
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


class DuplicateVolume(MooringError):
    """Several PVs claim one driver and volume handle, so none of them can be trusted to hold its record."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Delete all but one of these PersistentVolumes (reclaim policy Retain keeps the data), then try again."


class MalformedRecord(MooringError):
    """The PV's annotations contradict themselves or cannot be read, so nobody can say who holds the volume."""

    grpc_code = "FAILED_PRECONDITION"
    advice = "Find out which node has the volume, correct the annotations with kubectl, then try again."


class Contended(MooringError):
    """The record kept changing between a look at it and the write decided on it."""

    grpc_code = "ABORTED"
    advice = "Try again; if it goes on, find the other writer in the PV's managedFields."


class OperationPending(MooringError):
    """Another operation on the volume is still open, or this one was at the caller's deadline; it goes on by itself."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Ask again: a repeated call joins the open operation."


class OperationCancelled(MooringError):
    """The operation was cancelled; what it had done is undone."""

    grpc_code = "ABORTED"
    expected = True
    advice = "Ask again when it is wanted."


class OperationTerminated(MooringError):
    """The operation was terminated, so nothing it had begun was undone; the fence keeps the record true."""

    grpc_code = "ABORTED"
    advice = "Ask again, or unpublish the volume: either settles what the terminated run left."


class KubernetesForbidden(MooringError):
    """The API server denies this account what it needs."""

    grpc_code = "PERMISSION_DENIED"
    advice = "Grant the worker's service account the ClusterRole in deploy/kubernetes/rbac.yaml."


class KubernetesRejected(MooringError):
    """The API server refuses the write itself, and not because the record had changed."""

    grpc_code = "INTERNAL"
    advice = "Read the API server's reason above; an admission policy or a limit on annotations may be in the way."


class RecordAltered(MooringError):
    """The API server took the write and stored something else."""

    grpc_code = "INTERNAL"
    may_have_landed = True
    advice = "Find the admission webhook that changes this driver's annotations, and exempt them."


class KubernetesUnavailable(MooringError):
    """The API server did not answer, or answered that it cannot now. The write may or may not have been applied."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "It is retried; check the API server if it goes on."


class VolumeAwaited(MooringError):
    """An attachment waits for its PV to appear, to be recorded on it."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    expected = True
    advice = "It is recorded as soon as the PersistentVolume exists; unpublish the volume to give it up."


class BackendFailed(MooringError):
    """The backend gave a final answer: it will not do this."""

    grpc_code = "INTERNAL"
    advice = "Read the backend's reason above and its log."


class BackendUncertain(MooringError):
    """The backend did not say whether it has done it."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "It is retried; check the backend if it goes on."


class TemporalUnavailable(MooringError):
    """The Temporal server cannot be reached or refuses the call."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "Check TEMPORAL_ADDRESS, the namespace and the server, then try again."


class WorkerUnavailable(MooringError):
    """No worker picked the work up in time."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    advice = "Start a worker (`mooring worker`) or look at why none is ready (/readyz)."


def _all(root: type[MooringError]) -> dict[str, type[MooringError]]:
    return {cls.type_name(): cls for cls in root.__subclasses__()}


TABLE: dict[str, type[MooringError]] = _all(MooringError)
"""Temporal failure type -> error class."""


def from_failure(type_name: str | None, message: str) -> MooringError:
    """The error a Temporal failure of this type stands for; an unknown type gives a plain `MooringError`."""
    return TABLE.get(type_name or "", MooringError)(message)

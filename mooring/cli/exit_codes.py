"""The meanings of exit codes: one table, derived from the errors of `mooring.errors`."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mooring.errors import MooringError


class ExitCode(IntEnum):
    """Outcome of a command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    NOT_FOUND = 4
    PENDING = 5
    UNAVAILABLE = 6
    INTERRUPTED = 130


MEANING: Final = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "the operation failed; the error says what was undone",
    ExitCode.USAGE: "the command line, the request or the configuration is wrong",
    ExitCode.REFUSED: "refused: the volume is held elsewhere, or here in another way, or the node has no room",
    ExitCode.NOT_FOUND: "there is no such volume or node",
    ExitCode.PENDING: "no answer within --timeout; the operation goes on",
    ExitCode.UNAVAILABLE: "Temporal, a worker, Kubernetes or the backend is not available",
    ExitCode.INTERRUPTED: "interrupted; an operation that had begun goes on",
}

_BY_TYPE: Final = {
    "InvalidRequest": ExitCode.USAGE,
    "KubernetesNotConfigured": ExitCode.USAGE,
    "HeldElsewhere": ExitCode.REFUSED,
    "Incompatible": ExitCode.REFUSED,
    "Disputed": ExitCode.REFUSED,
    "AttachLimitReached": ExitCode.REFUSED,
    "SecretsNeeded": ExitCode.REFUSED,
    "VolumeNotFound": ExitCode.NOT_FOUND,
    "NodeNotFound": ExitCode.NOT_FOUND,
    "NothingToApprove": ExitCode.NOT_FOUND,
    "NotReconciled": ExitCode.NOT_FOUND,
    "OperationPending": ExitCode.PENDING,
}


def exit_code(error: MooringError) -> ExitCode:
    """Return the exit code of a command that ended with this error."""
    other = ExitCode.UNAVAILABLE if error.grpc_code == "UNAVAILABLE" else ExitCode.FAILED
    return _BY_TYPE.get(error.type_name(), other)


def epilog() -> str:
    """Return the table, for `mooring --help`."""
    rows = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANING.items())
    return f"\b\nExit codes:\n{rows}"

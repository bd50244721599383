"""The names that Mooring and its callers in other languages share: workflows, ids, queues, search attributes.

Contract: a name here is part of the public interface and of every history already written.
"""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mooring.models import VolumeRef


PUBLISH = "PublishVolume"
UNPUBLISH = "UnpublishVolume"
PERSIST = "PersistAttachment"
ADOPT = "AdoptAttachment"
READ = "ReadVolume"
REBUILD = "RebuildAttachments"
RECONCILE = "ReconcileAttachments"
EVACUATE = "EvacuateNode"
MIGRATE = "WatchMigration"

APPROVE = "approve"
"""The update by which an operator lets a waiting run go on; it takes an Approval."""
PROGRESS = "progress"
"""The query that says how far a run has come."""

ATTACHMENT_MEMO = "attachment"
SECRETS_MEMO = "with-secrets"
HANDLE_MEMO = "volume_handle"
"""The volume handle, where the workflow id has its short form alone."""
LET_GO_MEMO = "let_go"
"""The node that a publish took back, where no record is left to say so."""

_ASKED_BY: Final = "asked by operation "

SHORT_BYTES: Final = 176
"""The length of a short form, so that the longest id has 255 bytes, which every store of Temporal takes."""
_HASH_BYTES: Final = 64
_NOT_PRINTABLE: Final = re.compile(r"[^ -~]")
SUMMARY_BYTES: Final = 200
"""Bytes of a summary that are kept; a server accepts 400 unless configured otherwise."""

TASK_TIMEOUT = timedelta(seconds=4)
"""Limit of one workflow task. A worker killed within one stalls its operation for as long, a frozen one twice; the server's
default is 10 s."""

CSI_DRIVER = "CsiDriver"
VOLUME_ID = "VolumeId"
NODE_ID = "NodeId"
ATTACHMENT_STATE = "AttachmentState"

OPERATION_DURATION = "mooring_operation_duration"
"""The metric of how long operations took, to which the SDK adds `_seconds`."""


def short(name: str) -> str:
    """Return the short form of a volume handle or a node id for workflow ids and search attributes: itself, if it has less than
    `SHORT_BYTES` bytes and no NUL, which a database may not take; else its beginning, `~` to fill up, and its SHA-256.

    Two names never have the same: one that is unchanged is shorter than one that is not. The beginning has `~` for all but
    printable ASCII, because Temporal's Go SDK sends a workflow id as a header, which takes nothing else.
    """
    if not may_be_shortened(name):
        return name
    sent = name.encode()
    if len(sent) < SHORT_BYTES and "\0" not in name:
        return name
    beginning = _NOT_PRINTABLE.sub("~", name)[: SHORT_BYTES - _HASH_BYTES - 1]
    return beginning.ljust(SHORT_BYTES - _HASH_BYTES, "~") + sha256(sent).hexdigest()


def is_short_form(name: str) -> bool:
    """Return whether a name in a workflow id is the short form of a longer one."""
    return len(name) >= SHORT_BYTES


def may_be_shortened(name: str) -> bool:
    """Return whether `short` might change the name, a test that takes milliseconds for 100,000 names."""
    return len(name) * 4 >= SHORT_BYTES or "\0" in name


def cut(text: str, limit: int) -> str:
    """Return as much of the text as fits into so many bytes."""
    return text.encode()[:limit].decode(errors="ignore")


def summary(text: str) -> str:
    """Return a summary as a server takes it."""
    return cut(text.replace("\0", "~"), SUMMARY_BYTES)


def volume_id(volume: VolumeRef) -> str:
    """Return the workflow id of a volume's operations: at most one is open, so it is the volume's lock."""
    return f"volume/{volume.driver}/{short(volume.volume_handle)}"


def runs_of(*workflow_ids: str) -> str:
    """Return the query that lists the runs of these workflow ids."""
    return " OR ".join(f"WorkflowId = {quoted(workflow_id)}" for workflow_id in workflow_ids)


def unpersisted_id(volume: VolumeRef) -> str:
    """Return the workflow id of the run that holds a volume while it has no PV."""
    return f"unpersisted/{volume.driver}/{short(volume.volume_handle)}"


def asked_by(run_id: str) -> str:
    """Return the reason with which an operation cancels the run that holds its volume."""
    return _ASKED_BY + run_id


def asker(reason: str) -> str:
    """Return the run id of the operation that cancelled for this reason, "" if it was none."""
    return reason.removeprefix(_ASKED_BY) if reason.startswith(_ASKED_BY) else ""


def handle_memo(volume: VolumeRef) -> dict[str, str]:
    """Return the memo of a run with its volume handle, empty if the workflow id contains the handle."""
    handle = volume.volume_handle
    return {} if short(handle) == handle else {HANDLE_MEMO: handle}


def read_id(volume: VolumeRef) -> str:
    """Return the workflow id of a look at a volume."""
    return f"read/{volume.driver}/{short(volume.volume_handle)}"


def rebuild_id(driver: str, worker: str) -> str:
    """Return the workflow id of a worker's rebuilds."""
    return f"rebuild/{driver}/{worker}"


def reconcile_id(driver: str) -> str:
    """Return the id of a driver's Schedule of reconciliations, which is the prefix of the workflow ids of its runs."""
    return f"reconcile/{driver}"


def evacuate_id(driver: str, node_id: str) -> str:
    """Return the workflow id of a node's evacuation."""
    return f"evacuate/{driver}/{short(node_id)}"


def migration_id(volume: VolumeRef) -> str:
    """Return the workflow id of the watch over a volume's live migration."""
    return f"migration/{volume.driver}/{short(volume.volume_handle)}"


def worker_queue(queue: str, worker: str) -> str:
    """Return the task queue that one worker alone polls."""
    return f"{queue}/{worker}"


def adoption_queue(queue: str) -> str:
    """Return the task queue of adoptions, which every worker polls once its index is rebuilt, before it serves callers."""
    return f"{queue}/adoptions"


def waiting_queue(queue: str) -> str:
    """Return the task queue of steps that wait for other operations, which every worker polls with slots of their own.

    NB: no step of a workflow of version 0.1.0 may move there, because its workers don't poll it, and treat a step that has timed
    out before any worker started it as one that failed.
    """
    return f"{queue}/waits"


def quoted(text: str) -> str:
    """Return the text as a query of Temporal's visibility takes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

"""The names that Mooring and its callers in other languages share: workflows, ids, queues, search attributes.

Contract: a name here is part of the public interface and of every history already written.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

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

TASK_TIMEOUT = timedelta(seconds=4)
"""How long a workflow task may take. A worker killed within one stalls its operation for as long, a frozen one twice; the server's
default is 10 s."""

CSI_DRIVER = "CsiDriver"
VOLUME_ID = "VolumeId"
NODE_ID = "NodeId"
ATTACHMENT_STATE = "AttachmentState"

OPERATION_DURATION = "mooring_operation_duration"
"""The metric of how long operations took, to which the SDK adds `_seconds`."""


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


def volume_id(volume: VolumeRef) -> str:
    """The workflow id of a volume's operations: at most one is open, so it is the volume's lock."""
    return f"volume/{volume.driver}/{volume.volume_handle}"


def runs_of(*workflow_ids: str) -> str:
    """The query that lists the runs of these workflow ids."""
    return " OR ".join(f"WorkflowId = {quoted(workflow_id)}" for workflow_id in workflow_ids)


def unpersisted_id(volume: VolumeRef) -> str:
    """The workflow id of the run that holds a volume while it has no PV."""
    return f"unpersisted/{volume.driver}/{volume.volume_handle}"


def read_id(volume: VolumeRef) -> str:
    """The workflow id of a look at a volume."""
    return f"read/{volume.driver}/{volume.volume_handle}"


def rebuild_id(driver: str, worker: str) -> str:
    """The workflow id of a worker's rebuilds."""
    return f"rebuild/{driver}/{worker}"


def reconcile_id(driver: str) -> str:
    """The id of a driver's Schedule of reconciliations, and what the workflow ids of its runs begin with."""
    return f"reconcile/{driver}"


def evacuate_id(driver: str, node_id: str) -> str:
    """The workflow id of a node's evacuation."""
    return f"evacuate/{driver}/{node_id}"


def migration_id(volume: VolumeRef) -> str:
    """The workflow id of the watch over a volume's live migration."""
    return f"migration/{volume.driver}/{volume.volume_handle}"


def worker_queue(queue: str, worker: str) -> str:
    """The task queue that one worker alone polls."""
    return f"{queue}/{worker}"


def adoption_queue(queue: str) -> str:
    """The task queue of adoptions, which every worker polls once its index is rebuilt: before it serves anybody."""
    return f"{queue}/adoptions"


def waiting_queue(queue: str) -> str:
    """The task queue of steps that wait for other operations, which every worker polls with slots of their own.

    NB: no step of a workflow of version 0.1.0 may move there, because its workers don't poll it, and take a step that has timed out
    before anybody took it for one that failed.
    """
    return f"{queue}/waits"


def quoted(text: str) -> str:
    """Return the text as a query of Temporal's visibility takes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

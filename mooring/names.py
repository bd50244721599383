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

ATTACHMENT_MEMO = "attachment"

TASK_TIMEOUT = timedelta(seconds=5)
"""How long a workflow task may take. A worker killed within one stalls its operation for as long; the server's default is 10 s."""

CSI_DRIVER = "CsiDriver"
VOLUME_ID = "VolumeId"
NODE_ID = "NodeId"
ATTACHMENT_STATE = "AttachmentState"


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


def volume_id(volume: VolumeRef) -> str:
    """The workflow id of a volume's operations: at most one is open, so it is the volume's lock."""
    return f"volume/{volume.driver}/{volume.volume_handle}"


def unpersisted_id(volume: VolumeRef) -> str:
    """The workflow id of the run that holds a volume while it has no PV."""
    return f"unpersisted/{volume.driver}/{volume.volume_handle}"


def read_id(volume: VolumeRef) -> str:
    """The workflow id of a look at a volume."""
    return f"read/{volume.driver}/{volume.volume_handle}"


def rebuild_id(driver: str, worker: str) -> str:
    """The workflow id of a worker's rebuilds."""
    return f"rebuild/{driver}/{worker}"


def worker_queue(queue: str, worker: str) -> str:
    """The task queue that one worker alone polls."""
    return f"{queue}/{worker}"


def adoption_queue(queue: str) -> str:
    """The task queue of adoptions, which every worker polls once its index is rebuilt: before it serves anybody."""
    return f"{queue}/adoptions"

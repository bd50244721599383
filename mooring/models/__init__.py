"""All that travels between callers, workflows, activities and backends, and so is in every history. No I/O.

Callers and backends import from here, too. The models of drift, adoption, evacuation and reconciliation are in the files of these
names.
"""

from __future__ import annotations

from mooring.models.base import (
    DEFAULT_DRIVER,
    DRIVER_NAME,
    MAP_BYTES,
    NODE_ID_BYTES,
    VOLUME_HANDLE_BYTES,
    DriverName,
    Model,
    NodeId,
    VolumeHandle,
    map_bytes,
)
from mooring.models.faults import faults
from mooring.models.operations import (
    AdoptRequest,
    Approval,
    Migrating,
    MigrationResult,
    PublishRequest,
    PublishResult,
    RebuildResult,
    Skip,
    UnpublishRequest,
    UnpublishResult,
)
from mooring.models.steps import (
    BackendCall,
    CheckNodeInput,
    NodeVerdict,
    ObserveInput,
    ObserveResult,
    OperationLimits,
    Part,
    PersistInput,
    ReadInput,
    ReadResult,
    RunRef,
    UnpersistedRun,
    WarnInput,
    Write,
    WriteResult,
)
from mooring.models.volumes import AccessMode, AccessType, Attachment, Copy, Precondition, VolumeRecord, VolumeRef, VolumeStatus

__all__ = [
    "DEFAULT_DRIVER",
    "DRIVER_NAME",
    "MAP_BYTES",
    "NODE_ID_BYTES",
    "VOLUME_HANDLE_BYTES",
    "AccessMode",
    "AccessType",
    "AdoptRequest",
    "Approval",
    "Attachment",
    "BackendCall",
    "CheckNodeInput",
    "Copy",
    "DriverName",
    "Migrating",
    "MigrationResult",
    "Model",
    "NodeId",
    "NodeVerdict",
    "ObserveInput",
    "ObserveResult",
    "OperationLimits",
    "Part",
    "PersistInput",
    "Precondition",
    "PublishRequest",
    "PublishResult",
    "ReadInput",
    "ReadResult",
    "RebuildResult",
    "RunRef",
    "Skip",
    "UnpersistedRun",
    "UnpublishRequest",
    "UnpublishResult",
    "VolumeHandle",
    "VolumeRecord",
    "VolumeRef",
    "VolumeStatus",
    "WarnInput",
    "Write",
    "WriteResult",
    "faults",
    "map_bytes",
]

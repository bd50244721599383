"""Every workflow, for a worker to register."""

from __future__ import annotations

from typing import Final

from workflows.adopt import AdoptAttachment
from workflows.evacuate import EvacuateNode
from workflows.migrate import WatchMigration
from workflows.persist import PersistAttachment
from workflows.publish import PublishVolume
from workflows.read import ReadVolume
from workflows.rebuild import RebuildAttachments
from workflows.reconcile import ReconcileAttachments
from workflows.unpublish import UnpublishVolume

WORKFLOWS: Final[tuple[type, ...]] = (
    PublishVolume,
    UnpublishVolume,
    PersistAttachment,
    AdoptAttachment,
    WatchMigration,
    EvacuateNode,
    ReadVolume,
    RebuildAttachments,
    ReconcileAttachments,
)

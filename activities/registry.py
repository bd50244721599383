"""Every activity of one worker, made of its parts, for the worker to register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.assembly import reconciliation
from activities.attachments import AttachmentActivities
from activities.backend import BackendActivities
from activities.evacuation import EvacuationActivities
from activities.events import EventActivities
from activities.migrations import MigrationActivities
from activities.nodes import NodeActivities
from activities.unpersisted import UnpersistedActivities
from mooring.backend import NoBackend
from mooring.client import MooringClient
from mooring.co_calls import CoCalls
from mooring.drift.runs import DriverRuns
from mooring.evacuation.models import EvacuationTerms
from mooring.nodes.admission import Admission

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from temporalio.client import Client

    from activities.rebuild import RebuildActivities
    from mooring.adopter import Survey
    from mooring.backend import Backend
    from mooring.evidence import Evidence
    from mooring.manager import AttachmentManager
    from mooring.polls import Slots
    from mooring.settings import Settings
    from mooring.storage import Storage


def all_activities(
    settings: Settings,
    client: Client,
    storage: Storage,
    manager: AttachmentManager,
    backend: Backend,
    rebuild: RebuildActivities,
    adoptions: Survey,
    slots: Slots,
    evidence: Evidence,
    *,
    search_attributes: bool,
) -> list[Callable[..., Any]]:
    """The activities.

    `evidence` is what this worker knows beyond the records, `adoptions` judges what may be adopted; `search_attributes`: the
    namespace knows Mooring's.
    """
    limits = settings.limits(search_attributes=search_attributes, backend=not isinstance(backend, NoBackend))
    unpersisted = UnpersistedActivities(client, manager, storage.volumes, evidence, slots.volumes)
    admission = Admission(storage.nodes, manager)
    attachments = AttachmentActivities(
        settings.driver, manager, storage.volumes, evidence, limits, unpersisted.look_up, admission.glance
    )
    calls = BackendActivities(backend, storage.nodes, manager.needs_secrets)
    mooring = MooringClient(client, driver=settings.driver, task_queue=settings.queue, eager=True)
    runs = DriverRuns(client, settings.driver, search_attributes=search_attributes)
    terms = EvacuationTerms(limits=limits, node_gone=settings.node_gone, at_once=settings.evacuate_at_once)
    evacuation = EvacuationActivities(
        settings.driver, mooring, runs, manager, storage.volumes, storage.machines, terms, CoCalls(manager, backend, runs)
    )
    reconciling = reconciliation(
        settings, client, storage, backend, rebuild, adoptions, evidence, search_attributes=search_attributes
    )
    return [
        *(attachments.observe, attachments.look, attachments.record),
        *(attachments.release, attachments.persist, attachments.undo),
        *(unpersisted.find, unpersisted.drop, unpersisted.outwait, unpersisted.is_open),
        *(unpersisted.publisher_lives, unpersisted.wait),
        *(calls.publish, calls.unpublish, calls.undo),
        NodeActivities(admission).check,
        MigrationActivities(manager, storage.volumes, slots.migrations, limited=settings.migration_nodes > 0).wait,
        *(evacuation.terms, evacuation.look, evacuation.held, evacuation.release, evacuation.count_released),
        EventActivities(storage.events).not_cleared,
        *(reconciling.begin, reconciling.survey, reconciling.heal),
        rebuild.rebuild,
    ]

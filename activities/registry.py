"""Every activity of one worker, made of its parts, for the worker to register."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from activities.attachments import AttachmentActivities
from activities.backend import BackendActivities
from activities.evacuation import EvacuationActivities
from activities.events import EventActivities
from activities.migrations import MigrationActivities
from activities.nodes import NodeActivities
from activities.reconciliation import ReconcileActivities
from activities.unpersisted import UnpersistedActivities
from mooring.backend import NoBackend
from mooring.client import MooringClient
from mooring.cluster.node_check import NodeChecker
from mooring.csi.co_secrets import CoCalls
from mooring.evacuation.client import start_evacuation
from mooring.models.evacuation import EvacuateRequest, EvacuationOptions
from mooring.reconciliation.healer import Healer
from mooring.reconciliation.past_runs import PastRuns
from mooring.reconciliation.survey import DriftSurvey, ListsNodes, SurveySources
from mooring.settings import EvacuateMode
from mooring.temporal.visibility import RunVisibility

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from temporalio.client import Client

    from activities.rebuild import RebuildActivities
    from mooring.adoption.doubts import Doubts
    from mooring.adoption.survey import Survey
    from mooring.backend import Backend
    from mooring.cluster.clientset import Clientset
    from mooring.evidence.evidence import EvidenceReader
    from mooring.index.manager import AttachmentManager
    from mooring.settings import Settings
    from mooring.temporal.pollers import Slots


def all_activities(
    settings: Settings,
    client: Client,
    clientset: Clientset,
    manager: AttachmentManager,
    doubts: Doubts,
    backend: Backend,
    rebuild: RebuildActivities,
    adoptions: Survey,
    slots: Slots,
    evidence: EvidenceReader,
    *,
    search_attributes: bool,
) -> list[Callable[..., Any]]:
    """Make all activities of a worker.

    `evidence` is this worker's knowledge beyond the records, `adoptions` judges attachments to adopt; `search_attributes`: the
    namespace knows Mooring's.
    """
    limits = settings.limits(search_attributes=search_attributes, backend=not isinstance(backend, NoBackend))
    unpersisted = UnpersistedActivities(client, manager, clientset.volumes, evidence, slots.volumes)
    node_checker = NodeChecker(clientset.nodes, manager)
    attachments = AttachmentActivities(
        settings.driver, manager, doubts, clientset.volumes, evidence, limits, unpersisted.look_up, node_checker.cached
    )
    calls = BackendActivities(backend, clientset.nodes, manager.needs_secrets)
    mooring = MooringClient(client, driver=settings.driver, task_queue=settings.queue, eager=True)
    runs = RunVisibility(client, settings.driver, search_attributes=search_attributes)
    terms = EvacuationOptions(limits=limits, node_gone=settings.node_gone, at_once=settings.evacuate_at_once)
    co_calls = CoCalls(manager, backend, runs)
    evacuation = EvacuationActivities(
        settings.driver, mooring, runs, manager, clientset.volumes, clientset.node_health, terms, co_calls
    )
    evacuate = partial(_evacuate, client, settings)
    healer = Healer(settings.driver, mooring, adoptions, evacuate, co_calls)
    survey = DriftSurvey(_sources(settings, clientset, manager, doubts, backend, rebuild, runs, evidence), rebuild.ask)
    reconcile_terms = settings.reconcile_terms(search_attributes=search_attributes)
    reconciling = ReconcileActivities(settings.driver, survey, healer, reconcile_terms)
    return [
        *(attachments.observe, attachments.look, attachments.record),
        *(attachments.release, attachments.persist, attachments.undo),
        *(unpersisted.find, unpersisted.drop, unpersisted.outwait, unpersisted.ends_for),
        *(unpersisted.publisher_lives, unpersisted.wait),
        *(calls.publish, calls.unpublish, calls.undo),
        NodeActivities(node_checker).check,
        MigrationActivities(manager, clientset.volumes, slots.migrations, limited=settings.migration_nodes > 0).wait,
        *(evacuation.options, evacuation.look, evacuation.held, evacuation.release, evacuation.count_released),
        EventActivities(clientset.events).not_cleared,
        *(reconciling.begin, reconciling.survey, reconciling.heal),
        rebuild.rebuild,
    ]


def _sources(
    settings: Settings,
    clientset: Clientset,
    manager: AttachmentManager,
    doubts: Doubts,
    backend: Backend,
    rebuild: RebuildActivities,
    runs: RunVisibility,
    evidence: EvidenceReader,
) -> SurveySources:
    """Return what a reconciliation compares."""
    return SurveySources(
        driver=settings.driver,
        worker=rebuild.worker,
        volumes=clientset.volumes,
        attachments=clientset.attachments,
        nodes=clientset.nodes,
        node_states=clientset.node_usage,
        runs=runs,
        past_runs=PastRuns(runs, evidence),
        manager=manager,
        doubts=doubts,
        published=backend if settings.adopt and isinstance(backend, ListsNodes) else None,
        releases=bool(settings.csi_endpoint),
        evacuates=settings.evacuate is EvacuateMode.AUTO,
        page_size=settings.page_size,
        now=lambda: datetime.now(UTC),
    )


async def _evacuate(client: Client, settings: Settings, node_id: str) -> str:
    """Have the node evacuated, unless that is under way, and describe that in words."""
    asked = EvacuateRequest(driver=settings.driver, node_id=node_id, asked_by="reconciliation", automatic=True)
    evacuation = await start_evacuation(client, settings.queue, asked)
    return f"{evacuation.id} asks for proof that the node is dead, and then releases its volumes."

"""Every activity of one worker, made of its parts, for the worker to register."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from activities.attachments import AttachmentActivities
from activities.backend import BackendActivities
from activities.evacuation import EvacuationActivities
from activities.events import EventActivities
from activities.migrations import MigrationActivities
from activities.nodes import NodeActivities
from activities.rebuild import RebuildActivities
from activities.reconciliation import ReconcileActivities
from activities.unpersisted import UnpersistedActivities
from mooring.backend import NoBackend
from mooring.cluster.node_check import NodeChecker
from mooring.csi.co_secrets import CoCalls
from mooring.evacuation.client import start_evacuation
from mooring.models.evacuation import EvacuateRequest, EvacuationOptions
from mooring.reconciliation.healer import Healer
from mooring.reconciliation.past_runs import PastRuns
from mooring.reconciliation.survey import DriftSurvey, ListsNodes, SurveySources
from mooring.settings import EvacuateMode
from mooring.temporal.runs import is_in_first_task
from mooring.temporal.visibility import RunVisibility

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from temporalio.client import Client

    from activities.context import WorkerContext
    from mooring.models import OperationLimits
    from mooring.settings import Settings

    Activities: TypeAlias = Sequence[Callable[..., Any]]


def all_activities(context: WorkerContext, *, search_attributes: bool) -> Activities:
    """Make all activities of a worker; `search_attributes`: the namespace knows Mooring's."""
    settings = context.settings
    limits = settings.limits(search_attributes=search_attributes, backend=not isinstance(context.backend, NoBackend))
    runs = RunVisibility(context.client, settings.driver, search_attributes=search_attributes)
    co_calls = CoCalls(context.manager, context.backend, runs)
    return [
        *_records(context, limits),
        *_backend(context),
        *_migrations(context),
        *_evacuations(context, runs, limits, co_calls),
        *_reconciliations(context, runs, co_calls, search_attributes=search_attributes),
        EventActivities(context.clientset.events).not_cleared,
        *rebuild_activities(context),
    ]


def rebuild_activities(context: WorkerContext) -> Activities:
    """Make the activities of a worker's rebuild, which it carries out before all others."""
    return [RebuildActivities(context.reflector, context.identity).rebuild]


def _records(context: WorkerContext, limits: OperationLimits) -> Activities:
    manager, volumes, evidence = context.manager, context.clientset.volumes, context.evidence
    nodes = NodeChecker(context.clientset.nodes, manager)
    waits = UnpersistedActivities(context.client, manager, volumes, evidence, context.slots.volumes)
    records = AttachmentActivities(
        context.settings.driver,
        manager,
        context.doubts,
        volumes,
        evidence,
        limits,
        waits.newest,
        waits.waits_in,
        nodes.cached,
        partial(is_in_first_task, context.client),
        context.now,
        at_once=context.settings.at_once,
    )
    return [
        *(records.observe, records.look, records.record, records.release, records.persist, records.undo),
        *(waits.find, waits.drop, waits.outwait, waits.ends_for, waits.has_begun, waits.publisher_lives, waits.wait),
        NodeActivities(nodes).check,
    ]


def _backend(context: WorkerContext) -> Activities:
    calls = BackendActivities(context.backend, context.clientset.nodes, context.manager.needs_secrets)
    return [calls.publish, calls.unpublish, calls.undo]


def _migrations(context: WorkerContext) -> Activities:
    limited = context.settings.migration_nodes > 0
    return [MigrationActivities(context.manager, context.clientset.volumes, context.slots.migrations, limited=limited).wait]


def _evacuations(context: WorkerContext, runs: RunVisibility, limits: OperationLimits, co_calls: CoCalls) -> Activities:
    settings, doors = context.settings, context.clientset
    options = EvacuationOptions(limits=limits, node_gone=settings.node_gone, at_once=settings.evacuate_at_once)
    made = EvacuationActivities(
        settings.driver,
        context.mooring,
        runs,
        context.manager,
        doors.volumes,
        doors.node_health,
        options,
        co_calls,
        settings.page_size,
    )
    return [made.options, made.look, made.held, made.release, made.count_released]


def _reconciliations(context: WorkerContext, runs: RunVisibility, co_calls: CoCalls, *, search_attributes: bool) -> Activities:
    settings = context.settings
    evacuate = partial(_evacuate, context.client, settings)
    healer = Healer(settings.driver, context.mooring, context.adoptions, evacuate, co_calls)
    survey = DriftSurvey(_sources(context, runs), context.reflector.needs_rebuild.set)
    options = settings.reconcile_options(search_attributes=search_attributes)
    made = ReconcileActivities(settings.driver, survey, healer, options)
    return [made.begin, made.survey, made.heal]


def _sources(context: WorkerContext, runs: RunVisibility) -> SurveySources:
    """Return what a reconciliation compares."""
    settings, doors, backend = context.settings, context.clientset, context.backend
    return SurveySources(
        driver=settings.driver,
        worker=context.identity,
        volumes=doors.volumes,
        attachments=doors.attachments,
        nodes=doors.nodes,
        node_usage=doors.node_usage,
        runs=runs,
        past_runs=PastRuns(runs, context.evidence),
        manager=context.manager,
        doubts=context.doubts,
        published=backend if settings.adopt and isinstance(backend, ListsNodes) else None,
        releases=bool(settings.csi_endpoint),
        evacuates=settings.evacuate is EvacuateMode.AUTO,
        page_size=settings.page_size,
        now=context.now,
    )


async def _evacuate(client: Client, settings: Settings, node_id: str) -> str:
    """Have the node evacuated, unless that is under way, and describe that in words."""
    asked = EvacuateRequest(driver=settings.driver, node_id=node_id, asked_by="reconciliation", automatic=True)
    evacuation = await start_evacuation(client, settings.queue, asked)
    return f"{evacuation.id} asks for proof that the node is dead, and then releases its volumes."

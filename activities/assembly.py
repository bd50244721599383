"""Makes the reconciliation of one worker of its parts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from activities.reconciling import ReconcileActivities
from mooring.client import MooringClient
from mooring.co_calls import CoCalls
from mooring.drift.healing import Healer
from mooring.drift.past_runs import PastRuns
from mooring.drift.runs import DriverRuns
from mooring.drift.survey import DriftSurvey, ListsNodes, Sources
from mooring.evacuation.models import EvacuateRequest
from mooring.evacuation.starting import start_evacuation
from mooring.settings import EvacuateMode

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.rebuild import RebuildActivities
    from mooring.adopter import Survey
    from mooring.backend import Backend
    from mooring.evidence import Evidence
    from mooring.settings import Settings
    from mooring.storage import Storage


def reconciliation(
    settings: Settings,
    client: Client,
    storage: Storage,
    backend: Backend,
    rebuild: RebuildActivities,
    adoptions: Survey,
    evidence: Evidence,
    *,
    search_attributes: bool,
) -> ReconcileActivities:
    """The activities; `adoptions` judges what may be adopted, `evidence` is what this worker knows beyond the records.

    `search_attributes`: the namespace knows Mooring's.
    """
    runs = DriverRuns(client, settings.driver, search_attributes=search_attributes)
    sources = Sources(
        driver=settings.driver,
        worker=rebuild.worker,
        volumes=storage.volumes,
        attachments=storage.attachments,
        nodes=storage.nodes,
        node_states=storage.node_states,
        runs=runs,
        past_runs=PastRuns(runs, evidence),
        manager=adoptions.manager,
        published=backend if settings.adopt and isinstance(backend, ListsNodes) else None,
        releases=bool(settings.csi_endpoint),
        evacuates=settings.evacuate is EvacuateMode.AUTO,
        page_size=settings.page_size,
        now=lambda: datetime.now(UTC),
    )
    mooring = MooringClient(client, driver=settings.driver, task_queue=settings.queue, eager=True)
    co_calls = CoCalls(adoptions.manager, backend, runs)
    healer = Healer(settings.driver, mooring, adoptions, partial(_evacuate, client, settings), co_calls)
    terms = settings.reconcile_terms(search_attributes=search_attributes)
    return ReconcileActivities(settings.driver, DriftSurvey(sources, rebuild.ask), healer, terms)


async def _evacuate(client: Client, settings: Settings, node_id: str) -> str:
    """Have the node evacuated, where that isn't under way; in words."""
    asked = EvacuateRequest(driver=settings.driver, node_id=node_id, asked_by="reconciliation", automatic=True)
    evacuation = await start_evacuation(client, settings.queue, asked)
    return f"{evacuation.id} asks for proof that the node is dead, and then releases its volumes."

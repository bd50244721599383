"""The parts of one worker, made once when it starts. Its activities (registry.py) and its duties (worker.py) are made of them.

Contract: nothing is sent while they are made. A part that needs two of them takes these two, not the context.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mooring.adoption.detachments import TemporalDetachments
from mooring.adoption.doubts import Doubts
from mooring.adoption.survey import Survey
from mooring.client import MooringClient
from mooring.evidence.evidence import EvidenceReader
from mooring.evidence.unplaced import UnplacedAttachments
from mooring.index.manager import AttachmentManager
from mooring.index.reflector import Reflector
from mooring.temporal.pollers import Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from temporalio.client import Client

    from mooring.backend import Backend
    from mooring.cluster.clientset import Clientset
    from mooring.csi.state import EndpointState
    from mooring.process.metrics import Metrics
    from mooring.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The parts of one worker of one driver. `adoptions` judges what predates Mooring; `now` is UTC."""

    settings: Settings
    identity: str
    client: Client
    clientset: Clientset
    backend: Backend
    endpoint: EndpointState
    metrics: Metrics
    slots: Slots
    manager: AttachmentManager
    doubts: Doubts
    mooring: MooringClient
    reflector: Reflector
    evidence: EvidenceReader
    adoptions: Survey
    now: Callable[[], datetime]


def worker_context(
    settings: Settings,
    identity: str,
    client: Client,
    clientset: Clientset,
    backend: Backend,
    endpoint: EndpointState,
    metrics: Metrics,
    *,
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> WorkerContext:
    """Make the parts of a worker; `identity` names it, `clock` measures how long something takes, `now` is UTC."""
    manager = AttachmentManager()
    return WorkerContext(
        settings=settings,
        identity=identity,
        client=client,
        clientset=clientset,
        backend=backend,
        endpoint=endpoint,
        metrics=metrics,
        slots=Slots(settings.activity_slots),
        manager=manager,
        doubts=Doubts(),
        # NB: the task of an eager start comes to this worker though its version is not current.
        mooring=MooringClient(client, driver=settings.driver, task_queue=settings.queue, eager=not settings.worker_deployment),
        reflector=Reflector(clientset.volumes, manager, metrics, clock, settings.page_size),
        evidence=_evidence(settings, client, clientset, manager),
        adoptions=_adoptions(settings, client, clientset, manager, endpoint, now),
        now=now,
    )


def _evidence(settings: Settings, client: Client, clientset: Clientset, manager: AttachmentManager) -> EvidenceReader:
    attached, attachments = clientset.attachment_cache, clientset.attachments
    unplaced = UnplacedAttachments(manager, attached, attachments, clientset.node_usage)
    skew = timedelta(seconds=settings.clock_skew)
    return EvidenceReader(settings.driver, client, manager, attached, attachments, clientset.nodes, skew, unplaced)


def _adoptions(
    settings: Settings,
    client: Client,
    clientset: Clientset,
    manager: AttachmentManager,
    endpoint: EndpointState,
    now: Callable[[], datetime],
) -> Survey:
    behind, detachments = endpoint.behind, TemporalDetachments(client, settings.clock_skew, now)
    return Survey(clientset.attachments, manager, detachments, behind is None or behind.takes_readonly)

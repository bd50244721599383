"""Where a worker keeps its records and tells operators: the API server that its environment names, or its own memory.

Contract: nothing is sent on opening, so a server that is down stops no worker from starting.
"""

from __future__ import annotations

import os
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mooring.apiserver import Ask, KubernetesApi
from mooring.events import NAMESPACE, Events, NoEvents, warning
from mooring.kubeconfig import Kubeconfig, connect
from mooring.memory import MemoryVolumes
from mooring.node_kinds import csi_nodes, plain_nodes
from mooring.nodes import AnyNode, Nodes
from mooring.settings import KubernetesMode, NodeCheck
from mooring.volume_attachments import ClusterAttachments, NoAttachments, VolumeAttachments
from mooring.volumes import KubernetesVolumes, Volumes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from mooring.metrics import Metrics
    from mooring.models import Mark
    from mooring.settings import Settings


@dataclass(frozen=True, slots=True)
class Storage:
    """The doors of one worker."""

    volumes: Volumes
    events: Events
    nodes: Nodes
    attachments: VolumeAttachments


class KubernetesEvents:
    """Writes Events to an API server, in the name of one worker."""

    def __init__(self, api: KubernetesApi, instance: str, now: Callable[[], datetime]) -> None:
        self._api = api
        self._instance = instance
        self._now = now

    async def warn(self, about: Mark, reason: str, note: str) -> None:
        """See `Events`."""
        body = warning(about, reason, note, name=f"{about.pv}.{uuid.uuid4().hex[:16]}", instance=self._instance, now=self._now())
        path = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
        await self._api.request(Ask(f"raise Event {reason} on PersistentVolume {about.pv}", "POST", path, body=body))


@asynccontextmanager
async def open_storage(
    settings: Settings, instance: str, now: Callable[[], datetime], metrics: Metrics, kubeconfig: Kubeconfig = None
) -> AsyncIterator[Storage]:
    """The storage that the settings name, open while the block runs; `instance` names the worker.

    A `kubeconfig` comes before the environment's.
    """
    if settings.kubernetes is KubernetesMode.OFF:
        yield Storage(MemoryVolumes(metrics), NoEvents(), AnyNode(), NoAttachments())
        return
    api = await connect(kubeconfig, os.environ, settings.request_timeout)
    try:
        volumes = KubernetesVolumes(api, settings.driver, now, metrics, page_size=settings.page_size)
        attached = ClusterAttachments(api, settings.driver, now) if settings.adopt else NoAttachments()
        yield Storage(volumes, KubernetesEvents(api, instance, now), _nodes(api, settings, metrics), attached)
    finally:
        await api.close()


def _nodes(api: KubernetesApi, settings: Settings, metrics: Metrics) -> Nodes:
    match settings.node_check:
        case NodeCheck.CSINODE:
            return csi_nodes(api, settings.driver, metrics.reconnected)
        case NodeCheck.NODE:
            return plain_nodes(api, metrics.reconnected)
        case NodeCheck.OFF:
            return AnyNode()

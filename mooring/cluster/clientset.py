"""The stores and recorders of a worker: in the API server that its environment names, or in its own memory.

Contract: nothing is sent on opening, so a server that is down stops no worker from starting.
"""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mooring.cluster.attachment_cache import AttachmentCache, ClusterAttachmentCache, NoAttachmentCache
from mooring.cluster.node_health import ClusterNodeHealth, NodeHealthReader, NoNodeHealth
from mooring.cluster.node_ids import AnyNode, Nodes, csi_nodes, plain_nodes
from mooring.cluster.node_usage import ClusterNodeUsage, NodeUsageReader, NoNodeUsage
from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.cluster.volume_attachments import ClusterAttachments, NoAttachments, VolumeAttachments
from mooring.events.pvcs import PvcCache
from mooring.events.recorder import Events, NoEvents, Recorder
from mooring.kubernetes.connection import Kubeconfig, connect
from mooring.records.memory_store import MemoryStore
from mooring.records.store import RecordStore
from mooring.settings import EventsMode, KubernetesMode, NodeCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from mooring.kubernetes.api import KubernetesApi
    from mooring.process.metrics import Metrics
    from mooring.settings import Settings


@dataclass(frozen=True, slots=True)
class Clientset:
    """The doors of one worker."""

    volumes: RecordStore
    events: Events
    nodes: Nodes
    attachments: VolumeAttachments
    attachment_cache: AttachmentCache
    node_health: NodeHealthReader
    node_usage: NodeUsageReader


@asynccontextmanager
async def open_clientset(
    settings: Settings, instance: str, now: Callable[[], datetime], metrics: Metrics, kubeconfig: Kubeconfig = None
) -> AsyncIterator[Clientset]:
    """Open the storage that the settings name while the block runs; `instance` names the worker.

    A `kubeconfig` comes before the environment's.
    """
    if settings.kubernetes is KubernetesMode.OFF:
        yield _without_cluster(metrics)
        return
    api = await connect(kubeconfig, os.environ, settings.request_timeout)
    try:
        async with clientset_of(api, settings, instance, now, metrics) as made:
            yield made
    finally:
        await api.close()


@asynccontextmanager
async def clientset_of(
    api: KubernetesApi,
    settings: Settings,
    instance: str,
    now: Callable[[], datetime],
    metrics: Metrics,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Clientset]:
    """Make the doors to one API server while the block runs; `clock` counts seconds and never goes back."""
    pvcs = PvcCache(api)
    volumes = PersistentVolumeStore(api, settings.driver, now, metrics, learn=pvcs.learn, page_size=settings.page_size)
    cluster = ClusterAttachments(api, settings.driver, now)
    attachments = cluster if settings.adopt else NoAttachments()
    attached = ClusterAttachmentCache(api, settings.driver, metrics.reconnected) if settings.adopt else NoAttachmentCache()
    nodes = _nodes(api, settings, metrics)
    health, usage = _node_health(api, settings, metrics, nodes, cluster), ClusterNodeUsage(api, settings.driver, clock)
    only = settings.events is EventsMode.WARNINGS
    recorder = Recorder(api, pvcs, partial(_node_name, nodes), instance, now, metrics.event_dropped, warnings_only=only)
    async with recorder.running():
        events = NoEvents() if settings.events is EventsMode.OFF else recorder
        yield Clientset(volumes, events, nodes, attachments, attached, health, usage)


def _without_cluster(metrics: Metrics) -> Clientset:
    return Clientset(
        MemoryStore(metrics), NoEvents(), AnyNode(), NoAttachments(), NoAttachmentCache(), NoNodeHealth(), NoNodeUsage()
    )


def _node_name(nodes: Nodes, node_id: str) -> str:
    node = nodes.find(node_id) if node_id else None
    return node.name if node else ""


def _nodes(api: KubernetesApi, settings: Settings, metrics: Metrics) -> Nodes:
    match settings.node_check:
        case NodeCheck.CSINODE:
            return csi_nodes(api, settings.driver, metrics.reconnected)
        case NodeCheck.NODE:
            return plain_nodes(api, metrics.reconnected)
        case NodeCheck.OFF:
            return AnyNode()


def _node_health(
    api: KubernetesApi, settings: Settings, metrics: Metrics, nodes: Nodes, attached: VolumeAttachments
) -> NodeHealthReader:
    """Return the nodes' health; without a node check, names are still looked up when a node has to be evacuated."""
    named = csi_nodes(api, settings.driver, metrics.reconnected) if settings.node_check is NodeCheck.OFF else nodes
    by_id = settings.node_check is NodeCheck.NODE
    return ClusterNodeHealth(api, named, attached, metrics.reconnected, named_by_id=by_id)

"""The Events of one test: its volumes bound to claims, its nodes known by name, and the Events recorded about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from temporalio.client import Client

from tests.cluster.nodes.conftest import NodeObjects
from tests.harness.backend import JournalBackend
from tests.harness.cluster import PVS, Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed, quick, running_worker
from worker import MooringWorker

NAMESPACE: Final = "kube-public"
"""Namespace of the claims: one that every cluster has."""


@dataclass(frozen=True, slots=True)
class Observatory:
    """A cluster whose Events are read."""

    cluster: Cluster
    node_objects: NodeObjects

    async def bound(self, handle: str) -> None:
        """Create the PV of a volume, bound to a claim."""
        await self.cluster.create(handle)
        claim = {"namespace": NAMESPACE, "name": self.claim(handle), "uid": f"uid-of-{self.claim(handle)}"}
        path = f"{PVS}/{self.cluster.pv(handle)}"
        await self.cluster.ask("PATCH", path, {"spec": {"claimRef": claim}}, "application/merge-patch+json")

    def claim(self, handle: str) -> str:
        """Return the name of its claim."""
        return f"claim-of-{self.cluster.pv(handle)}"

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Return the Events about the object of this name, in the order in which they were recorded."""
        return sorted(await self.cluster.events(name), key=lambda event: str(event["eventTime"]))

    async def told(self, name: str, *reasons: str) -> list[dict[str, Any]]:
        """Wait until the Events about the object have these reasons."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.events(name)
                if sorted(event["reason"] for event in found) == sorted(reasons):
                    return found
                await asyncio.sleep(0.05)

    async def told_of(self, handle: str, *reasons: str) -> list[dict[str, Any]]:
        """Wait until the Events on the volume's PV have these reasons."""
        return await self.told(self.cluster.pv(handle), *reasons)


@pytest.fixture
async def observatory(cluster: Cluster) -> Observatory:
    """A cluster with two nodes, and a volume that is bound."""
    node_objects = NodeObjects(cluster)
    await node_objects.register("node-a")
    await node_objects.register("node-b")
    observatory = Observatory(cluster, node_objects)
    await observatory.bound("vol")
    return observatory


@pytest.fixture
async def worker(
    temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend, observatory: Observatory
) -> AsyncIterator[MooringWorker]:
    """A worker with a backend that knows the nodes and the volume."""
    settings = quick(driver, node_check="csinode", backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        await indexed(running, "vol")
        yield running

"""A node that dies: its CSINode and its Node, what it holds, and its evacuation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.client import MooringClient
from mooring.evacuation.client import Evacuation, evacuation_of, start_evacuation
from mooring.models.evacuation import EvacuateRequest, EvacuationProgress, EvacuationResult
from mooring.settings import default_task_queue
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE

CSI_NODES: Final = "/apis/storage.k8s.io/v1/csinodes"
NODES: Final = "/api/v1/nodes"
TAINT: Final = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
FOREVER: Final = 3600
"""Seconds for which no Node of a test is gone."""


@dataclass(frozen=True, slots=True)
class DeadNode:
    """One node of the test's driver, by node id `node_id`, and its evacuation."""

    cluster: Cluster
    client: Client
    mooring: MooringClient
    node_id: str = "node-a"
    machine: str = "machine"

    @property
    def name(self) -> str:
        """The name of its Node."""
        return f"{self.machine}-{self.cluster.driver.split('.')[0]}"

    async def admit(self, *handles: str) -> None:
        """Have the node, and have it hold these volumes."""
        spec = {"drivers": [{"name": self.cluster.driver, "nodeID": self.node_id, "topologyKeys": None}]}
        await self.cluster.ask("POST", CSI_NODES, _object("storage.k8s.io/v1", "CSINode", self.name, spec))
        await self.come_back()
        await self.hold(*handles)

    async def hold(self, *handles: str) -> None:
        """Have it hold these new volumes."""
        await asyncio.gather(*(self.cluster.create(handle) for handle in handles))
        await asyncio.gather(*(self.mooring.publish(handle, self.node_id) for handle in handles))

    async def taint(self, *taints: dict[str, str]) -> None:
        """Have the Node bear these taints alone."""
        body = {"spec": {"taints": [*taints] or None}}
        await self.cluster.ask("PATCH", f"{NODES}/{self.name}", body, "application/merge-patch+json")

    async def is_well(self, *, real: bool) -> None:
        """Have its kubelet report that it is well; `real`: the API server has a status subresource."""
        body = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        path = f"{NODES}/{self.name}" + ("/status" if real else "")
        await self.cluster.ask("PATCH", path, body, "application/merge-patch+json")

    async def go(self) -> None:
        """Have its Node and CSINode gone."""
        await self.cluster.ask("DELETE", f"{CSI_NODES}/{self.name}")
        await self.cluster.ask("DELETE", f"{NODES}/{self.name}")

    async def come_back(self) -> None:
        """Have a Node of its name."""
        await self.cluster.ask("POST", NODES, _object("v1", "Node", self.name, {}))

    async def evacuate(self, **fields: Any) -> Evacuation:
        """Start its evacuation."""
        asked = EvacuateRequest(driver=self.cluster.driver, node_id=self.node_id, **fields)
        return await start_evacuation(self.client, default_task_queue(self.cluster.driver), asked)

    @property
    def evacuation(self) -> Evacuation:
        """Its newest evacuation."""
        return evacuation_of(self.client, self.cluster.driver, self.node_id)

    async def is_begun(self) -> bool:
        """Return whether there is an evacuation."""
        try:
            await self.evacuation.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def lose_release(self, handle: str) -> None:
        """Have the step fail that releases the volume, as where no worker takes it for long; the unpublish it began goes on."""
        [step] = [
            event.activity_task_scheduled_event_attributes
            async for event in self.evacuation.fetch_history_events()
            if event.activity_task_scheduled_event_attributes.activity_type.name == "release_volume"
        ]
        lost = self.client.get_async_activity_handle(workflow_id=self.evacuation.id, run_id=None, activity_id=step.activity_id)
        await lost.fail(ApplicationError(f"nobody has said what became of {handle}", non_retryable=True))

    async def reaches(self, evacuation: Evacuation, state: State, **fields: Any) -> EvacuationProgress:
        """Wait until its progress shows this; return the progress."""
        async with asyncio.timeout(PATIENCE):
            while True:
                progress: EvacuationProgress = await evacuation.query(names.PROGRESS, result_type=EvacuationProgress)
                if progress.state == state and all(getattr(progress, name) == value for name, value in fields.items()):
                    return progress
                await asyncio.sleep(0.05)

    async def holders(self, *handles: str) -> list[str | None]:
        """Return the nodes that hold these volumes, by their PVs."""
        return [await self.cluster.holder(handle) for handle in handles]


async def ended(evacuation: Evacuation) -> EvacuationResult:
    """Return the result of the evacuation."""
    return await asyncio.wait_for(evacuation.result(), PATIENCE)


def _object(version: str, kind: str, name: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}

"""A test's own view of a cluster: PVs of its own driver, made and read straight at the API server, past the proxy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.proxy import FaultProxy
from mooring.records.keys import Keys

PVS = "/api/v1/persistentvolumes"
EVENTS = "/apis/events.k8s.io/v1/events"


@dataclass(slots=True)
class Cluster:
    """One API server, the proxy that workers go through, and the driver name that is this test's alone."""

    server: ApiServer
    proxy: FaultProxy
    driver: str

    @property
    def keys(self) -> Keys:
        """The annotation keys of this test's driver."""
        return Keys.of(self.driver)

    async def create(
        self,
        handle: str,
        annotations: dict[str, str] | None = None,
        *,
        name: str = "",
        modes: Sequence[str] = ("ReadWriteOnce",),
        secret: str = "",
    ) -> dict[str, Any]:
        """Create the PV of a volume; its name is made from handle and driver unless given.

        `secret` names the Secret that the CO sends with ControllerPublishVolume.
        """
        named = {"controllerPublishSecretRef": {"name": secret, "namespace": "default"}} if secret else {}
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name or self.pv(handle), **({"annotations": annotations} if annotations else {})},
            "spec": {
                "accessModes": [*modes],
                "capacity": {"storage": "1Gi"},
                "csi": {"driver": self.driver, "volumeHandle": handle, **named},
            },
        }
        return await self.ask("POST", PVS, body)

    async def annotations(self, handle: str, *, name: str = "") -> dict[str, str]:
        """Return the annotations of a volume's PV."""
        pv = await self.ask("GET", f"{PVS}/{name or self.pv(handle)}")
        found: dict[str, str] = pv["metadata"].get("annotations", {})
        return found

    async def holder(self, handle: str) -> str | None:
        """Return the node in `attached-node`."""
        return (await self.annotations(handle)).get(self.keys.node)

    async def epoch(self, handle: str) -> int:
        """Return the fencing token."""
        return int((await self.annotations(handle)).get(self.keys.epoch, "0"))

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Return the Events about the objects of this name. NB: those of other programs may be about none."""
        listed = await self.ask("GET", EVENTS)
        return [event for event in listed["items"] if event.get("regarding", {}).get("name") == name]

    async def annotate(self, handle: str, annotations: dict[str, str | None]) -> None:
        """Change annotations as another program would, by merge patch."""
        body = {"metadata": {"annotations": annotations}}
        await self.ask("PATCH", f"{PVS}/{self.pv(handle)}", body, "application/merge-patch+json")

    async def delete(self, handle: str) -> None:
        """Delete a volume's PV."""
        await self.ask("DELETE", f"{PVS}/{self.pv(handle)}")

    def pv(self, handle: str) -> str:
        """Return the name that `create` gives a PV: unique to the test, and not the handle."""
        return f"pv-{handle}-{self.driver.split('.')[0]}"

    async def ask(self, method: str, path: str, body: Any = None, media_type: str = "application/json") -> dict[str, Any]:
        """Send one request, which must succeed."""
        headers = {**self.server.headers(), "Content-Type": media_type}
        async with aiohttp.ClientSession(self.server.url, headers=headers) as session:
            async with session.request(method, path, json=body, ssl=self.server.ssl()) as answer:
                found: dict[str, Any] = await answer.json()
                assert answer.ok, f"{method} {path}: {found}"
                return found

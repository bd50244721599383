"""The smallest client the contract tests need, and the objects they make. Any server, embedded or real, takes both."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from mooring.devstack.kubernetes import ApiServer
from mooring.kubernetes.credentials.connections import Response
from tests.harness.patience import PATIENCE

PVS = "/api/v1/persistentvolumes"
VOLUME_ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
OWNER = "example.com/owner"
NO_RIGHTS = "nobody"
"""The user of a real server who may do nothing."""


class Session(Protocol):
    """A way to one server; aiohttp's sessions are."""

    def request(
        self, method: str, url: str, /, *, data: str | None, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Response]:
        """Send a request, and lend its answer while the block runs."""


def session_for(server: ApiServer) -> aiohttp.ClientSession:
    """Return a session that this server lets in; the caller closes it."""
    connector = aiohttp.TCPConnector(ssl=server.ssl(), limit=0)
    return aiohttp.ClientSession(server.url, connector=connector, headers=server.headers())


@dataclass(frozen=True)
class Answer:
    """A response; the body is decoded."""

    code: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def metadata(self) -> dict[str, Any]:
        """The `metadata` of an object or a list."""
        found: dict[str, Any] = self.body["metadata"]
        return found

    @property
    def names(self) -> list[str]:
        """The names in a list, in its order."""
        return [item["metadata"]["name"] for item in self.body["items"]]

    def refusal(self) -> tuple[int, str]:
        """Return code and reason, after a check that the body is a whole `Status` for them."""
        assert self.body["kind"] == "Status"
        assert self.body["apiVersion"] == "v1"
        assert self.body["status"] == "Failure"
        assert self.body["code"] == self.code
        assert self.body["message"]
        return self.code, self.body["reason"]


class Api:
    """One server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def send(
        self, method: str, path: str, body: object = None, media_type: str = "application/json", **params: str
    ) -> Answer:
        """Send any request; the body is sent as JSON."""
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": media_type}
        async with self._session.request(method, path, data=data, headers=headers, params=params) as answer:
            return Answer(answer.status, json.loads(await answer.read()), answer.headers)

    async def get(self, path: str, **params: str) -> Answer:
        """Get an object or a list."""
        return await self.send("GET", path, **params)

    async def create(self, path: str, body: object, **params: str) -> Answer:
        """Create an object."""
        return await self.send("POST", path, body, **params)

    async def patch(self, path: str, *operations: dict[str, Any], **params: str) -> Answer:
        """Apply a JSON patch."""
        return await self.send("PATCH", path, list(operations), JSON_PATCH, **params)

    async def merge(self, path: str, body: dict[str, Any], **params: str) -> Answer:
        """Apply a merge patch."""
        return await self.send("PATCH", path, body, MERGE_PATCH, **params)

    async def text(self, path: str) -> str:
        """Get a body that isn't JSON."""
        async with self._session.request("GET", path, data=None, headers={}, params={}) as answer:
            return (await answer.read()).decode()

    async def new_pv(self, **annotations: str) -> "Pv":
        """Create a PV; no annotations at all unless some are given (by the name after the slash)."""
        created = await self.create(PVS, pv_body(f"pv-{uuid.uuid4().hex[:12]}", **annotations))
        assert created.code == 201, created.body
        return Pv(self, created.metadata["name"], created.metadata["uid"], created.metadata["resourceVersion"])

    async def watch(self, path: str, **params: str) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a watch, which the server ends after a second unless asked otherwise."""
        asked = {"watch": "true", "timeoutSeconds": "1", **params}
        async with asyncio.timeout(PATIENCE), self._session.request("GET", path, data=None, headers={}, params=asked) as answer:
            assert answer.status == 200, await answer.read()
            async for line in answer.content:
                yield json.loads(line)

    async def events(self, path: str, **params: str) -> list[dict[str, Any]]:
        """Return all events of a watch that ends by itself."""
        return [event async for event in self.watch(path, **params)]


@dataclass(frozen=True)
class Pv:
    """A PV that a test made."""

    api: Api
    name: str
    uid: str
    revision: str

    @property
    def path(self) -> str:
        """Its path."""
        return f"{PVS}/{self.name}"

    async def patch(self, *operations: dict[str, Any], **params: str) -> Answer:
        """Apply a JSON patch to it."""
        return await self.api.patch(self.path, *operations, **params)

    async def annotations(self) -> dict[str, str]:
        """Return its annotations as they are now."""
        return dict((await self.api.get(self.path)).metadata.get("annotations", {}))


def pv_body(name: str, **annotations: str) -> dict[str, Any]:
    named = {f"example.com/{key}": value for key, value in annotations.items()}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, **({"annotations": named} if named else {})},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "rds.csi.srvlab.io", "volumeHandle": name},
        },
    }


def volume_attachment(name: str) -> dict[str, Any]:
    spec = {"attacher": "rds.csi.srvlab.io", "nodeName": "node-a", "source": {"persistentVolumeName": name}}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": name}, "spec": spec}


def event_body(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name},
        "eventTime": "2026-01-31T04:00:41.123456Z",
        "reportingController": "mooring",
        "reportingInstance": "mooring-0",
        "action": "Publish",
        "reason": "Published",
        "type": "Normal",
        "regarding": {"apiVersion": "v1", "kind": "PersistentVolume", "name": name},
        "note": "published to node-a",
    }


def at(annotation: str) -> str:
    """Return the JSON pointer of an annotation."""
    return f"/metadata/annotations/{annotation.replace('/', '~1')}"


def check(path: str, value: object) -> dict[str, Any]:
    return {"op": "test", "path": path, "value": value}


def add(path: str, value: object) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}

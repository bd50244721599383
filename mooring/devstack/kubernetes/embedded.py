"""A small Kubernetes API over HTTP, in memory, for development and tests; `/version` and the log say so.

It serves the resources of `RESOURCES` with create, get, list, watch, patch and delete, on loopback, to anyone: no TLS, no
rights, no admission. It serves these as kube-apiserver does (tests/devstack/contract/ runs on both), and refuses everything else.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from mooring.devstack.kubernetes import reads, rules, status, wire
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.kubernetes.patch import apply_patch
from mooring.devstack.kubernetes.resources import BY_KIND, RESOURCES, Resource
from mooring.devstack.kubernetes.store import Collection, Entry, Key, Object, Revision

HOST: Final = "127.0.0.1"
HISTORY: Final = 10_000
MAX_BODY: Final = 3 * 1024 * 1024
VERSION: Final = {"major": "1", "minor": "37", "gitVersion": "v1.37.0-mooring.embedded.for.development.only"}

logger = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class EmbeddedKubernetes:
    """A running embedded API, at `url`."""

    def __init__(self, history: int) -> None:
        # NB: a server started anew must not give out revisions that its predecessor's clients still hold: they get 410 instead.
        self._revision = Revision(int(time.time()))
        self._collections = {resource: Collection(resource, self._revision, history) for resource in RESOURCES}
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def start(cls, port: int = 0, history: int = HISTORY) -> AsyncIterator["EmbeddedKubernetes"]:
        """Serve on loopback while the block lasts; port 0 takes a free one, a watch can go back `history` changes."""
        kube = cls(history)
        runner = web.AppRunner(kube.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            kube.url = f"http://{HOST}:{runner.addresses[0][1]}"
            logger.warning("embedded Kubernetes API for development on %s: in memory, open to every local user", kube.url)
            yield kube
        finally:
            await runner.cleanup()

    def kubeconfig(self) -> dict[str, Any]:
        """Return a kubeconfig for this server."""
        return ApiServer(self.url).kubeconfig()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig and return its path."""
        return ApiServer(self.url).write_kubeconfig(path)

    def seed(self, objects: Iterable[Object]) -> None:
        """Create objects, each with `apiVersion` and `kind`, without HTTP; raise `Refusal` if the API would refuse one."""
        for value in objects:
            resource = BY_KIND[value["apiVersion"], value["kind"]]
            namespace = value["metadata"].get("namespace", "default") if resource.namespaced else ""
            rules.create(self._collections[resource], namespace, value)

    def compact(self) -> None:
        """Forget history: watches from an older resourceVersion and pages of older lists get 410."""
        for collection in self._collections.values():
            collection.compact()

    def application(self) -> web.Application:
        """Build its HTTP application."""
        app = web.Application(middlewares=[_refusals], client_max_size=MAX_BODY)
        for path in ("/livez", "/readyz", "/healthz"):
            app.router.add_get(path, _ok)
        app.router.add_get("/version", _version)
        for collection in self._collections.values():
            _Routes(collection).add_to(app)
        app.on_shutdown.append(self._end_watches)
        return app

    async def _end_watches(self, _: web.Application) -> None:
        for collection in self._collections.values():
            collection.end_watches()


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except status.Refusal as refusal:
        answer = refusal
    except web.HTTPNotFound:
        answer = status.no_such_path()
    except web.HTTPMethodNotAllowed:
        answer = status.method_not_allowed()
    return _json(msgspec.json.encode(answer.body()), answer.code)


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _version(_: web.Request) -> web.Response:
    return _json(msgspec.json.encode(VERSION))


def _json(body: bytes, code: int = 200) -> web.Response:
    return web.Response(body=body, status=code, content_type="application/json")


class _Routes:
    """The handlers of one resource."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._resource: Resource = collection.resource

    def add_to(self, app: web.Application) -> None:
        root, plural = self._resource.root, self._resource.plural
        every = f"{root}/{plural}"
        some = f"{root}/namespaces/{{namespace}}/{plural}" if self._resource.namespaced else every
        one = f"{some}/{{name}}"
        for path in {every, some}:
            app.router.add_get(path, self._list_or_watch, allow_head=False)
        app.router.add_post(some, self._create)
        app.router.add_get(one, self._get, allow_head=False)
        app.router.add_patch(one, self._patch)
        app.router.add_delete(one, self._delete)

    async def _list_or_watch(self, request: web.Request) -> web.StreamResponse:
        wanted = reads.selector(request.query, request.match_info.get("namespace"))
        if not reads.is_true(request.query, "watch"):
            return _json(reads.listed(self._collection, wanted, request.query))
        options = reads.WatchOptions.read(request.query, self._collection.revision.current)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await reads.watched(self._collection, wanted, options, response.write)
        return response

    async def _get(self, request: web.Request) -> web.Response:
        return self._one(self._collection.get(_key(request)))

    async def _create(self, request: web.Request) -> web.Response:
        value = _object(await request.read(), request.content_type)
        namespace = request.match_info.get("namespace", "")
        return self._one(rules.create(self._collection, namespace, value, dry_run=_dry_run(request)), 201)

    async def _patch(self, request: web.Request) -> web.Response:
        body = await request.read()

        def change(target: Object) -> Object:
            return apply_patch(request.content_type, body, target)

        return self._one(rules.patch(self._collection, _key(request), change, dry_run=_dry_run(request)))

    async def _delete(self, request: web.Request) -> web.Response:
        key = _key(request)
        entry = self._collection.get(key) if _dry_run(request) else self._collection.remove(key)
        return self._one(entry) if self._resource.returns_deleted else _json(wire.deleted(self._resource, entry))

    def _one(self, entry: Entry, code: int = 200) -> web.Response:
        return _json(wire.one(self._resource, entry), code)


def _key(request: web.Request) -> Key:
    return request.match_info.get("namespace", ""), request.match_info["name"]


def _dry_run(request: web.Request) -> bool:
    asked = request.query.getall("dryRun", [])
    if asked not in ([], ["All"]):
        raise status.invalid_options(
            "PatchOptions", "dryRun", f'Unsupported value: {msgspec.json.encode(asked).decode()}: supported values: "All"'
        )
    return bool(asked)


def _object(body: bytes, media_type: str) -> Object:
    if media_type not in ("application/json", "application/octet-stream"):
        raise status.unsupported_object()
    try:
        return msgspec.json.decode(body, type=Object)
    except msgspec.DecodeError as error:
        raise status.bad_request(f"the object provided is unrecognized: {error}") from error

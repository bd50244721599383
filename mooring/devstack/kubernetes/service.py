"""The API below HTTP: a request comes in, and an answer or a watch goes out, at once and without I/O.

It serves the resources of `RESOURCES` with create, get, list, watch, patch and delete, to anyone: no rights, no admission. These it
serves as kube-apiserver does (tests/devstack/contract/), and refuses everything else.

Not kept here: sockets (embedded.py). Time comes from the event loop, and from `Births`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from mooring.devstack.kubernetes import reads, rules, status, wire
from mooring.devstack.kubernetes.patch import apply_patch
from mooring.devstack.kubernetes.reads import Chooser, Query, Watch
from mooring.devstack.kubernetes.resources import BY_KIND, RESOURCES, Resource
from mooring.devstack.kubernetes.rules import Births
from mooring.devstack.kubernetes.store import Collection, Entry, Key, Object, Revision

VERSION: Final = {"major": "1", "minor": "37", "gitVersion": "v1.37.0-mooring.embedded.for.development.only"}
HEALTH: Final = ("/livez", "/readyz", "/healthz")


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A request: `path` is percent-encoded, `media_type` is that of the body."""

    method: str
    path: str
    query: Query
    media_type: str = "application/octet-stream"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ServedAnswer:
    """An answer that is complete."""

    code: int
    body: bytes
    media_type: str = "application/json"


class Service:
    """The API and its objects. A watch can go back `history` changes; `revision` is the first one's number, less one."""

    def __init__(self, births: Births, revision: int, history: int) -> None:
        counter = Revision(revision)
        self.collections = {resource: Collection(resource, counter, history) for resource in RESOURCES}
        self._births = births
        self._handlers = {
            (resource.root, resource.plural): _Handlers(collection, births) for resource, collection in self.collections.items()
        }

    def handle(self, request: ServedRequest, cached: Chooser = reads.newest) -> ServedAnswer | Watch:
        """Carry out a request; `cached` chooses the revision of a list that may be stale."""
        try:
            if request.method == "GET" and request.path in HEALTH:
                return ServedAnswer(200, b"ok", "text/plain")
            if request.method == "GET" and request.path == "/version":
                return ServedAnswer(200, msgspec.json.encode(VERSION))
            return self._dispatch(request, cached)
        except status.ApiRefusal as refusal:
            return refused(refusal)

    def seed(self, objects: Iterable[Object]) -> None:
        """Create objects, each with `apiVersion` and `kind`; raise `ApiRefusal` if the API would refuse one."""
        for value in objects:
            resource = BY_KIND[value["apiVersion"], value["kind"]]
            namespace = value["metadata"].get("namespace", "default") if resource.namespaced else ""
            rules.create(self.collections[resource], namespace, value, self._births)

    def compact(self) -> None:
        """Forget history: watches from an older resourceVersion and pages of older lists get 410."""
        for collection in self.collections.values():
            collection.compact()

    def end_watches(self) -> None:
        """End every watch, as a server does that shuts down."""
        for collection in self.collections.values():
            collection.end_watches()

    def _dispatch(self, request: ServedRequest, cached: Chooser) -> ServedAnswer | Watch:
        place = _Place.read(request.path)
        handlers = self._handlers.get((place.root, place.plural))
        if handlers is None or not place.is_served(handlers.resource):
            raise status.no_such_path()
        if not place.name and request.method == "GET":
            return handlers.list_or_watch(request, place, cached)
        if not place.takes(request.method, handlers.resource):
            raise status.method_not_allowed()
        return handlers.BY_METHOD[request.method](handlers, request, (place.namespace or "", place.name))


def refused(refusal: status.ApiRefusal) -> ServedAnswer:
    """Return the answer that tells of a refusal."""
    return ServedAnswer(refusal.code, msgspec.json.encode(refusal.body()))


@dataclass(frozen=True, slots=True)
class _Place:
    """The place that a path names; `namespace` None: none or every, `name` "": the whole collection."""

    root: str
    namespace: str | None
    plural: str
    name: str

    @classmethod
    def read(cls, path: str) -> "_Place":
        """Take a path apart; refuse with 404 one that is none of an API group."""
        parts = path.split("/")
        of_group = 4 if parts[1:2] == ["apis"] else 3
        root, rest = "/".join(parts[:of_group]), [unquote(part) for part in parts[of_group:]]
        namespace = None
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        if not all(rest) or namespace == "" or len(rest) not in (1, 2):
            raise status.no_such_path()
        return cls(root, namespace, rest[0], "".join(rest[1:]))

    def is_served(self, resource: Resource) -> bool:
        """Return whether there is such a place: one object of a namespaced resource is not named without its namespace."""
        if resource.namespaced:
            return self.namespace is not None or not self.name
        return self.namespace is None

    def takes(self, method: str, resource: Resource) -> bool:
        """Return whether the place has the method, a list apart."""
        if self.name:
            return method in ("GET", "PATCH", "DELETE")
        return method == "POST" and (not resource.namespaced or self.namespace is not None)


class _Handlers:
    """The handlers of one resource."""

    def __init__(self, collection: Collection, births: Births) -> None:
        self.resource: Resource = collection.resource
        self._collection = collection
        self._births = births

    def list_or_watch(self, request: ServedRequest, place: _Place, cached: Chooser) -> ServedAnswer | Watch:
        wanted = reads.selector(request.query, place.namespace)
        if not reads.is_true(request.query, "watch"):
            return ServedAnswer(200, reads.listed(self._collection, wanted, request.query, cached))
        options = reads.WatchOptions.read(request.query, self._collection.revision.current)
        return Watch(self._collection, wanted, options)

    def get(self, _: ServedRequest, key: Key) -> ServedAnswer:
        return self._one(self._collection.get(key))

    def create(self, request: ServedRequest, key: Key) -> ServedAnswer:
        value = _object(request.body, request.media_type)
        return self._one(rules.create(self._collection, key[0], value, self._births, dry_run=_dry_run(request)), 201)

    def patch(self, request: ServedRequest, key: Key) -> ServedAnswer:
        def change(target: Object) -> Object:
            return apply_patch(request.media_type, request.body, target)

        return self._one(rules.patch(self._collection, key, change, dry_run=_dry_run(request)))

    def delete(self, request: ServedRequest, key: Key) -> ServedAnswer:
        entry = self._collection.get(key) if _dry_run(request) else self._collection.remove(key)
        return self._one(entry) if self.resource.returns_deleted else ServedAnswer(200, wire.deleted(self.resource, entry))

    def _one(self, entry: Entry, code: int = 200) -> ServedAnswer:
        return ServedAnswer(code, wire.one(self.resource, entry))

    BY_METHOD: Final[dict[str, Callable[["_Handlers", ServedRequest, Key], ServedAnswer]]] = {
        "GET": get,
        "POST": create,
        "PATCH": patch,
        "DELETE": delete,
    }


def _dry_run(request: ServedRequest) -> bool:
    asked = request.query.get("dryRun")
    if asked not in (None, "All"):
        raise status.invalid_options(
            "PatchOptions", "dryRun", f'Unsupported value: {msgspec.json.encode([asked]).decode()}: supported values: "All"'
        )
    return asked is not None


def _object(body: bytes, media_type: str) -> Any:
    if media_type not in ("application/json", "application/octet-stream"):
        raise status.unsupported_object()
    try:
        return msgspec.json.decode(body, type=Object)
    except msgspec.DecodeError as error:
        raise status.bad_request(f"the object provided is unrecognized: {error}") from error

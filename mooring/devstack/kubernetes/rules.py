"""The rules of Kubernetes for a write: metadata, preconditions, dry runs. Works on a `Collection`, knows nothing of HTTP.

Kept: name, uid and creationTimestamp never change; a resourceVersion in a patch must be the object's; a patch that changes
nothing writes nothing; annotations and labels are strings under qualified names, and absent rather than empty. Not kept:
validation and defaults of a spec, finalizers, status as a subresource, managedFields, delete options.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mooring.devstack.kubernetes import status
from mooring.devstack.kubernetes.resources import Resource
from mooring.devstack.kubernetes.store import Collection, Entry, Key, Object

ANNOTATION_BYTES: Final = 256 * 1024
NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
QUALIFIED: Final = re.compile(rf"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?(?=.{{1,63}}$){NAME}")
STRING_MAPS: Final = ("annotations", "labels")


@dataclass(frozen=True, slots=True)
class Births:
    """The source of what an object is given when it is created: a uid, and the time in UTC."""

    uid: Callable[[], str]
    now: Callable[[], datetime]

    def mark(self) -> dict[str, str]:
        """Return the metadata of one object."""
        return {"uid": self.uid(), "creationTimestamp": self.now().strftime("%Y-%m-%dT%H:%M:%SZ")}


def create(collection: Collection, namespace: str, value: Object, births: Births, *, dry_run: bool = False) -> Entry:
    """Add an object; refuse with 400 another kind or namespace, 409 a name that is taken, 422 what breaks a rule."""
    resource = collection.resource
    _check_kind(resource, value)
    metadata = _tidy(value.get("metadata", {}))
    if metadata.get("resourceVersion"):
        raise status.ApiRefusal(500, "", "resourceVersion should not be set on objects to be created")
    if not all(_holds_strings(metadata, part) for part in STRING_MAPS):
        raise status.bad_request(f"{resource.kind}: annotations and labels must be strings")
    name = metadata.get("name") or ""
    _check_new(resource, name, value)
    _check_regarding(resource, namespace, name, value)
    _check_metadata(resource, name, metadata)
    key = (namespace, name)
    if key in collection:
        raise status.already_exists(resource, name)
    created = {**_bare(value), "metadata": {**_placed(namespace, metadata), **births.mark()}}
    return collection.preview(key, created) if dry_run else collection.put(key, created)


def patch(collection: Collection, key: Key, change: Callable[[Object], Object], *, dry_run: bool = False) -> Entry:
    """Replace an object by the result of `change`; refuse with 404, 409 for another resourceVersion, 400 and 422."""
    found = collection.get(key)
    before = found.decode()
    patched = change(found.decode())
    metadata = _tidy(patched.get("metadata", {}))
    _check_kind(collection.resource, patched)
    _check_same(collection.resource, key[1], before["metadata"], metadata)
    _check_metadata(collection.resource, key[1], metadata)
    patched = {**_bare(patched), "metadata": metadata}
    _check_fixed(collection.resource, key[1], before, patched)
    if patched == before:
        return found
    return collection.preview(key, patched) if dry_run else collection.put(key, patched)


def _tidy(metadata: Object) -> Object:
    return {key: part for key, part in metadata.items() if part or key not in STRING_MAPS}


def _placed(namespace: str, metadata: Object) -> Object:
    if metadata.get("namespace", namespace) != namespace:
        raise status.bad_request("the namespace of the provided object does not match the namespace sent on the request")
    return {**metadata, "namespace": namespace} if namespace else metadata


def _bare(value: Object) -> Object:
    return {key: part for key, part in value.items() if key not in ("kind", "apiVersion")}


def _check_kind(resource: Resource, value: Object) -> None:
    sent = (value.get("apiVersion", resource.api_version), value.get("kind", resource.kind))
    if sent != (resource.api_version, resource.kind):
        raise status.bad_request(f'{sent[1]} in version "{sent[0]}" cannot be handled as a {resource.kind}')


def _check_new(resource: Resource, name: str, value: Object) -> None:
    if not name:
        raise status.invalid(resource, "", "metadata.name", "Required value: name or generateName is required")
    for required in resource.required:
        if not value.get(required):
            raise status.invalid(resource, name, required, "Required value")


def _check_regarding(resource: Resource, namespace: str, name: str, value: Object) -> None:
    """Refuse an Event about a cluster-scoped object outside `default` and kube-system; any other is in a namespace."""
    regarding = value.get("regarding", {})
    if resource.kind == "Event" and not regarding.get("namespace") and namespace not in ("default", "kube-system"):
        raise status.invalid(resource, name, "involvedObject.namespace", 'Invalid value: "": does not match event.namespace')


def _check_fixed(resource: Resource, name: str, before: Object, after: Object) -> None:
    for part in resource.fixed:
        if after.get(part) != before.get(part):
            raise status.invalid(resource, name, part, f'Invalid value: "{after.get(part)}": field is immutable')


def _holds_strings(metadata: Object, part: str) -> bool:
    return all(isinstance(text, str) for text in metadata.get(part, {}).values())


def _check_metadata(resource: Resource, name: str, metadata: Object) -> None:
    for part in STRING_MAPS:
        if not _holds_strings(metadata, part):
            raise status.invalid(resource, name, "patch", f"Invalid value: metadata.{part}: values must be strings")
        for key in metadata.get(part, {}):
            if not QUALIFIED.fullmatch(key):
                rule = f"name part must consist of alphanumeric characters, regex used for validation is '{NAME}'"
                raise status.invalid(resource, name, f"metadata.{part}", f'Invalid value: "{key}": {rule}')
    size = sum(len(key.encode()) + len(text.encode()) for key, text in metadata.get("annotations", {}).items())
    if size > ANNOTATION_BYTES:
        raise status.invalid(resource, name, "metadata.annotations", f"Too long: may not be more than {ANNOTATION_BYTES} bytes")


def _check_same(resource: Resource, name: str, before: Object, after: Object) -> None:
    if after.get("name") != name:
        message = f"the name of the object ({after.get('name')}) does not match the name on the URL ({name})"
        raise status.bad_request(message)
    if after.get("resourceVersion") != before["resourceVersion"]:
        raise status.conflict(resource, name)
    for part in ("namespace", "uid", "creationTimestamp"):
        if after.get(part) != before.get(part):
            raise status.invalid(resource, name, f"metadata.{part}", f'Invalid value: "{after.get(part)}": field is immutable')

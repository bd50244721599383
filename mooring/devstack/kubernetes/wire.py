"""Entries as the JSON that a real API server sends: single objects, lists, watch events, continue tokens."""

import base64
from typing import Any

import msgspec

from mooring.devstack.kubernetes import status
from mooring.devstack.kubernetes.resources import Resource
from mooring.devstack.kubernetes.store import Entry, EntryPage, Key, ObjectChange


def one(resource: Resource, entry: Entry) -> bytes:
    """Encode a single object, with its `kind` and `apiVersion`, which the items of a list lack."""
    return b'{"kind":"%s","apiVersion":"%s",%s' % (resource.kind.encode(), resource.api_version.encode(), entry.raw[1:])


def deleted(resource: Resource, entry: Entry) -> bytes:
    """Encode the success that answers a deletion if the object isn't sent."""
    metadata = entry.decode()["metadata"]
    group = {"group": resource.group} if resource.group else {}
    details = {"name": metadata["name"], **group, "kind": resource.plural, "uid": metadata["uid"]}
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return msgspec.json.encode(body)


def many(resource: Resource, page: EntryPage) -> bytes:
    """Encode one page of a list."""
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.after is not None:
        metadata |= {"continue": token(page.revision, page.after), "remainingItemCount": page.remaining}
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata}
    items = b",".join(entry.raw for entry in page.entries)
    return msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}"


def change(resource: Resource, event: ObjectChange) -> bytes:
    """Encode one line of a watch."""
    return b'{"type":"%s","object":%s}\n' % (event.kind.encode(), one(resource, event.entry))


def bookmark(resource: Resource, revision: int, *, initial_events_end: bool = False) -> bytes:
    """Encode the line that marks the progress of a watch, and, once, the end of its initial objects."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if initial_events_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return msgspec.json.encode({"type": "BOOKMARK", "object": body}) + b"\n"


def error(refusal: status.ApiRefusal) -> bytes:
    """Encode the line that ends a watch which can't go on."""
    return msgspec.json.encode({"type": "ERROR", "object": refusal.body()}) + b"\n"


class _Token(msgspec.Struct):
    rv: int
    namespace: str
    name: str


def token(revision: int, after: Key) -> str:
    """Encode the value of `continue`, which is opaque to the client."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Token(revision, *after))).decode()


def read_token(text: str) -> tuple[int, Key]:
    """Decode the revision and the last key of the page before; refuse with 400 any other text."""
    try:
        read = msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Token)
    except (ValueError, msgspec.DecodeError) as problem:
        raise status.bad_request(f"continue key is not valid: {problem}") from problem
    return read.rv, (read.namespace, read.name)

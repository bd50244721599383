"""The two kinds of patch, applied to a decoded object as kube-apiserver applies them.

A JSON patch is all or nothing: the object passed in is the caller's own copy, thrown away on a refusal.
"""

from typing import Any, Final, TypeVar

import jsonpatch
import msgspec

from mooring.devstack.kubernetes import status
from mooring.devstack.kubernetes.store import Object

T = TypeVar("T")

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"


def apply_patch(media_type: str, body: bytes, target: Object) -> Object:
    """Return the patched object; refuse with 400 what isn't a patch, with 415 other formats, with 422 what can't be applied."""
    if media_type == JSON_PATCH:
        return _json_patch(_decode(body, list[dict[str, Any]]), target)
    if media_type == MERGE_PATCH:
        merged: Object = _merge(target, _decode(body, Object))
        return merged
    raise status.unsupported_patch()


def _decode(body: bytes, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.DecodeError as error:
        raise status.bad_request(f"error decoding patch: {error}") from error


def _json_patch(operations: list[dict[str, Any]], target: Object) -> Object:
    try:
        for operation in operations:
            target = _step(operation, target)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise status.patch_refused() from error
    return target


def _step(operation: dict[str, Any], target: Object) -> Object:
    """Apply one operation. NB: the server differs from jsonpatch in two: `test` with null, and `replace` of what is absent."""
    absent = _is_absent(operation, target)
    if operation.get("op") == "test" and operation.get("value") is None and absent:
        return target
    if operation.get("op") == "replace" and absent:
        operation = {**operation, "op": "add"}
    patched: Object = jsonpatch.JsonPatch([operation]).apply(target, in_place=True)
    return patched


def _is_absent(operation: dict[str, Any], target: Object) -> bool:
    """Return whether only the last part of the path is absent: its parent must exist."""
    parent, key = jsonpatch.JsonPointer(operation.get("path", "")).to_last(target)
    return isinstance(parent, dict) and key is not None and key not in parent


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged

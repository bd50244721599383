"""Refusals, with the `Status` bodies of a real API server: same code, same reason, same message.

The messages were read off kube-apiserver and are compared with it in tests/devstack/contract/; they aren't made nicer here.
"""

from typing import Any, Final

from mooring.devstack.kubernetes.resources import Resource

PROBLEMS: Final = {
    "Required value": "FieldValueRequired",
    "Invalid value": "FieldValueInvalid",
    "Unsupported value": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Too long": "FieldValueTooLong",
}


class ApiRefusal(Exception):
    """A request that the API refuses; `body()` is the `Status` the client gets."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the `Status` object, ready for JSON."""
        reason = {"reason": self.reason} if self.reason else {}
        details = {} if self.details is None else {"details": self.details}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            **reason,
            **details,
            "code": self.code,
        }


def _details(resource: Resource, name: str) -> dict[str, Any]:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> ApiRefusal:
    """Refuse with 404: no object has that name."""
    return ApiRefusal(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def no_such_path() -> ApiRefusal:
    """Refuse with 404: no resource is served there."""
    return ApiRefusal(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiRefusal:
    """Refuse with 405: the resource is served, but not with this verb."""
    return ApiRefusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def already_exists(resource: Resource, name: str) -> ApiRefusal:
    """Refuse with 409: an object has that name already."""
    return ApiRefusal(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


def conflict(resource: Resource, name: str) -> ApiRefusal:
    """Refuse with 409: the write named a resourceVersion that isn't the object's."""
    modified = "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {modified}'
    return ApiRefusal(409, "Conflict", message, _details(resource, name))


def watch_expired(asked: int, oldest: int) -> ApiRefusal:
    """Refuse with 410: the watch is from a resourceVersion that history no longer reaches."""
    return ApiRefusal(410, "Expired", f"too old resource version: {asked} ({oldest})")


def continue_expired() -> ApiRefusal:
    """Refuse with 410: the page is of a list whose snapshot is gone."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter."
    )
    return ApiRefusal(410, "Expired", message)


def bad_request(message: str) -> ApiRefusal:
    """Refuse with 400: the request can't be read."""
    return ApiRefusal(400, "BadRequest", message)


def invalid(resource: Resource, name: str, field: str, problem: str) -> ApiRefusal:
    """Refuse with 422: the object breaks a rule of its kind; `problem` begins with its type, as in `Required value`."""
    return _invalid(resource.group, resource.kind, name, field, problem)


def invalid_options(kind: str, field: str, problem: str) -> ApiRefusal:
    """Refuse with 422: the request's parameters break a rule."""
    return _invalid("meta.k8s.io", kind, "", field, problem)


def _invalid(group: str, kind: str, name: str, field: str, problem: str) -> ApiRefusal:
    reason = PROBLEMS[problem.partition(":")[0]]
    causes = [{"reason": reason, "message": problem, "field": field}]
    named = {"name": name} if name else {}
    details = {**named, **({"group": group} if group else {}), "kind": kind, "causes": causes}
    of = f"{kind}.{group}" if group else kind
    return ApiRefusal(422, "Invalid", f'{of} "{name}" is invalid: {field}: {problem}', details)


def patch_refused() -> ApiRefusal:
    """Refuse with 422: the JSON patch can't be applied, or a `test` failed. NB: it does not say which operation."""
    return ApiRefusal(422, "Invalid", "the server rejected our request due to an error in our request", {})


def unsupported_patch() -> ApiRefusal:
    """Refuse with 415: the patch has a format that isn't supported."""
    return ApiRefusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_object() -> ApiRefusal:
    """Refuse with 415: the object has another format than JSON."""
    message = "the body of the request was in an unknown format - accepted media types include: application/json"
    return ApiRefusal(415, "UnsupportedMediaType", message)


def too_large_revision(asked: int, current: int) -> ApiRefusal:
    """Refuse with 504: the list should be newer than the newest revision; a real server waits a while first."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiRefusal(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})

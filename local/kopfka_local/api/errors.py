"""Errors of the API, as clients see them: `metav1.Status` with the code, reason and words that Kubernetes uses.

An `ApiError` raised anywhere below the HTTP layer reaches the client as it is; nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ApiError(KopfkaError):
    """The API refuses a request: HTTP status, CamelCase reason, one sentence, and machine-readable details."""

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return it as `metav1.Status`."""
        status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.status
        return status


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing wrong with an object: where (`spec.replicas`), what kind of wrong, and a sentence."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def invalid_value(field: str, value: object, why: str) -> Cause:
    """Return the cause for a value that is not allowed where it stands."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {_shown(value)}: {why}")


def required(field: str, why: str = "") -> Cause:
    """Return the cause for a value that is missing."""
    return Cause(field, "FieldValueRequired", "Required value" + (f": {why}" if why else ""))


def forbidden_field(field: str, why: str) -> Cause:
    """Return the cause for a value that must not be set, or must not change."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def duplicate(field: str, value: object) -> Cause:
    """Return the cause for an entry that is there twice."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")


def not_supported(field: str, value: object, allowed: Sequence[object]) -> Cause:
    """Return the cause for a value outside a closed set."""
    names = ", ".join(_quoted(item) for item in allowed)
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {names}")


def too_long(field: str, maximum: int) -> Cause:
    """Return the cause for a text that is longer than allowed."""
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {maximum} bytes")


def wrong_type(field: str, value: object, expected: str, found: str) -> Cause:
    """Return the cause for a value of another type than the schema's."""
    return Cause(
        field,
        "FieldValueTypeInvalid",
        f'Invalid value: {_shown_type(value)}: {field} in body must be of type {expected}: "{found}"',
    )


def not_found(group: str, resource: str, name: str) -> ApiError:
    """Return the 404 for an object that is not there."""
    return ApiError(404, "NotFound", f'{_of(resource, group)} "{name}" not found', _details(group, resource, name))


def no_such_resource() -> ApiError:
    """Return the 404 for a path that no resource is served at."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, resource: str, name: str) -> ApiError:
    """Return the 409 for a name that is taken."""
    message = f'{_of(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(group, resource, name))


def conflict(group: str, resource: str, name: str, why: str) -> ApiError:
    """Return the 409 for a write that was planned on something that is no longer so."""
    message = f'Operation cannot be fulfilled on {_of(resource, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(group, resource, name))


def modified(group: str, resource: str, name: str) -> ApiError:
    """Return the 409 for a stale resourceVersion."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(group, resource, name, why)


def forbidden(group: str, resource: str, name: str, why: str) -> ApiError:
    """Return the 403 for what is refused whoever asks."""
    message = f'{_of(resource, group)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _details(group, resource, name))


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """Return the 422 for an object that breaks its schema or a rule of its kind."""
    unique = list(dict.fromkeys(causes))
    text = str(unique[0]) if len(unique) == 1 else "[" + ", ".join(str(cause) for cause in unique) + "]"
    details = _details(group, kind, name)
    details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in unique]
    return ApiError(422, "Invalid", f'{_of(kind, group)} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    """Return the 400 for a request that makes no sense."""
    return ApiError(400, "BadRequest", message)


def expired(message: str) -> ApiError:
    """Return the 410 for a resourceVersion or continue token whose history is gone: the client lists again."""
    return ApiError(410, "Expired", message)


def unwritable(why: str) -> ApiError:
    """Return the 500 for a state that cannot be written, a full disk for instance; nothing has changed."""
    return ApiError(
        500, "InternalError", f"Internal error occurred: the state cannot be written ({why}): make room on the disk"
    )


def method_not_allowed(group: str, resource: str, verb: str) -> ApiError:
    """Return the 405 for a verb that a resource does not have."""
    message = f'{verb} is not supported on resources of kind "{_of(resource, group)}"'
    return ApiError(405, "MethodNotAllowed", message, _details(group, resource, ""))


def is_not_found(error: ApiError) -> bool:
    """Tell whether an error says that an object is not there."""
    return error.status == 404


def _of(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(group: str, kind: str, name: str) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}


def _quoted(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (dict, list)):
        import orjson  # noqa: PLC0415 - only where something is refused

        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return str(value)


def _shown_type(value: object) -> str:
    return '"' + value + '"' if isinstance(value, str) else _shown(value)

"""ApiVersions: which APIs this broker serves, in which versions. The one request that is answered in any version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_wire.apis import ApiKey, VersionRange
    from kopfka_wire.codec import Codec

# the characters Kafka takes in a client's software name and version (KIP-511)
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")


def answer_versions(request: Any, form: Codec, versions: Mapping[ApiKey, VersionRange]) -> Any:
    """Return the answer to an ApiVersions request of a version this broker knows."""
    names = [getattr(request, field, "none") for field in ("client_software_name", "client_software_version")]
    if not all(map(_is_software_name, names)):
        return form.make(error_code=ErrorCode.invalid_request, api_keys=())
    return form.make(error_code=ErrorCode.none, api_keys=_keys(form, versions))


def unsupported_versions(versions: Mapping[ApiKey, VersionRange]) -> bytes:
    """Return the body, in version 0, of the answer to a version of ApiVersions this broker does not know."""
    form = codec(18, 0)
    return form.write_response(form.make(error_code=ErrorCode.unsupported_version, api_keys=_keys(form, versions)))


def _keys(form: Codec, versions: Mapping[ApiKey, VersionRange]) -> tuple[Any, ...]:
    return tuple(
        form.make("ApiVersion", api_key=key, min_version=low, max_version=high) for key, (low, high) in versions.items()
    )


def _is_software_name(name: str) -> bool:
    # letters and digits at both ends, dots and dashes between
    return bool(name) and _WORD.issuperset(name) and name[0] not in ".-" and name[-1] not in ".-"

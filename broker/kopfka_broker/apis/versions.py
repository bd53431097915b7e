"""ApiVersions: which APIs this broker serves, in which versions, and the features of the cluster.

The one request that is answered in any version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.context import Caller
    from kopfka_broker.features import Features
    from kopfka_wire.apis import ApiKey, VersionRange
    from kopfka_wire.codec import Codec

# the characters Kafka takes in a client's software name and version (KIP-511)
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
_FIRST_WITH_FEATURES = 3
# the first version whose readers take a feature that may be off, one whose lowest level is 0 (KAFKA-17011)
_TAKES_LEVEL_ZERO = 4


def take_software(request: Any, caller: Caller) -> bool:
    """Note what a client says about itself (KIP-511); tell whether it says so in characters Kafka takes."""
    names = [getattr(request, field, "unknown") for field in ("client_software_name", "client_software_version")]
    if not all(map(_is_software_name, names)):
        return False
    caller.software_name, caller.software_version = names
    return True


def invalid_software(form: Codec) -> Any:
    """Return the answer to a client that says something else about itself than names and versions are made of."""
    return form.make(error_code=ErrorCode.invalid_request, api_keys=())


def answer_versions(form: Codec, versions: Mapping[ApiKey, VersionRange], features: Features) -> Any:
    """Return the answer to an ApiVersions request of a version this broker knows."""
    if form.version < _FIRST_WITH_FEATURES:
        return form.make(error_code=ErrorCode.none, api_keys=_keys(form, versions))
    return form.make(
        error_code=ErrorCode.none,
        api_keys=_keys(form, versions),
        supported_features=tuple(
            form.make("SupportedFeatureKey", name=name, min_version=feature.lowest, max_version=feature.highest)
            for name, feature in features.supported.items()
            if feature.lowest or form.version >= _TAKES_LEVEL_ZERO
        ),
        finalized_features_epoch=features.epoch,
        finalized_features=tuple(
            form.make("FinalizedFeatureKey", name=name, min_version_level=level, max_version_level=level)
            for name, level in features.finalized.items()
        ),
    )


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

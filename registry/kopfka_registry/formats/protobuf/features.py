"""What the syntax or edition of a file and its `features` say: presence, open and closed enums, encodings, style.

Whether a feature may stand where it stands is not asked here: see `options`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EDITIONS: Final = {"": 998, "proto2": 998, "proto3": 999, "2023": 1000, "2024": 1001}
"""Numbers of `google.protobuf.Edition`."""


@dataclass(frozen=True, slots=True)
class Features:
    """The features of `google.protobuf.FeatureSet`, by the names there; values are the enums'."""

    field_presence: str
    enum_type: str
    repeated_field_encoding: str
    utf8_validation: str
    message_encoding: str
    json_format: str
    enforce_naming_style: str = "STYLE_LEGACY"
    default_symbol_visibility: str = "EXPORT_ALL"


_PROTO2: Final = Features("EXPLICIT", "CLOSED", "EXPANDED", "NONE", "LENGTH_PREFIXED", "LEGACY_BEST_EFFORT")
_PROTO3: Final = Features("IMPLICIT", "OPEN", "PACKED", "VERIFY", "LENGTH_PREFIXED", "ALLOW")
_2023: Final = replace(_PROTO3, field_presence="EXPLICIT")
_2024: Final = replace(_2023, enforce_naming_style="STYLE2024", default_symbol_visibility="EXPORT_TOP_LEVEL")
_DEFAULTS: Final = {"": _PROTO2, "proto2": _PROTO2, "proto3": _PROTO3, "2023": _2023, "2024": _2024}
_NAMES: Final = frozenset(Features.__dataclass_fields__)


def written_features(options: Iterable[e.Option]) -> dict[str, str]:
    """Return the features that options set, without those of languages."""
    found: dict[str, str] = {}
    for option in options:
        if option.name == "features" and isinstance(option.value, e.Aggregate):
            found |= {key: value for key, value in option.value.entries if isinstance(value, str) and key in _NAMES}
        elif option.name.startswith("features.") and isinstance(option.value, str):
            name = option.name.removeprefix("features.")
            if name in _NAMES:
                found[name] = option.value
    return found


def refined(outer: Features, options: Iterable[e.Option]) -> Features:
    """Return the features of something with these options within something with the features `outer`."""
    found = written_features(options)
    return replace(outer, **found) if found else outer


def one_by_one(option: e.Option) -> Iterator[e.Option]:
    """Yield `features = { a: X }` as `features.a = X`, an option for each; other options as they are."""
    if not isinstance(option.value, e.Aggregate) or option.name.partition(".")[0] != "features":
        yield option
        return
    for key, value in option.value.entries:
        part = f"({key[1:-1]})" if key.startswith("[") else key
        yield from one_by_one(e.Option(f"{option.name}.{part}", value))


def of_file(file: e.File) -> Features:
    """Return the features of a file."""
    return refined(_DEFAULTS[file.syntax], file.options)


def is_required(field: e.Field, features: Features) -> bool:
    """Tell whether a field must be there, given its own features."""
    return field.label == "required" or (not field.label and features.field_presence == "LEGACY_REQUIRED")

"""Whether the value of a keyword is what its draft allows. Looks at one level only: schemas inside are not entered."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.jsonschema.drafts import Draft, Shape
from kopfka_registry.formats.jsonschema.text import Keys, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_registry.formats.jsonschema.text import Json

TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")

_ANCHORS: Final = {
    Draft.DRAFT_2019_09: re.compile(r"[A-Za-z][-A-Za-z0-9.:_]*"),
    Draft.DRAFT_2020_12: re.compile(r"[A-Za-z_][-A-Za-z0-9._]*"),
}


def fault(shape: Shape, value: Json, draft: Draft) -> str | None:
    """Return what a value is that it should not be, or None if all is well; as an end of `must be …`."""
    check = _CHECKS[shape]
    expected = check(value, draft)
    return None if expected is None else f"must be {expected}, and is {shown(value)}"


def _schema(value: Json, draft: Draft) -> str | None:
    if isinstance(value, dict) or (isinstance(value, bool) and draft is not Draft.DRAFT_4):
        return None
    return "a schema: an object" if draft is Draft.DRAFT_4 else "a schema: an object, true or false"


def _schema_or_boolean(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, dict | bool) else "a schema, true or false"


def _schemas(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, list) and value else "an array of at least one schema"


def _schema_or_schemas(value: Json, draft: Draft) -> str | None:
    if isinstance(value, list):
        return _schemas(value, draft)
    return None if _schema(value, draft) is None else "a schema or an array of schemas"


def _object(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, dict) else "an object"


def _names_by_name(value: Json, draft: Draft) -> str | None:
    good = isinstance(value, dict) and all(_names(each, draft) is None for each in value.values())
    return None if good else "an object of arrays of different strings"


def _booleans_by_name(value: Json, _draft: Draft) -> str | None:
    good = isinstance(value, dict) and all(isinstance(each, bool) for each in value.values())
    return None if good else "an object of true and false"


def _names(value: Json, _draft: Draft) -> str | None:
    good = isinstance(value, list) and all(isinstance(each, str) for each in value) and len(set(value)) == len(value)
    return None if good else "an array of different strings"


def _some_names(value: Json, draft: Draft) -> str | None:
    return None if value and _names(value, draft) is None else "an array of at least one string, all different"


def _string(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, str) else "a string"


def _id(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, str) and "#" not in value[:-1] else "a URI without a fragment"


def _anchor(value: Json, draft: Draft) -> str | None:
    good = isinstance(value, str) and _ANCHORS[draft].fullmatch(value)
    return None if good else "a name of letters, digits, '-', '.' and '_' that begins with a letter"


def _boolean(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _number(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, int | Decimal) and not isinstance(value, bool) else "a number"


def _positive(value: Json, draft: Draft) -> str | None:
    return None if _number(value, draft) is None and value > 0 else "a number above 0"


def _count(value: Json, draft: Draft) -> str | None:
    if isinstance(value, Decimal) and draft is not Draft.DRAFT_4:
        whole = value == value.to_integral_value()
        return None if whole and value >= 0 else "a whole number of at least 0"
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if good else "a whole number of at least 0"


def _array(value: Json, _draft: Draft) -> str | None:
    return None if isinstance(value, list) else "an array"


def _some_values(value: Json, _draft: Draft) -> str | None:
    if isinstance(value, list) and value:
        keys = Keys()
        if len({keys.of(each) for each in value}) == len(value):
            return None
    return "an array of at least one value, all different"


def _types(value: Json, _draft: Draft) -> str | None:
    several = value if isinstance(value, list) else [value]
    good = all(isinstance(each, str) and each in TYPES for each in several)
    if good and several and len(set(several)) == len(several):
        return None
    return f"one of {', '.join(TYPES)}, or an array of different ones"


_CHECKS: Final[Mapping[Shape, Callable[[Json, Draft], str | None]]] = {
    Shape.SCHEMA: _schema,
    Shape.SCHEMA_OR_BOOLEAN: _schema_or_boolean,
    Shape.SCHEMAS: _schemas,
    Shape.SCHEMA_OR_SCHEMAS: _schema_or_schemas,
    Shape.SCHEMAS_BY_NAME: _object,
    Shape.SCHEMAS_OR_NAMES_BY_NAME: _object,
    Shape.NAMES_BY_NAME: _names_by_name,
    Shape.BOOLEANS_BY_NAME: _booleans_by_name,
    Shape.NAMES: _names,
    Shape.SOME_NAMES: _some_names,
    Shape.STRING: _string,
    Shape.ID: _id,
    Shape.ANCHOR: _anchor,
    Shape.BOOLEAN: _boolean,
    Shape.NUMBER: _number,
    Shape.POSITIVE: _positive,
    Shape.COUNT: _count,
    Shape.ARRAY: _array,
    Shape.SOME_VALUES: _some_values,
    Shape.TYPES: _types,
}

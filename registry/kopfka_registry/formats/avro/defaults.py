"""Whether the defaults of fields fit their types, as Avro's Java library checks them.

Confluent's registry asks for it where `avro.validate.defaults` is set or a new schema is to be normalised, so it is no
part of reading a schema: schemas with wrong defaults are in many registries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.avro import text
from kopfka_registry.formats.avro.budget import Budget
from kopfka_registry.formats.avro.types import Array, Map, Record, Union, reachable
from kopfka_registry.formats.contract import DEEPEST

if TYPE_CHECKING:
    from kopfka_registry.formats.avro.text import Json
    from kopfka_registry.formats.avro.types import Type

_INT: Final = range(-(2**31), 2**31)
_LONG: Final = range(-(2**63), 2**63)


def check(root: Type) -> None:
    """Make sure that every default in a schema fits its field.

    Raises:
        InvalidSchemaError: one does not.
        SchemaTooComplexError: checking takes too long.
    """
    budget = Budget("checking the defaults of the schema")
    for record in reachable(root):
        if isinstance(record, Record):
            for field in record.fields:
                if field.has_default and not _fits(field.default, field.type, budget, 0):
                    raise InvalidSchemaError(
                        f"Invalid default for field {field.name} of {record.name.full}: {text.shown(field.default)} "
                        f"does not fit its type {_called(field.type)}"
                    )


def _fits(value: Json, of: Type, budget: Budget, level: int) -> bool:
    budget.spend()
    if level > DEEPEST:
        raise SchemaTooComplexError(f"a default needs more than {DEEPEST} levels of other defaults")
    match of:
        case Union():
            return any(_fits(value, branch, budget, level + 1) for branch in of.branches)
        case Array():
            return isinstance(value, list) and all(_fits(each, of.items, budget, level + 1) for each in value)
        case Map():
            return isinstance(value, dict) and all(_fits(each, of.values, budget, level + 1) for each in value.values())
        case Record():
            return isinstance(value, dict) and all(
                (field.name in value or field.has_default)
                and _fits(value.get(field.name, field.default), field.type, budget, level + 1)
                for field in of.fields
            )
    return _fits_scalar(value, of.kind)


def _fits_scalar(value: Json, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            known = _INT if kind == "int" else _LONG
            return isinstance(value, int) and not isinstance(value, bool) and value in known
        case "float" | "double":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case _:
            # an enum's symbols are not looked at
            return isinstance(value, str)


def _called(of: Type) -> str:
    return ", ".join(each.kind for each in of.branches) if isinstance(of, Union) else of.kind

"""Whether two definitions of one name are the same type, so that the second is no contradiction. Not compatibility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.avro import text
from kopfka_registry.formats.avro.types import Array, Enum, Fixed, Map, Primitive, Record, Union

if TYPE_CHECKING:
    from kopfka_registry.formats.avro.budget import Budget
    from kopfka_registry.formats.avro.text import Json
    from kopfka_registry.formats.avro.types import Field, Props, Type

_CHARACTERS_A_STEP: Final = 8


def same(one: Type, other: Type, budget: Budget) -> bool:  # noqa: PLR0911 - one way out for each type
    """Tell whether two types are equal, as `Schema.equals` of Avro's Java library: `doc` and `aliases` do not count.

    A type that is not resolved yet equals no other; so what contains itself cannot be defined twice.
    """
    if one is other:
        return True
    budget.spend()
    if not _same_props(one.props, other.props, budget):
        return False
    match one, other:
        case Primitive(), Primitive():
            return one.kind == other.kind
        case Array(), Array():
            return same(one.items, other.items, budget)
        case Map(), Map():
            return same(one.values, other.values, budget)
        case Union(), Union():
            return len(one.branches) == len(other.branches) and all(
                same(mine, theirs, budget) for mine, theirs in zip(one.branches, other.branches, strict=True)
            )
        case Record(), Record():
            return (
                one.name == other.name
                and len(one.fields) == len(other.fields)
                and all(
                    _same_fields(mine, theirs, budget) for mine, theirs in zip(one.fields, other.fields, strict=True)
                )
            )
        case Enum(), Enum():
            return one.name == other.name and one.symbols == other.symbols
        case Fixed(), Fixed():
            return one.name == other.name and one.size == other.size
    return False


def _same_fields(one: Field, other: Field, budget: Budget) -> bool:
    return (
        one.name == other.name
        and one.order == other.order
        and one.has_default == other.has_default
        and _same_values(one.default, other.default, budget)
        and _same_props(one.props, other.props, budget)
        and same(one.type, other.type, budget)
    )


def _same_props(one: Props, other: Props, budget: Budget) -> bool:
    return one is other or _same_values(dict(one), dict(other), budget)


def _same_values(one: Json, other: Json, budget: Budget) -> bool:
    # as texts, since 1 equals 1.0 and True here, and does not in JSON
    texts = text.write(one, ordered=True), text.write(other, ordered=True)
    budget.spend(max(map(len, texts)) // _CHARACTERS_A_STEP)
    return texts[0] == texts[1]

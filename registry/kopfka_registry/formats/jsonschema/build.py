"""Makes nodes of schemas, one level at a time and when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.jsonschema.drafts import (
    IN_PLACE,
    OF_ARRAYS,
    OF_NUMBERS,
    OF_OBJECTS,
    OF_STRINGS,
    Draft,
    keywords,
)
from kopfka_registry.formats.jsonschema.library import Located, plain_reference
from kopfka_registry.formats.jsonschema.nodes import (
    NOTHING_SAID,
    About,
    Choices,
    Combined,
    Condition,
    Criterion,
    Everything,
    Fields,
    Fixed,
    Items,
    Negation,
    Node,
    Nothing,
    Null,
    Numeric,
    Opaque,
    Text,
    Truth,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.jsonschema.text import Json, Keys

_SIDEWAYS: Final = (
    *sorted(IN_PLACE),
    "then",
    "else",
    "dependentSchemas",
    "contains",
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
)


class Builder:
    """Makes nodes; the same one for the same schema."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._built: dict[int, tuple[Located, Node]] = {}
        self._ends: dict[int, tuple[Located, Located | None]] = {}
        self._everything, self._nothing, self._opaque = Everything(), Nothing(), Opaque()

    def node(self, part: Node | Located) -> Node:
        """Return the node of a schema; of what it refers to, if it says nothing else."""
        if isinstance(part, Node):
            return part
        place = self._end(part)
        if place is None:
            return self._opaque
        if isinstance(place.value, bool):
            return self._everything if place.value else self._nothing
        known = self._built.get(id(place.value))
        if known is None:
            # with the place, so that what the number is of stays there
            known = place, self._build(place)
            self._built[id(place.value)] = known
        return known[1]

    def _end(self, place: Located) -> Located | None:
        """Return what a schema means that says nothing but another one; None where that is not known."""
        passed: list[Located] = []
        end: Located | None = place
        while end is not None and (said := plain_reference(end)) is not None:
            known = self._ends.get(id(end.value))
            if known is not None:
                end = known[1]
                break
            # until its end is known: a circle, which only dynamic references can make, has none
            self._ends[id(end.value)] = end, None
            passed.append(end)
            end = end.document.library.target(end, *said)
        for each in passed:
            self._ends[id(each.value)] = each, end
        return end

    def _build(self, place: Located) -> Node:
        parts = _parts(place, self._keys)
        about = self._about(place)
        if not parts:
            return Everything(about=about)
        if len(parts) == 1 and isinstance(parts[0], Node):
            parts[0].about = about
            return parts[0]
        # Combined ones first, as in the library that Confluent uses
        parts.sort(key=lambda part: not isinstance(part, Combined))
        return Combined(Criterion.ALL, parts, about=about)

    def _about(self, place: Located) -> About:
        value = place.value
        if value.keys().isdisjoint(("id", "$id", "title", "description", "default", "connect.type")):
            return NOTHING_SAID
        connect = value.get("connect.type")
        return About(
            value.get(place.draft.id_keyword),
            value.get("title"),
            value.get("description"),
            self._keys.of(value["default"]) if "default" in value else None,
            connect if isinstance(connect, str) else None,
        )


def _parts(place: Located, keys: Keys) -> list[Node | Located]:
    value, draft = place.value, place.draft
    known = keywords(draft)
    said = {keyword for keyword in value if keyword in known or keyword == "const"}
    parts: list[Node | Located] = []
    if draft.modern:
        # as Confluent: without a property, nothing is said of objects
        said -= {keyword for keyword in ("properties", "patternProperties") if value.get(keyword) == {}}
        for reference in place.references():
            target = place.document.library.target(place, *reference)
            parts.append(Opaque() if target is None else target)
    if "enum" in said:
        parts.append(Choices(frozenset(keys.of(each) for each in value["enum"])))
    parts += [
        Combined(criterion, [place.at(each) for each in value[criterion.value]])
        for criterion in Criterion
        if criterion.value in said
    ]
    typed: set[str] = set()
    if "type" in said:
        types = value["type"]
        typed.update(types if isinstance(types, list) else [types])
        nodes: list[Node | Located] = [_typed(each, place) for each in ([types] if isinstance(types, str) else types)]
        parts += nodes if isinstance(types, str) else [Combined(Criterion.ANY, nodes)]
    if "not" in said:
        parts.append(Negation(place.at(value["not"])))
    if "const" in said and draft is not Draft.DRAFT_4:
        parts.append(Fixed(keys.of(value["const"])))
    if "array" not in typed and not OF_ARRAYS.isdisjoint(said):
        parts.append(_items(place))
    if "object" not in typed and not OF_OBJECTS.isdisjoint(said):
        parts.append(_fields(place))
    if typed.isdisjoint(("number", "integer")) and not OF_NUMBERS.isdisjoint(said):
        parts.append(_numeric(place, integer=False))
    # a format by itself demands something up to draft 7 only
    of_strings = OF_STRINGS if draft.modern else OF_STRINGS | {"format"}
    if "string" not in typed and not of_strings.isdisjoint(said):
        parts.append(_text(place))
    if "if" in said:
        parts.append(Condition(place.at(value["if"]), _maybe(place, "then"), _maybe(place, "else")))
    return parts


def _typed(name: str, place: Located) -> Node:
    match name:
        case "array":
            return _items(place)
        case "object":
            return _fields(place)
        case "number" | "integer":
            return _numeric(place, integer=name == "integer")
        case "string":
            return _text(place)
        case "boolean":
            return Truth()
        case _:
            return Null()


def _text(place: Located) -> Text:
    value = place.value
    return Text(_count(value, "minLength"), _count(value, "maxLength"), value.get("pattern"), value.get("format"))


def _numeric(place: Located, *, integer: bool) -> Numeric:
    value = place.value
    old = place.draft is Draft.DRAFT_4
    return Numeric(
        least=value.get("minimum"),
        most=value.get("maximum"),
        above=None if old else value.get("exclusiveMinimum"),
        below=None if old else value.get("exclusiveMaximum"),
        least_excluded=old and value.get("exclusiveMinimum") is True,
        most_excluded=old and value.get("exclusiveMaximum") is True,
        multiple=value.get("multipleOf"),
        integer=integer,
    )


def _fields(place: Located) -> Fields:
    value, draft = place.value, place.draft
    additional = _additional(place, "additionalProperties")
    unevaluated = None
    if draft.modern and "additionalProperties" not in value:
        # beside additionalProperties there is nothing left that it could concern
        unevaluated = _limiting(place, "unevaluatedProperties")
    needs: dict[str, frozenset[str]] = {}
    implied: dict[str, Located] = {}
    if draft.modern:
        needs = {name: frozenset(each) for name, each in value.get("dependentRequired", {}).items() if each}
        implied = _by_name(place, "dependentSchemas")
    else:
        for name, each in value.get("dependencies", {}).items():
            if not isinstance(each, list):
                implied[name] = place.at(each)
            elif each:
                needs[name] = frozenset(each)
    return Fields(
        properties=_by_name(place, "properties"),
        required=frozenset(value.get("required", ())),
        fewest=_count(value, "minProperties"),
        most=_count(value, "maxProperties"),
        additional=additional,
        unevaluated=unevaluated,
        patterns=_by_name(place, "patternProperties"),
        names=None if draft is Draft.DRAFT_4 else _maybe(place, "propertyNames"),
        needs=needs,
        implied=implied,
        beside=_beside(place) if unevaluated is not None else {},
    )


def _items(place: Located) -> Items:
    value, draft = place.value, place.draft
    each: Located | None = None
    tuple_: list[Located] = []
    additional: Located | bool = True
    effective = True
    if draft is Draft.DRAFT_2020_12:
        tuple_ = [place.at(item) for item in value.get("prefixItems", ())]
        rest = _additional(place, "items")
        if tuple_ or rest is False:
            additional = rest
        elif isinstance(rest, Located):
            each = rest
    elif isinstance(value.get("items"), list):
        tuple_ = [place.at(item) for item in value["items"]]
        additional = _additional(place, "additionalItems")
    else:
        each = _maybe(place, "items")
        effective = False
        if each is None:
            additional = _additional(place, "additionalItems")
    unevaluated = None
    if draft.modern and each is None and (additional is True or not effective):
        unevaluated = _limiting(place, "unevaluatedItems")
    contains = None if draft is Draft.DRAFT_4 else _maybe(place, "contains")
    counted = contains is not None
    fewest = _count(value, "minContains") if draft.modern else None
    return Items(
        each=each,
        tuple=tuple_,
        additional=additional,
        unevaluated=unevaluated,
        effective=effective,
        fewest=_count(value, "minItems"),
        most=_count(value, "maxItems"),
        unique=value.get("uniqueItems") is True,
        contains=contains,
        fewest_contained=(1 if fewest is None else fewest) if counted else None,
        most_contained=_count(value, "maxContains") if counted and draft.modern else None,
        beside=_beside(place) if unevaluated is not None else {},
    )


def _additional(place: Located, keyword: str) -> Located | bool:
    value = place.value.get(keyword, True)
    return value if isinstance(value, bool) else place.at(value)


def _limiting(place: Located, keyword: str) -> Located | None:
    return None if place.value.get(keyword, True) is True else place.at(place.value[keyword])


def _maybe(place: Located, keyword: str) -> Located | None:
    return place.at(place.value[keyword]) if keyword in place.value else None


def _by_name(place: Located, keyword: str) -> dict[str, Located]:
    return {name: place.at(each) for name, each in place.value.get(keyword, {}).items()}


def _beside(place: Located) -> Mapping[str, Located]:
    """Return the schemas that are applied beside `unevaluatedProperties` or `unevaluatedItems`.

    Lists and maps of schemas stand as they are: they are only ever compared as a whole.
    """
    return {each: place.at(place.value[each]) for each in _SIDEWAYS if each in place.value}


def _count(value: Json, keyword: str) -> int | None:
    return int(value[keyword]) if keyword in value else None

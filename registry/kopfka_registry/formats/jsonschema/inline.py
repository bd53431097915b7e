"""A schema without references to others: what they refer to stands in their places.

References inside the schema stay. A schema that refers to itself, directly or through others, has no end if it is
written out: it goes under `definitions` (`$defs` from 2019-09 on), and references lead there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.contract import DEEPEST, LARGEST_TEXT
from kopfka_registry.formats.jsonschema.drafts import Shape, keywords
from kopfka_registry.formats.jsonschema.examine import reference_keywords
from kopfka_registry.formats.jsonschema.library import plain_reference

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.library import Located
    from kopfka_registry.formats.jsonschema.text import Json

_OF_ITS_TEXT: Final = frozenset(
    {"$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "$defs", "definitions"}
)
"""Keywords that mean something in the text they stand in, and nothing or another thing in a different one."""
_MOST: Final = LARGEST_TEXT // 10
"""Keywords and schemas that a text may have at the end."""


def inlined(root: Located) -> Json:
    """Return a schema without references to others.

    Raises:
        SchemaTooComplexError: it would be larger or deeper than a schema may be.
    """
    return _Inliner(root).result()


class _Inliner:
    def __init__(self, root: Located) -> None:
        self._root = root
        self._definitions = "$defs" if root.draft.modern else "definitions"
        self._names: dict[int, str] = {}
        self._open: list[Located] = []
        self._left = _MOST

    def result(self) -> Json:
        if not isinstance(self._root.value, dict):
            return self._root.value
        value = self._schema(self._root, frozenset(), 0)
        added: dict[str, Json] = {}
        while self._open:
            place = self._open.pop()
            added[self._names[id(place.value)]] = self._schema(place, frozenset({id(place.value)}), 0)
        if added:
            value[self._definitions] = {**value.get(self._definitions, {}), **added}
        return value

    def _schema(self, place: Located, way: frozenset[int], depth: int) -> Json:
        if depth > DEEPEST:
            raise SchemaTooComplexError(f"with its references, the schema is nested deeper than {DEEPEST} levels")
        first = place
        while (said := plain_reference(place)) is not None:
            target = self._outside(place, said)
            if target is None:
                break
            circle = self._circle(target, way)
            if circle is not None:
                return self._at_root(first, circle) if first is self._root else circle
            way |= {id(target.value)}
            place = target
        if not isinstance(place.value, dict):
            return place.value
        value = self._keywords(place, way, depth)
        return self._at_root(first, value) if first is self._root and place is not first else value

    def _at_root(self, root: Located, value: Json) -> Json:
        """Return the root, which is nothing but a reference, with what that leads to beside its definitions."""
        kept = {keyword: each for keyword, each in root.value.items() if keyword in _OF_ITS_TEXT}
        return {**kept, "allOf": [value]}

    def _keywords(self, place: Located, way: frozenset[int], depth: int) -> dict[str, Json]:
        own = place.document is self._root.document
        shapes = keywords(place.draft)
        value: dict[str, Json] = {}
        beside: list[Json] = []
        for keyword, said in place.value.items():
            self._left -= 1
            if self._left < 0:
                raise SchemaTooComplexError(f"with its references, the schema has more than {_MOST} keywords")
            if not own and keyword in _OF_ITS_TEXT:
                continue
            target = self._outside(place, (keyword, said)) if keyword in reference_keywords(place.draft) else None
            if target is None:
                value[keyword] = self._inside(place, shapes.get(keyword), said, way, depth)
                continue
            circle = self._circle(target, way)
            beside.append(self._schema(target, way | {id(target.value)}, depth + 2) if circle is None else circle)
        if beside:
            value["allOf"] = [*value.get("allOf", ()), *beside]
        return value

    def _inside(self, place: Located, shape: Shape | None, said: Json, way: frozenset[int], depth: int) -> Json:
        match shape:
            case Shape.SCHEMA | Shape.SCHEMA_OR_BOOLEAN:
                return self._schema(place.at(said), way, depth + 1)
            case Shape.SCHEMAS | Shape.SCHEMA_OR_SCHEMAS:
                if not isinstance(said, list):
                    return self._schema(place.at(said), way, depth + 1)
                return [self._schema(place.at(each), way, depth + 2) for each in said]
            case Shape.SCHEMAS_BY_NAME | Shape.SCHEMAS_OR_NAMES_BY_NAME:
                return {
                    name: each if isinstance(each, list) else self._schema(place.at(each), way, depth + 2)
                    for name, each in said.items()
                }
        return said

    def _outside(self, place: Located, said: tuple[str, Json]) -> Located | None:
        """Return what a reference leads to if it has to be written out; None if it can stay as it is."""
        target = place.document.library.target(place, *said)
        own = self._root.document
        return None if target is None or (place.document is own and target.document is own) else target

    def _circle(self, target: Located, way: frozenset[int]) -> Json | None:
        """Return a reference to what is being written out already, or is the root; None for what is neither."""
        if target.value is self._root.value:
            return {"$ref": "#"}
        if id(target.value) not in way:
            return None
        if id(target.value) not in self._names:
            taken = {*self._names.values(), *self._root.value.get(self._definitions, {})}
            base = target.document.name.rpartition("/")[2] or "definition"
            name = next(each for number in range(len(taken) + 1) if (each := _numbered(base, number)) not in taken)
            self._names[id(target.value)] = name
            self._open.append(target)
        escaped = self._names[id(target.value)].replace("~", "~0").replace("/", "~1").replace("%", "%25")
        return {"$ref": f"#/{self._definitions}/{escaped}"}


def _numbered(name: str, number: int) -> str:
    return f"{name}-{number + 1}" if number else name

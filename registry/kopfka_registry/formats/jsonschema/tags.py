"""The tags that a schema gives to objects and their fields (`confluent:tags`), by Confluent's paths for them.

A path is made of what one goes through: `object.address.object.zip`, `object.items.array.object.price`,
`anyof.1.object.name`, `object.definitions.Card.object.number`. References are not followed: what they lead to has its
tags where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kopfka_registry.formats.jsonschema.build import Builder
from kopfka_registry.formats.jsonschema.library import Located, plain_reference
from kopfka_registry.formats.jsonschema.nodes import (
    Choices,
    Combined,
    Condition,
    Everything,
    Fields,
    Fixed,
    Items,
    Negation,
    Node,
    Nothing,
    Null,
    Numeric,
    Text,
    Truth,
)
from kopfka_registry.formats.jsonschema.text import Keys

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.text import Json

TAGS: Final = "confluent:tags"
# parts of combined schemas are counted in an order of their kinds, by the names these have at Confluent
_KINDS: Final = (
    Items,
    Truth,
    Combined,
    Condition,
    Fixed,
    Everything,
    Choices,
    Nothing,
    Negation,
    Null,
    Numeric,
    Fields,
)
_REFERENCE: Final = len(_KINDS)


def inline_tags(root: Located) -> dict[str, set[str]]:
    """Return the tags of objects and fields that have some, by their paths."""
    return _Walk().over(root)


class _Walk:
    def __init__(self) -> None:
        self._builder = Builder(Keys())
        self._found: dict[str, set[str]] = {}
        self._objects: set[str] = set()

    def over(self, root: Located) -> dict[str, set[str]]:
        open_: list[tuple[Node | Located, str, bool]] = [(root, "", False)]
        while open_:
            open_ += reversed(self._step(*open_.pop()))
        return self._found

    def _step(self, part: Node | Located, scope: str, in_field: bool) -> list[tuple[Node | Located, str, bool]]:
        """Note the tags of one schema; return those inside it."""
        inside: list[tuple[Node | Located, str, bool]] = []
        if isinstance(part, Located) and plain_reference(part) is not None:
            return inside
        match self._builder.node(part):
            case Combined() as node:
                name = scope + node.criterion.value.lower()
                parts = sorted(node.parts, key=self._order)
                inside = [(each, f"{name}.{number}.", False) for number, each in enumerate(parts)]
            case Items(each=Located() as each):
                inside = [(each, f"{scope}array.", False)]
            case Negation() as node:
                inside = [(node.inner, f"{scope}not.", False)]
            case Condition() as node:
                branches = (("if", node.test), ("then", node.then), ("else", node.otherwise))
                inside = [(each, f"{scope}conditional.{name}.", False) for name, each in branches if each is not None]
            case Fields() as node:
                inside = self._object(node, part, scope, in_field=in_field)
        return inside

    def _object(
        self, node: Fields, part: Node | Located, scope: str, *, in_field: bool
    ) -> list[tuple[Node | Located, str, bool]]:
        name = f"{scope}object"
        if name in self._objects:
            return []
        self._objects.add(name)
        if isinstance(part, Located) and not in_field:
            self._note(name, part.value)
        for field, schema in node.properties.items():
            self._note(f"{name}.{field}", schema.value)
        inside: list[tuple[Node | Located, str, bool]] = [
            (schema, f"{name}.{field}.", True) for field, schema in node.properties.items()
        ]
        if isinstance(part, Located):
            for keyword in ("definitions", "$defs"):
                named = part.value.get(keyword)
                if isinstance(named, dict):
                    inside += [(part.at(each), f"{name}.{keyword}.{key}.", False) for key, each in named.items()]
        return inside

    def _note(self, path: str, value: Json) -> None:
        said = value.get(TAGS) if isinstance(value, dict) else None
        tags = {each for each in said if isinstance(each, str)} if isinstance(said, list) else set()
        if tags:
            self._found[path] = tags

    def _order(self, part: Node | Located) -> tuple[Any, ...]:
        if isinstance(part, Located) and plain_reference(part) is not None:
            return (_REFERENCE,)
        node = self._builder.node(part)
        kind = next((number for number, each in enumerate(_KINDS) if isinstance(node, each)), _REFERENCE + 1)
        if isinstance(node, Text):
            kind = _REFERENCE + 1
        about = (node.about.title or "", node.about.description or "")
        if isinstance(node, Fields):
            names, required = sorted(node.properties), sorted(node.required)
            return (kind, *about, len(names), names, len(required), required)
        return (kind, *about)

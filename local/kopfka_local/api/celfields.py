"""Which fields a rule of a CRD may name: those its schema declares with a type, as in Kubernetes.

A field whose values may be anything (`x-kubernetes-preserve-unknown-fields` without a type, or a list or map of such)
is none. Only what is selected from `self` and `oldSelf` step by step is followed, also through lists, maps and
comprehensions; what functions return is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kopfka_local.api.cel import parser
from kopfka_local.api.cel.program import unescape

if TYPE_CHECKING:
    from collections.abc import Mapping

    Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_METADATA: Final[Schema] = {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}}
_OF_OBJECTS: Final[Schema] = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA}
_OVER_ITEMS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})


def undefined(expression: str, schema: Schema, *, root: bool, optional_old: bool = False) -> str | None:
    """Return the first field a rule names that the schema it stands at does not give to rules; None where all are.

    `root` tells that the schema is that of whole objects; an `oldSelf` that is optional is not followed.
    """
    at = {**schema, "properties": {**_OF_OBJECTS, **(schema.get("properties") or {})}} if root else schema
    if root:
        at["properties"]["metadata"] = _METADATA
    known = {"self": at} if optional_old else {"self": at, "oldSelf": at}
    return _Fields().look(parser.parse(expression), known)


class _Fields:
    def __init__(self) -> None:
        self._missing: str | None = None

    def look(self, node: parser.Node, known: Mapping[str, Schema]) -> str | None:
        """Walk through an expression."""
        self._type(node, known)
        return self._missing

    def _type(self, node: parser.Node, known: Mapping[str, Schema]) -> Schema | None:
        """Return the schema of a value, None where it is not known."""
        match node:
            case parser.Name(name):
                return known.get(name)
            case parser.Select(target, field, optional):
                found = self._field(self._type(target, known), unescape(field))
                return None if optional else found
            case parser.Index(target, key, optional):
                self._type(key, known)
                found = _inside(self._type(target, known))
                return None if optional else found
            case parser.List(items):
                for item in items:
                    self._type(item, known)
            case parser.Map(entries):
                for key, value in entries:
                    self._type(key, known)
                    self._type(value, known)
            case parser.Call():
                self._call(node, known)
        return None

    def _field(self, of: Schema | None, field: str) -> Schema | None:
        if of is None or of.get("type") != "object" or of.get("x-kubernetes-embedded-resource"):
            return None
        if isinstance(of.get("additionalProperties"), dict):
            return _inside(of)
        found: Schema | None = (of.get("properties") or {}).get(field)
        if found is None or not _is_typed(found):
            self._missing = self._missing or field
            return None
        return found

    def _call(self, node: parser.Call, known: Mapping[str, Schema]) -> None:
        over = None if node.target is None else self._type(node.target, known)
        arguments, inner = node.arguments, dict(known)
        if node.target is not None and len(arguments) >= 2 and isinstance(arguments[0], parser.Name):
            inner.pop(arguments[0].name, None)
            # of a map, the variable is a key
            item = _inside(over) if node.function in _OVER_ITEMS and over and over.get("type") == "array" else None
            if item is not None:
                inner[arguments[0].name] = item
            arguments = arguments[1:]
        for argument in arguments:
            self._type(argument, inner)


def _inside(of: Schema | None) -> Schema | None:
    """Return the schema of a list's items or a map's values."""
    if of is None:
        return None
    found = of.get("items") if of.get("type") == "array" else of.get("additionalProperties")
    return found if isinstance(found, dict) else None


def _is_typed(schema: Schema) -> bool:
    if schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-embedded-resource"):
        return True
    match schema.get("type"):
        case "array":
            return isinstance(schema.get("items"), dict) and _is_typed(schema["items"])
        case "object":
            inner = schema.get("additionalProperties")
            return not isinstance(inner, dict) or _is_typed(inner)
    return bool(schema.get("type"))

"""Types of objects: OpenAPI definitions of built-in kinds (a data file, read when first needed) and schemas of CRDs.

A `Node` is a view on one schema, made when something first asks for it; what a schema says about merging (list types,
map keys) is answered here, what it says about values, in `validation`.
"""

from __future__ import annotations

import functools
import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DATA = Path(__file__).parent / "data"
PREFIX = "#/components/schemas/"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_REFERENCE = re.compile(rb'"#/components/schemas/([^"]+)"')
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


class Definitions:
    """The named types of Kubernetes, each parsed when first needed."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    @functools.cached_property
    def _lines(self) -> dict[str, bytes]:
        text = gzip.decompress((DATA / "schemas.jsonl.gz").read_bytes())
        return {name.decode(): body for name, _, body in (line.partition(b"\t") for line in text.splitlines())}

    def raw(self, name: str) -> bytes:
        """Return a definition as JSON, with its descriptions."""
        return self._lines[name]

    def node(self, name: str) -> Node:
        """Return a definition as a type."""
        if name not in self._nodes:
            self._nodes[name] = Node(orjson.loads(self._lines[name]), self, name)
        return self._nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    def closure(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return definitions and all they refer to, as JSON."""
        found: dict[str, bytes] = {}
        pending = [name for name in names if name in self._lines]
        while pending:
            name = pending.pop()
            if name not in found:
                found[name] = self._lines[name]
                pending += [reference.decode() for reference in _REFERENCE.findall(found[name])]
        return found


class Node:
    """The type of one value."""

    __slots__ = ("_additional", "_definitions", "_fields", "_items", "name", "raw")

    def __init__(self, raw: Mapping[str, Any], definitions: Definitions, name: str = "") -> None:
        self.raw = raw
        self.name = name
        self._definitions = definitions
        self._fields: dict[str, Node | None] = {}
        self._items: Node | None = None
        self._additional: Node | None = None

    def _child(self, raw: Any) -> Node:
        if not isinstance(raw, dict):
            return ANY
        reference = raw.get("$ref") or (raw["allOf"][0].get("$ref") if len(raw.get("allOf", ())) == 1 else None)
        if reference is None:
            return Node(raw, self._definitions)
        target = self._definitions.node(reference.removeprefix(PREFIX))
        extra = {key: value for key, value in raw.items() if key not in ("$ref", "allOf", "description")}
        return Node({**target.raw, **extra}, self._definitions, target.name) if extra else target

    def field(self, name: str) -> Node | None:
        """Return the type of a field, None where a schema knows no such field."""
        if name not in self._fields:
            if name in self.properties:
                self._fields[name] = self._child(self.properties[name])
            else:
                return self.additional
        return self._fields[name]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Return the named fields."""
        return self.raw.get("properties") or {}

    @property
    def additional(self) -> Node | None:
        """Return the type of fields that are not named; None where there may be none."""
        if self._additional is None:
            given = self.raw.get("additionalProperties")
            if isinstance(given, dict):
                self._additional = self._child(given)
            elif given is True or self.opaque:
                self._additional = ANY
        return self._additional

    @property
    def items(self) -> Node:
        """Return the type of a list's items."""
        if self._items is None:
            self._items = self._child(self.raw.get("items"))
        return self._items

    @property
    def opaque(self) -> bool:
        """Tell whether anything may be in here."""
        if self.raw.get("x-kubernetes-preserve-unknown-fields"):
            return True
        if "properties" in self.raw or "additionalProperties" in self.raw:
            return False
        return self.raw.get("type", "object") == "object" and bool(self.name or not self.raw)

    @property
    def is_map(self) -> bool:
        """Tell whether the fields are free, so that each is an entry and not part of a structure."""
        return not self.properties

    @property
    def atomic(self) -> bool:
        """Tell whether a map or structure is owned and replaced as a whole."""
        return self.raw.get("x-kubernetes-map-type") == "atomic"

    @property
    def list_type(self) -> str:
        """Return how lists merge: atomic, set or map."""
        given = self.raw.get("x-kubernetes-list-type")
        if given:
            return str(given)
        if "merge" in str(self.raw.get("x-kubernetes-patch-strategy", "")):
            return "map" if self.raw.get("x-kubernetes-patch-merge-key") else "set"
        return "atomic"

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the fields that identify an item of a list of type map."""
        given = self.raw.get("x-kubernetes-list-map-keys")
        return tuple(given) if given else (str(self.raw.get("x-kubernetes-patch-merge-key")),)

    @property
    def merge_key(self) -> str:
        """Return the field that identifies an item in a strategic merge patch."""
        return str(self.raw.get("x-kubernetes-patch-merge-key", ""))

    @property
    def strategies(self) -> tuple[str, ...]:
        """Return how a strategic merge patch treats the value: merge, replace, retainKeys."""
        return tuple(filter(None, str(self.raw.get("x-kubernetes-patch-strategy", "")).split(",")))

    @property
    def int_or_string(self) -> bool:
        """Tell whether both a number and a text are fine."""
        return bool(self.raw.get("x-kubernetes-int-or-string")) or self.raw.get("format") == "int-or-string"

    @property
    def is_quantity(self) -> bool:
        """Tell whether it is an amount such as `10Gi`."""
        return self.name == _QUANTITY


class _Any(Node):
    """The type of what no schema describes: maps merge by key, lists are replaced as a whole."""

    __slots__ = ()

    def field(self, name: str) -> Node | None:
        return self

    @property
    def additional(self) -> Node | None:
        return self

    @property
    def items(self) -> Node:
        return self

    @property
    def opaque(self) -> bool:
        return True


ANY = _Any({"x-kubernetes-preserve-unknown-fields": True}, Definitions())

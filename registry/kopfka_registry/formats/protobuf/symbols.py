"""What a file declares, by full name, and what a name in it means: the scoping of Protobuf, innermost first.

Nothing is checked here but that a file's own names differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.features import Features, of_file, refined
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_registry.formats.protobuf.refusal import Steps

Kind: TypeAlias = Literal["message", "enum", "value", "field", "oneof", "extension", "service", "method"]
Element: TypeAlias = e.Message | e.Enum | e.EnumValue | e.Field | e.OneOf | e.Service | e.Rpc

TYPES: Final = ("message", "enum")
_CHARACTERS: Final = 32
"""Characters of a name that are worth a step."""
_SCOPES: Final = ("message", "enum", "service")


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """Something with a full name.

    `parent` is the message, enum or service it is declared in; `extend` what an extension extends, as written.
    """

    kind: Kind
    name: str
    element: Element
    table: Table
    parent: Symbol | None = None
    extend: e.Extend | None = None

    @property
    def scope(self) -> str:
        """Full name of what it is declared in; the package at the top."""
        return self.parent.name if self.parent is not None else self.table.file.package


class Table:
    """The symbols of one file."""

    __slots__ = ("file", "packages", "path", "symbols")

    def __init__(self, path: str, file: e.File) -> None:
        self.path = path
        self.file = file
        self.symbols: dict[str, Symbol] = {}
        self.packages = _prefixes(file.package)

    def describe(self) -> str:
        """Say where its symbols are, for an error."""
        return f'file "{self.path}"' if self.path else "this file"


def declared(path: str, file: e.File, steps: Steps) -> Table:
    """Return the symbols of a file.

    Raises:
        RefusalError: two have the same name.
    """
    table = Table(path, file)
    collector = _Collector(table, steps)
    for item in file.body:
        match item:
            case e.Message():
                collector.message(item, file.package, None)
            case e.Enum():
                collector.enum(item, file.package, None)
            case e.Extend():
                collector.extend(item, file.package, None)
            case e.Service():
                service = collector.add("service", file.package, item, None)
                for rpc in item.rpcs:
                    collector.add("method", service.name, rpc, service)
    return table


class _Collector:
    __slots__ = ("_steps", "_symbols", "_table")

    def __init__(self, table: Table, steps: Steps) -> None:
        self._table = table
        self._symbols = table.symbols
        self._steps = steps

    def add(
        self, kind: Kind, scope: str, element: Element, parent: Symbol | None, extend: e.Extend | None = None
    ) -> Symbol:
        """Take note of a symbol."""
        name = f"{scope}.{element.name}" if scope else element.name
        self._steps.take(1 + len(name) // _CHARACTERS)
        symbol = Symbol(kind, name, element, self._table, parent, extend)
        other = self._symbols.setdefault(name, symbol)
        if other is not symbol:
            where = f' in "{scope}"' if scope else ""
            hint = ""
            if "value" in (kind, other.kind):
                hint = "; the values of an enum are in the scope the enum is in, not within the enum"
            raise RefusalError(f'"{element.name}" is already defined{where}{hint}', element.at)
        return symbol

    def message(self, message: e.Message, scope: str, parent: Symbol | None) -> None:
        symbol = self.add("message", scope, message, parent)
        for item in message.body:
            match item:
                case e.Field():
                    self.field(item, symbol)
                case e.OneOf():
                    self.add("oneof", symbol.name, item, symbol)
                    for field in item.fields:
                        self.field(field, symbol)
                case e.Message():
                    self.message(item, symbol.name, symbol)
                case e.Enum():
                    self.enum(item, symbol.name, symbol)
                case e.Extend():
                    self.extend(item, symbol.name, symbol)

    def field(self, field: e.Field, parent: Symbol) -> None:
        self.add("field", parent.name, field, parent)
        if field.group is not None:
            self.message(field.group, parent.name, parent)
        elif field.map is not None:
            self.message(map_entry(field), parent.name, parent)

    def extend(self, extend: e.Extend, scope: str, parent: Symbol | None) -> None:
        for field in extend.fields:
            self.add("extension", scope, field, parent, extend)
            if field.group is not None:
                self.message(field.group, scope, parent)

    def enum(self, enum: e.Enum, scope: str, parent: Symbol | None) -> None:
        symbol = self.add("enum", scope, enum, parent)
        for value in enum.values:
            self.add("value", scope, value, symbol)


def map_entry(field: e.Field) -> e.Message:
    """Return the message that protoc makes for the entries of a map."""
    key, value = field.map or ("", "")
    fields = (e.Field("", key, "key", 1, (), None, field.at), e.Field("", value, "value", 2, (), None, field.at))
    return e.Message(entry_name(field.name), (*fields, e.Option("map_entry", "true")), "", field.at)


def entry_name(field: str) -> str:
    """Return the name of the message that protoc makes for the entries of the map with this name."""
    return "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"


class Linked:
    """A file with all it imports, directly and indirectly."""

    __slots__ = ("_everything", "_features", "_packages", "_visible", "main", "steps", "tables")

    def __init__(self, main: Table, tables: Iterable[Table], steps: Steps) -> None:
        self.main = main
        self.steps = steps
        self.tables = {table.path: table for table in tables}
        self._everything: dict[str, Symbol] = {}
        for table in self.tables.values():
            steps.take(len(table.symbols))
            self._everything.update(table.symbols)
        self._everything.update(main.symbols)
        self._features: dict[Symbol | str, Features] = {}
        self._visible: dict[tuple[str, bool], frozenset[str]] = {}
        self._packages: dict[tuple[str, bool], frozenset[str]] = {}

    def others(self) -> Iterable[Table]:
        """Return the tables of all other files."""
        return self.tables.values()

    def features(self, symbol: Symbol | None, table: Table) -> Features:
        """Return the features of a message, enum or service, or of a file where there is no symbol."""
        key = table.path if symbol is None else symbol
        known = self._features.get(key)
        if known is None:
            if symbol is None:
                known = of_file(table.file)
            else:
                known = self.features(symbol.parent, table)
                if isinstance(symbol.element, e.Message | e.Enum | e.Service):
                    known = refined(known, symbol.element.options)
            self._features[key] = known
        return known

    def is_closed(self, symbol: Symbol) -> bool:
        """Tell whether a symbol is an enum that knows only its own values."""
        return symbol.kind == "enum" and self.features(symbol, symbol.table).enum_type == "CLOSED"

    def anywhere(self, name: str) -> Symbol | None:
        """Return what has this full name in any of the files."""
        return self._everything.get(name)

    def visible(self, table: Table, *, options: bool = False) -> frozenset[str]:
        """Return the paths of the files whose symbols may be used in a file; with `options`, in its options."""
        known = self._visible.get((table.path, options))
        if known is None:
            found = {table.path}
            pending = [item.path for item in table.file.imports if options or item.kind != "option"]
            while pending:
                path = pending.pop()
                if path in found or path not in self.tables:
                    continue
                self.steps.take()
                found.add(path)
                pending += [item.path for item in self.tables[path].file.imports if item.kind == "public"]
            known = self._visible[table.path, options] = frozenset(found)
        return known

    def packages(self, table: Table, *, options: bool = False) -> frozenset[str]:
        """Return the packages, and what they are in, that can be named in a file."""
        known = self._packages.get((table.path, options))
        if known is None:
            tables = (self.tables.get(path, self.main) for path in self.visible(table, options=options))
            known = frozenset().union(*(other.packages for other in tables))
            self._packages[table.path, options] = known
        return known

    def resolve(
        self, name: str, scope: str, table: Table, *, types: bool = True, options: bool = False
    ) -> Symbol | None:
        """Return what a name means in a scope (a full name, or nothing) of a file; None where it means nothing.

        With `types`, a name without dots that means something else in an inner scope may mean a type in an outer one.
        """
        visible = self.visible(table, options=options)
        if name.startswith("."):
            return self._find(name[1:], visible)
        first, _, rest = name.partition(".")
        while True:
            self.steps.take(1 + (len(scope) + len(name)) // _CHARACTERS)
            candidate = f"{scope}.{first}" if scope else first
            found = self._find(candidate, visible)
            if rest:
                if found is not None and found.kind in _SCOPES:
                    return self._find(f"{candidate}.{rest}", visible)
                if candidate in self.packages(table, options=options):
                    return self._find(f"{candidate}.{rest}", visible)
            elif found is not None and not (types and found.kind not in TYPES and scope):
                return found
            if not scope:
                return None
            scope = scope.rpartition(".")[0]

    def _find(self, name: str, visible: frozenset[str]) -> Symbol | None:
        found = self._everything.get(name)
        return found if found is not None and found.table.path in visible else None


def _prefixes(package: str) -> frozenset[str]:
    found = set()
    while package:
        found.add(package)
        package = package.rpartition(".")[0]
    return frozenset(found)

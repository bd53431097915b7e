"""Writes a schema as Avro's Java library does (`Schema.toString`): the text that is stored, answered and compared.

A type with a name is written out where it is met first and by its name from then on; those in `known` always by name.
Namespaces are left out where they are the enclosing type's. Which attributes there are is `style`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.avro import text
from kopfka_registry.formats.avro.types import Array, Enum, Fixed, Map, Primitive, Record, Union
from kopfka_registry.formats.contract import DEEPEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_registry.formats.avro.style import AsRead
    from kopfka_registry.formats.avro.types import Field, NamedType, Type

_Piece: TypeAlias = "str | tuple[Type, str | None, int]"
"""What is still to be written: a text, or a type with the namespace it stands in and its level."""


def write(root: Type, style: AsRead, known: Iterable[str] = (), *, deepest: int = DEEPEST) -> str:
    """Return the text of a schema.

    Raises:
        SchemaTooComplexError: written out, types are deeper in one another than `deepest`.
    """
    return _Writer(style, set(known), deepest).write(root)


class _Writer:
    def __init__(self, style: AsRead, known: set[str], deepest: int) -> None:
        self._style = style
        self._known = known
        self._deepest = deepest

    def write(self, root: Type) -> str:
        # with a stack of its own: types may be deeper in one another than calls
        written: list[str] = []
        waiting: list[_Piece] = [(root, None, 1)]
        while waiting:
            piece = waiting.pop()
            if isinstance(piece, str):
                written.append(piece)
            else:
                waiting += reversed(self._pieces(*piece))
        return "".join(written)

    def _pieces(self, of: Type, space: str | None, level: int) -> list[_Piece]:
        if level > self._deepest:
            raise SchemaTooComplexError(f"written out, the schema is nested deeper than {self._deepest} levels")
        match of:
            case Primitive():
                return [f'{{"type":"{of.kind}"{self._style.props(of)}}}' if of.props else f'"{of.kind}"']
            case Array():
                return ['{"type":"array","items":', (of.items, space, level + 1), f"{self._style.props(of)}}}"]
            case Map():
                return ['{"type":"map","values":', (of.values, space, level + 1), f"{self._style.props(of)}}}"]
            case Union():
                branches: list[_Piece] = []
                for each in of.branches:
                    branches += "," if branches else "[", (each, space, level + 1)
                return [*branches, "]" if branches else "[]"]
            case Record() | Enum() | Fixed():
                if of.name.full in self._known:
                    return [text.string(of.name.seen_from(space))]
                self._known.add(of.name.full)
                return [self._head(of, space), *self._body(of, level), f"{self._tail(of)}}}"]
        raise AssertionError(f"{of} is in a finished schema")

    def _body(self, of: NamedType, level: int) -> list[_Piece]:
        match of:
            case Record():
                pieces: list[_Piece] = [',"fields":[']
                for field in of.fields:
                    comma = "," if len(pieces) > 1 else ""
                    pieces.append(f'{comma}{{"name":{text.string(field.name)},"type":')
                    pieces += (field.type, of.name.space, level + 1), f"{self._field(field)}}}"
                return [*pieces, "]"]
            case Enum():
                default = "" if of.default is None else f',"default":{text.string(of.default)}'
                return [f',"symbols":[{",".join(map(text.string, of.symbols))}]{default}']
            case Fixed():
                return [f',"size":{of.size}']

    def _head(self, of: NamedType, space: str | None) -> str:
        kind = self._style.keyword(of) if isinstance(of, Record) else of.kind
        # a type of the null namespace within another one says so
        own = "" if of.name.space == space else f',"namespace":{text.string(of.name.space or "")}'
        return f'{{"type":"{kind}","name":{text.string(of.name.simple)}{own}{_doc(self._style.doc(of))}'

    def _tail(self, of: NamedType) -> str:
        aliases = (alias.seen_from(of.name.space) for alias in self._style.aliases(of.aliases))
        return f"{self._style.props(of)}{_aliases(aliases)}"

    def _field(self, field: Field) -> str:
        """Return what stands after a field's type."""
        default = f',"default":{self._style.default(field)}' if field.has_default else ""
        order = "" if field.order == "ascending" else f',"order":"{field.order}"'
        aliases = _aliases(self._style.field_aliases(field.aliases))
        return f"{_doc(field.doc)}{default}{order}{aliases}{self._style.props(field)}"


def _doc(doc: str | None) -> str:
    return "" if doc is None else f',"doc":{text.string(doc)}'


def _aliases(aliases: Iterable[str]) -> str:
    written = ",".join(map(text.string, aliases))
    return f',"aliases":[{written}]' if written else ""

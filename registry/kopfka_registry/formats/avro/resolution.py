"""Whether a reader's schema reads all that a writer's schema wrote, and if not, why: Avro's schema resolution.

Applies `rules`, in the order and with the paths of Avro's `SchemaCompatibility`: what is told does not depend on who
answers. A pair of types is compared once; what was found is told wherever the pair is met again, with the path of the
first time, also where that was inside a union, whose branches count their paths anew. Nothing is told twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from kopfka_registry.formats.avro.budget import Budget
from kopfka_registry.formats.avro.rules import PROMOTIONS, Rules
from kopfka_registry.formats.avro.text import utf16
from kopfka_registry.formats.avro.types import Array, Enum, Fixed, Map, Primitive, Record, Union
from kopfka_registry.formats.contract import Difference

if TYPE_CHECKING:
    from collections.abc import Generator

    from kopfka_registry.formats.avro.types import Field, Name, NamedType, Type

_Path: TypeAlias = "tuple[_Path, str] | None"
"""A path by its last part; None is the root."""
_Pair: TypeAlias = "tuple[Type, Type, _Path]"
_Key: TypeAlias = "tuple[str, str | Name]"
"""A kind of type with a simple name or an alias."""
_STEPS_A_PAIR: Final = 4
"""What is kept of a pair is the most of what a comparison keeps."""
_ITEMS_A_STEP: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class _Reason:
    """A rule that is broken, not yet in words: most are in branches of unions, where nobody is told."""

    rule: Rules
    path: _Path
    reader: Type
    writer: Type
    field: str = ""


@dataclass(slots=True, eq=False)
class _Found:
    """What was found for a pair of types: why it does not fit, of its own and of what it is made of."""

    reasons: list[_Reason | _Found] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether the reader's type reads all that the writer's wrote."""
        return not self.reasons


_FITS: Final = _Found()


class _AmbiguousFieldError(Exception):
    """A reader's field is several of the writer's; the comparison ends with that, as in Avro's Java library."""

    def __init__(self, reason: _Reason) -> None:
        self.reason = reason


def differences(reader: Type, writer: Type) -> list[Difference]:
    """Return why a reader's schema cannot read all that a writer's wrote; empty where it can.

    Raises:
        SchemaTooComplexError: comparing them takes too long.
    """
    budget = Budget("comparing the two schemas")
    try:
        found = _Comparison(budget).compare(reader, writer)
    except _AmbiguousFieldError as error:
        found = _Found([error.reason])
    return _told(found, budget)


class _Comparison:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._found: dict[tuple[int, int], _Found | None] = {}
        """By pair of types; None while it is under way."""
        self._fields: dict[int, dict[str, Field]] = {}
        self._symbols: dict[int, frozenset[str]] = {}
        self._branches: dict[int, dict[_Key, list[int]]] = {}

    def compare(self, reader: Type, writer: Type) -> _Found:
        # with a stack of its own: types may be deeper in one another than calls
        key = id(reader), id(writer)
        self._found[key] = None
        waiting = [(key, self._pair(reader, writer, None))]
        answer: _Found | None = None
        while True:
            try:
                # None starts it, and later there is always an answer
                inner, outer, path = waiting[-1][1].send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                ended: _Found = end.value
                answer = self._found[waiting.pop()[0]] = ended if ended.reasons else _FITS
                if not waiting:
                    return answer
                continue
            key = id(inner), id(outer)
            if isinstance(inner, Primitive) and inner.kind == outer.kind:
                answer = _FITS
            elif key in self._found:
                # a pair that is under way fits unless something else in it does not
                answer = self._found[key] or _FITS
            else:
                self._found[key] = answer = None
                waiting.append((key, self._pair(inner, outer, path)))

    def _pair(self, reader: Type, writer: Type, path: _Path) -> Generator[_Pair, _Found, _Found]:
        self._budget.spend(_STEPS_A_PAIR)
        found = _Found()
        match reader, writer:
            case Union(), Union():
                yield from self._unions(found, reader, writer, path)
            case _, Union():
                for i, branch in enumerate(writer.branches):
                    yield from self._part(found, reader, branch, (path, str(i)))
            case Union(), _:
                yield from self._union(found, reader, writer, path)
            case Array(), Array():
                yield from self._part(found, reader.items, writer.items, (path, "items"))
            case Map(), Map():
                yield from self._part(found, reader.values, writer.values, (path, "values"))
            case Record(), Record():
                _names(found, reader, writer, path)
                yield from self._records(found, reader, writer, (path, "fields"))
            case Enum(), Enum():
                _names(found, reader, writer, path)
                if reader.default is None and not self._symbols_of(writer) <= self._symbols_of(reader):
                    found.reasons.append(_Reason(Rules.ENUM_SYMBOLS, (path, "symbols"), reader, writer))
            case Fixed(), Fixed():
                _names(found, reader, writer, path)
                if reader.size != writer.size:
                    found.reasons.append(_Reason(Rules.FIXED_SIZE, (path, "size"), reader, writer))
            case _ if reader.kind != writer.kind and writer.kind not in PROMOTIONS.get(reader.kind, ()):
                found.reasons.append(_Reason(Rules.TYPES_MATCH, path, reader, writer))
        return found

    def _part(self, found: _Found, reader: Type, writer: Type, path: _Path) -> Generator[_Pair, _Found, None]:
        self._budget.spend()
        inner = yield reader, writer, path
        if not inner.fits:
            found.reasons.append(inner)

    def _unions(self, found: _Found, reader: Union, writer: Union, path: _Path) -> Generator[_Pair, _Found, None]:
        for i, branch in enumerate(writer.branches):
            self._budget.spend()
            if not (yield reader, branch, None).fits:
                found.reasons.append(_Reason(Rules.UNIONS, (path, str(i)), reader, branch))

    def _union(self, found: _Found, reader: Union, writer: Type, path: _Path) -> Generator[_Pair, _Found, None]:
        for branch in self._candidates(reader, writer):
            self._budget.spend()
            if (yield branch, writer, None).fits:
                return
        found.reasons.append(_Reason(Rules.READER_UNION, path, reader, writer))

    def _candidates(self, reader: Union, writer: Type) -> list[Type]:
        """Return the branches that could read a type, as far as names and kinds tell, in their order.

        Without this, two unions of a thousand events would be a million pairs.
        """
        index = self._branches.get(id(reader))
        if index is None:
            index = self._branches[id(reader)] = {}
            for i, branch in enumerate(reader.branches):
                keys = _read_as(branch)
                self._budget.spend(len(keys))
                for key in keys:
                    index.setdefault(key, []).append(i)
        found = {i for key in _written_as(writer) for i in index.get(key, ())}
        return [reader.branches[i] for i in sorted(found)]

    def _records(self, found: _Found, reader: Record, writer: Record, path: _Path) -> Generator[_Pair, _Found, None]:
        for i, mine in enumerate(reader.fields):
            at = path, str(i)
            theirs = self._written(mine, reader, writer, at)
            if theirs is not None:
                yield from self._part(found, mine.type, theirs.type, (at, "type"))
            elif not mine.has_default:
                if isinstance(mine.type, Enum) and mine.type.default is not None:
                    # FIELD_OF_ENUM: an enum against a record
                    yield from self._part(found, mine.type, writer, (at, "type"))
                else:
                    found.reasons.append(_Reason(Rules.FIELD_DEFAULT, at, reader, writer, mine.name))

    def _written(self, mine: Field, reader: Record, writer: Record, path: _Path) -> Field | None:
        """Return the writer's field that a field of the reader is, by its name or one of its aliases."""
        fields = self._fields.get(id(writer))
        if fields is None:
            self._budget.spend(len(writer.fields))
            fields = self._fields[id(writer)] = {each.name: each for each in writer.fields}
        self._budget.spend(1 + len(mine.aliases))
        if not mine.aliases:
            return fields.get(mine.name)
        found = [fields[name] for name in (mine.name, *mine.aliases) if name in fields]
        if len(found) > 1:
            raise _AmbiguousFieldError(_Reason(Rules.FIELD_IS_ONE, path, reader, writer, mine.name))
        return found[0] if found else None

    def _symbols_of(self, enum: Enum) -> frozenset[str]:
        self._budget.spend(len(enum.symbols) // _ITEMS_A_STEP)
        symbols = self._symbols.get(id(enum))
        if symbols is None:
            symbols = self._symbols[id(enum)] = frozenset(enum.symbols)
        return symbols


def _same_name(reader: NamedType, writer: NamedType) -> bool:
    return reader.name.simple == writer.name.simple or writer.name in reader.aliases


def _names(found: _Found, reader: NamedType, writer: NamedType, path: _Path) -> None:
    if not _same_name(reader, writer):
        found.reasons.append(_Reason(Rules.NAMES_MATCH, (path, "name"), reader, writer))


def _read_as(reader: Type) -> list[_Key]:
    """Return by what a branch of a union is found: its name and aliases, or what it reads."""
    if isinstance(reader, (Record, Enum, Fixed)):
        return [(reader.kind, reader.name.simple), *((reader.kind, alias) for alias in reader.aliases)]
    return [(kind, "") for kind in (reader.kind, *PROMOTIONS.get(reader.kind, ()))]


def _written_as(writer: Type) -> list[_Key]:
    """Return by what a branch that could read a type is found."""
    if isinstance(writer, (Record, Enum, Fixed)):
        return [(writer.kind, writer.name.simple), (writer.kind, writer.name)]
    return [(writer.kind, "")]


def _told(root: _Found, budget: Budget) -> list[Difference]:
    """Return all differences in the order of the schema, each once."""
    told: dict[Difference, None] = {}
    seen: set[int] = set()
    waiting: list[_Reason | _Found] = [root]
    while waiting:
        reason = waiting.pop()
        if isinstance(reason, _Reason):
            difference = _in_words(reason)
            budget.spend((len(difference.path) + len(difference.additional)) // _ITEMS_A_STEP)
            told[difference] = None
        elif id(reason) not in seen:
            seen.add(id(reason))
            waiting += reversed(reason.reasons)
    return list(told)


def _in_words(reason: _Reason) -> Difference:
    parts: list[str] = []
    path = reason.path
    while path is not None:
        path, part = path
        parts.append(part)
    at = f"/{'/'.join(reversed(parts))}"
    about = _about(reason)
    text = reason.rule.text.replace("{path}", at).replace("{about}", about)
    return Difference(reason.rule.error, at, text, about)


def _about(reason: _Reason) -> str:
    """Return what a broken rule is about, as Avro's `SchemaCompatibility` says it."""
    match reason.rule, reason.reader, reason.writer:
        case Rules.NAMES_MATCH, _, Record() | Enum() | Fixed() as writer:
            return f"expected: {writer.name.full}"
        case Rules.FIXED_SIZE, Fixed() as reader, Fixed() as writer:
            return f"expected: {writer.size}, found: {reader.size}"
        case Rules.ENUM_SYMBOLS, Enum() as reader, Enum() as writer:
            missing = sorted(set(writer.symbols).difference(reader.symbols), key=utf16)
            return f"[{', '.join(missing)}]"
        case Rules.UNIONS | Rules.READER_UNION, _, writer:
            return f"reader union lacking writer type: {writer.kind.upper()}"
        case Rules.TYPES_MATCH, reader, writer:
            return f"reader type: {reader.kind.upper()} not compatible with writer type: {writer.kind.upper()}"
        case _:
            return reason.field

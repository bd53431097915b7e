"""What all checks share: the file with what it imports, its options, and how a name becomes a type."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.checks.visibility import is_exported
from kopfka_registry.formats.protobuf.options import Options
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_registry.formats.protobuf.features import Features
    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is declared."""

    scope: str
    """Full name of the message, or else the package."""
    features: Features
    """Those of the message, or else of the file."""
    parent: e.Message | None = None
    """The message."""
    entries: frozenset[str] = frozenset()
    """Names that messages of map entries may have there."""

    def inside(self, name: str) -> str:
        """Return the full name of something with this name."""
        return f"{self.scope}.{name}" if self.scope else name


class Context:
    """The file that is checked."""

    __slots__ = ("_names", "_options", "extended", "file", "linked")

    def __init__(self, linked: Linked) -> None:
        self.linked = linked
        self.file = linked.main.file
        self._names: dict[Symbol, frozenset[str]] = {}
        self.extended: dict[tuple[str, int], str] = {}
        """Extensions by the message they extend and their number."""
        self._options = Options(linked)

    @property
    def is_proto3(self) -> bool:
        """Whether the file is of proto3."""
        return self.file.syntax == "proto3"

    def check_options(self, options: Iterable[e.Option], kind: str, scope: str) -> None:
        """Check that options are known, and what they are set to."""
        self._options.interpret(options, kind, scope, pseudo=kind == "FieldOptions")

    def value_names(self, symbol: Symbol) -> frozenset[str]:
        """Return the names of an enum's values."""
        known = self._names.get(symbol)
        if known is None:
            values = symbol.element.values if isinstance(symbol.element, e.Enum) else ()
            known = self._names[symbol] = frozenset(value.name for value in values)
        return known

    def resolve(self, name: str, scope: str, at: int, *, types: bool = True, options: bool = False) -> Symbol:
        """Return the message or enum that a name means; the flags are those of `Linked.resolve`.

        Raises:
            RefusalError: it means none, or one that may not be used here.
        """
        found = self.linked.resolve(name, scope, self.linked.main, types=types, options=options)
        if found is None:
            elsewhere = self.linked.anywhere(name.removeprefix("."))
            if elsewhere is not None and elsewhere.table is not self.linked.main:
                raise RefusalError(
                    f'"{name}" seems to be defined in "{elsewhere.table.path}", which is not imported', at
                )
            raise RefusalError(f'"{name}" is not defined', at)
        if found.kind not in ("message", "enum"):
            raise RefusalError(f'"{name}" is not a type', at)
        self._check_visible(found, at)
        return found

    def _check_visible(self, symbol: Symbol, at: int) -> None:
        table = symbol.table
        if table is self.linked.main or table.file.syntax != "2024":
            return
        if not is_exported(symbol):
            raise RefusalError(f'"{symbol.name}" of "{table.path}" is not visible here: it is local there', at)


def option_word(options: Iterable[e.Option], name: str) -> str:
    """Return the word an option is set to; empty where it is not."""
    for option in options:
        if option.name == name and isinstance(option.value, str):
            return option.value
    return ""


class Ranges:
    """Ranges that do not overlap, looked up by number."""

    __slots__ = ("_sorted",)

    def __init__(self, what: str, ranges: Iterable[tuple[int, int, int]]) -> None:
        """Take ranges as first number, last number, and where they stand.

        Raises:
            RefusalError: two overlap.
        """
        ordered = sorted(ranges)
        for one, other in pairwise(ordered):
            if other[0] <= one[1]:
                raise RefusalError(
                    f"the {what} {other[0]} to {other[1]} overlaps with {one[0]} to {one[1]}", max(one[2], other[2])
                )
        self._sorted = [(first, last) for first, last, _ in ordered]

    def has(self, number: int) -> bool:
        """Tell whether a number is in one of them."""
        return self.overlapping(number, number)

    def overlapping(self, first: int, last: int) -> bool:
        """Tell whether one of them has a number of a range."""
        position = bisect_left(self._sorted, (last + 1, -(2**31) - 1))
        return position > 0 and self._sorted[position - 1][1] >= first

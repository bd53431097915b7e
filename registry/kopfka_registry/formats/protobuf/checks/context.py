"""What all checks share: the file with what it imports, its options, and how a name becomes a type."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf.checks.visibility import is_exported
from kopfka_registry.formats.protobuf.options import Options
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopfka_registry.formats.protobuf import elements as e
    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol


class Context:
    """The file that is checked."""

    __slots__ = ("_options", "extended", "file", "linked")

    def __init__(self, linked: Linked) -> None:
        self.linked = linked
        self.file = linked.main.file
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


def overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Tell whether two ranges have a number in common."""
    return one[0] <= other[1] and other[0] <= one[1]


class Ranges:
    """Ranges that must not overlap, looked up by number."""

    __slots__ = ("_sorted",)

    def __init__(self) -> None:
        self._sorted: list[tuple[int, int]] = []

    def add(self, what: str, first: int, last: int, at: int) -> None:
        """Add a range.

        Raises:
            RefusalError: one with a number of it is there.
        """
        position = self._position(first)
        for other in self._sorted[max(position - 1, 0) : position + 1]:
            if overlap(other, (first, last)):
                raise RefusalError(f"the {what} {first} to {last} overlaps with {other[0]} to {other[1]}", at)
        self._sorted.insert(position, (first, last))

    def has(self, number: int) -> bool:
        """Tell whether a number is in one of them."""
        position = self._position(number + 1)
        return position > 0 and self._sorted[position - 1][1] >= number

    def overlapping(self, first: int, last: int) -> bool:
        """Tell whether one of them has a number of a range."""
        position = self._position(last + 1)
        return position > 0 and self._sorted[position - 1][1] >= first

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._sorted)

    def _position(self, first: int) -> int:
        return bisect_left(self._sorted, (first, -(2**31) - 1))

"""The rules of strings, of numbers and of lists of values."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.compare.outcome import Outcome
    from kopfka_registry.formats.jsonschema.nodes import Choices, Number, Numeric, Text


def compare_bound(keyword: str, rule: str, writer: Number | None, reader: Number | None, out: Outcome) -> None:
    """Compare a limit; whether more is more allowed is said by the rules."""
    if writer is None and reader is None:
        return
    if writer is None:
        out.add(f"{rule}_ADDED", keyword)
    elif reader is None:
        out.add(f"{rule}_REMOVED", keyword)
    elif writer < reader:
        out.add(f"{rule}_INCREASED", keyword)
    elif writer > reader:
        out.add(f"{rule}_DECREASED", keyword)


def compare_text(writer: Text, reader: Text, out: Outcome) -> None:
    """Compare what is demanded of strings."""
    compare_bound("maxLength", "MAX_LENGTH", writer.longest, reader.longest, out)
    compare_bound("minLength", "MIN_LENGTH", writer.shortest, reader.shortest, out)
    if writer.pattern != reader.pattern:
        if writer.pattern is None:
            out.add("PATTERN_ADDED", "pattern")
        elif reader.pattern is None:
            out.add("PATTERN_REMOVED", "pattern")
        else:
            out.add("PATTERN_CHANGED", "pattern")
    if writer.format != reader.format:
        out.add("FORMAT_CHANGED", "format")


def compare_numeric(writer: Numeric, reader: Numeric, out: Outcome) -> None:
    """Compare what is demanded of numbers."""
    compare_bound("maximum", "MAXIMUM", writer.most, reader.most, out)
    compare_bound("minimum", "MINIMUM", writer.least, reader.least, out)
    compare_bound("exclusiveMaximum", "EXCLUSIVE_MAXIMUM", writer.below, reader.below, out)
    compare_bound("exclusiveMinimum", "EXCLUSIVE_MINIMUM", writer.above, reader.above, out)
    # of draft 4, where the limit itself is excluded or not: only where the limit stays does it matter
    if reader.most_excluded and not writer.most_excluded and writer.most == reader.most:
        out.add("EXCLUSIVE_MAXIMUM_ADDED", "exclusiveMaximum")
    if reader.least_excluded and not writer.least_excluded and writer.least == reader.least:
        out.add("EXCLUSIVE_MINIMUM_ADDED", "exclusiveMinimum")
    _compare_multiple(writer.multiple, reader.multiple, out)
    if writer.integer != reader.integer:
        out.add("TYPE_EXTENDED" if writer.integer else "TYPE_NARROWED")


def compare_choices(writer: Choices, reader: Choices, out: Outcome) -> None:
    """Compare lists of values."""
    if writer.values == reader.values:
        return
    if writer.values < reader.values:
        out.add("ENUM_ARRAY_EXTENDED", "enum")
    elif writer.values > reader.values:
        out.add("ENUM_ARRAY_NARROWED", "enum")
    else:
        out.add("ENUM_ARRAY_CHANGED", "enum")


def _compare_multiple(writer: Number | None, reader: Number | None, out: Outcome) -> None:
    if writer == reader:
        return
    if writer is None:
        out.add("MULTIPLE_OF_ADDED", "multipleOf")
    elif reader is None:
        out.add("MULTIPLE_OF_REMOVED", "multipleOf")
    elif _divides(writer, reader):
        out.add("MULTIPLE_OF_EXPANDED", "multipleOf")
    elif _divides(reader, writer):
        out.add("MULTIPLE_OF_REDUCED", "multipleOf")
    else:
        out.add("MULTIPLE_OF_CHANGED", "multipleOf")


def _divides(one: Number, other: Number) -> bool:
    """Tell, exactly, whether a number is a multiple of `one`; both have bounded digits and exponents."""
    return (Fraction(Decimal(other)) / Fraction(Decimal(one))).denominator == 1

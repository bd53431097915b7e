"""The rules between schemas of any two kinds; those of one kind are in the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.compare.arrays import compare_items
from kopfka_registry.formats.jsonschema.compare.combined import compare_combined
from kopfka_registry.formats.jsonschema.compare.objects import compare_fields
from kopfka_registry.formats.jsonschema.compare.outcome import Outcome
from kopfka_registry.formats.jsonschema.compare.scalars import compare_choices, compare_numeric, compare_text
from kopfka_registry.formats.jsonschema.nodes import (
    Choices,
    Combined,
    Condition,
    Criterion,
    Everything,
    Fields,
    Fixed,
    Items,
    Negation,
    Node,
    Nothing,
    Numeric,
    Opaque,
    Text,
)

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.compare.outcome import Comparing
    from kopfka_registry.formats.jsonschema.compare.run import Comparison


def compare_kinds(run: Comparison, writer: Node, reader: Node) -> Comparing:
    """Compare two nodes; returns an `Outcome`."""
    if isinstance(reader, Combined) and not isinstance(writer, Combined):
        outcome: Outcome | None = yield _into_union(run, writer, reader)
        if outcome is not None:
            return outcome
    elif isinstance(writer, Combined) and not isinstance(reader, Combined):
        outcome = yield _out_of_product(run, writer, reader)
        if outcome is not None:
            return outcome
    out = Outcome()
    if type(writer) is not type(reader) or isinstance(reader, Opaque):
        if not (isinstance(writer, Nothing) or isinstance(reader, Everything) or _both_bytes(writer, reader)):
            out.add("TYPE_CHANGED")
        return out
    _about(writer, reader, out)
    yield _of_one_kind(run, writer, reader, out)
    return out


def _of_one_kind(run: Comparison, writer: Node, reader: Node, out: Outcome) -> Comparing:
    match writer, reader:
        case Text(), Text():
            compare_text(writer, reader, out)
        case Numeric(), Numeric():
            compare_numeric(writer, reader, out)
        case Choices(), Choices():
            run.budget.spend((len(writer.values) + len(reader.values)) // 50)
            compare_choices(writer, reader, out)
        case Fixed(), Fixed():
            if writer.value != reader.value:
                out.add("ENUM_ARRAY_CHANGED", "const")
        case Fields(), Fields():
            yield from compare_fields(run, writer, reader, out)
        case Items(), Items():
            yield from compare_items(run, writer, reader, out)
        case Combined(), Combined():
            yield from compare_combined(run, writer, reader, out)
        case Negation(), Negation():
            # what the reader excludes must be excluded by the writer: the two change places
            inner: Outcome = yield run.pair(reader.inner, writer.inner)
            out.add("NOT_TYPE_NARROWED" if inner.compatible else "NOT_TYPE_EXTENDED", "not")
        case Condition(), Condition():
            yield from _condition(run, writer, reader, out)


def _into_union(run: Comparison, writer: Node, reader: Combined) -> Comparing:
    """Compare with the parts of a union, or with the only part of any; returns None if it goes into none of them."""
    single = len(reader.parts) == 1
    if not single and reader.criterion is Criterion.ALL:
        return None
    for part in reader.parts:
        found: Outcome = yield run.pair(writer, part)
        if found.compatible:
            if single:
                return found
            out = Outcome()
            out.take(found)
            out.add("SUM_TYPE_EXTENDED")
            return out
    return None


def _out_of_product(run: Comparison, writer: Combined, reader: Node) -> Comparing:
    """Compare the parts of an allOf, or the only part of any; returns None if the reader covers none of them."""
    single = len(writer.parts) == 1
    if not single and writer.criterion is not Criterion.ALL:
        return None
    for part in writer.parts:
        found: Outcome = yield run.pair(part, reader)
        if found.compatible:
            if single:
                return found
            out = Outcome()
            out.take(found)
            out.add("PRODUCT_TYPE_NARROWED")
            return out
    return None


def _about(writer: Node, reader: Node, out: Outcome) -> None:
    one, other = writer.about, reader.about
    if one == other:
        return
    for rule, changed in (
        ("ID_CHANGED", one.id != other.id),
        ("TITLE_CHANGED", one.title != other.title),
        ("DESCRIPTION_CHANGED", one.description != other.description),
        ("DEFAULT_CHANGED", one.default != other.default),
    ):
        if changed:
            out.add(rule)


def _both_bytes(writer: Node, reader: Node) -> bool:
    return writer.about.connect_type == "bytes" == reader.about.connect_type


def _condition(run: Comparison, writer: Condition, reader: Condition, out: Outcome) -> Comparing:
    if not run.same(writer.test, reader.test):
        out.add("CONDITION_CHANGED", "if")
        return
    for name, one, other in (
        ("then", writer.then, reader.then),
        ("else", writer.otherwise, reader.otherwise),
    ):
        if other is None:
            continue
        if one is None:
            if not isinstance(run.node(other), Everything):
                out.add("CONDITION_CHANGED", name)
            continue
        inner: Outcome = yield run.pair(one, other)
        out.take(inner, name)

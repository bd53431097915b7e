"""The rules of arrays: items one by one, all at once, additional, contained and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.compare.outcome import Outcome
from kopfka_registry.formats.jsonschema.compare.rest import compare_rest, compare_unevaluated
from kopfka_registry.formats.jsonschema.compare.scalars import compare_bound
from kopfka_registry.formats.jsonschema.library import Located
from kopfka_registry.formats.jsonschema.nodes import Everything, Nothing

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.compare.outcome import Comparing
    from kopfka_registry.formats.jsonschema.compare.run import Comparison
    from kopfka_registry.formats.jsonschema.nodes import Items


def compare_items(run: Comparison, writer: Items, reader: Items, out: Outcome) -> Comparing:
    """Compare what is demanded of arrays."""
    yield from _compare_each(run, writer, reader, out)
    yield from _compare_tuples(run, writer, reader, out)
    # what has no meaning allows everything, where that is what the other one has to be valid for
    before = writer.additional if writer.effective or not reader.effective else True
    yield from compare_rest(run, before, reader.additional, out, at="additionalItems", rule="ADDITIONAL_ITEMS")
    yield from compare_unevaluated(run, writer, reader, out, at="unevaluatedItems", rule="UNEVALUATED_ITEMS")
    compare_bound("maxItems", "MAX_ITEMS", writer.most, reader.most, out)
    compare_bound("minItems", "MIN_ITEMS", writer.fewest, reader.fewest, out)
    if writer.unique != reader.unique:
        out.add("UNIQUE_ITEMS_REMOVED" if writer.unique else "UNIQUE_ITEMS_ADDED", "uniqueItems")
    compare_bound("maxContains", "MAX_CONTAINS", writer.most_contained, reader.most_contained, out)
    compare_bound("minContains", "MIN_CONTAINS", writer.fewest_contained, reader.fewest_contained, out)
    yield from _compare_contained(run, writer, reader, out)


def _compare_each(run: Comparison, writer: Items, reader: Items, out: Outcome) -> Comparing:
    if writer.each is not None and reader.each is not None:
        inner: Outcome = yield run.pair(writer.each, reader.each)
        out.take(inner, "items")
    elif reader.each is not None:
        out.add("SCHEMA_ADDED", "items")
    elif writer.each is not None:
        out.add("SCHEMA_REMOVED", "items")


def _compare_tuples(run: Comparison, writer: Items, reader: Items, out: Outcome) -> Comparing:
    run.budget.spend(len(writer.tuple) + len(reader.tuple))
    for number in range(max(len(writer.tuple), len(reader.tuple))):
        if number >= len(reader.tuple):
            step = _removed(run, writer.tuple[number], reader)
        elif number >= len(writer.tuple):
            step = _added(run, writer, reader.tuple[number])
        else:
            step = run.pair(writer.tuple[number], reader.tuple[number])
        inner: Outcome = yield step
        out.take(inner, f"items/{number}")


def _removed(run: Comparison, schema: Located, reader: Items) -> Comparing:
    out = Outcome()
    if reader.open:
        out.add("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL")
        return out
    rest = _rest(run, reader)
    if rest is not None:
        inner: Outcome = yield run.pair(schema, rest)
        out.take(inner)
        out.add(f"ITEM_REMOVED_{'IS' if inner.compatible else 'NOT'}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
    elif isinstance(run.node(schema), Nothing):
        out.add("ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    else:
        out.add("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    return out


def _added(run: Comparison, writer: Items, schema: Located) -> Comparing:
    out = Outcome()
    if writer.open or not writer.effective or (writer.unevaluated is not None and writer.beside):
        if isinstance(run.node(schema), Everything):
            out.add("ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL")
        else:
            out.add("ITEM_ADDED_TO_OPEN_CONTENT_MODEL")
        return out
    rest = _rest(run, writer)
    if rest is None:
        out.add("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL")
        return out
    inner: Outcome = yield run.pair(rest, schema)
    out.take(inner)
    out.add(f"ITEM_ADDED_{'IS' if inner.compatible else 'NOT'}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
    return out


def _rest(run: Comparison, items: Items) -> Located | None:
    """Return the schema of a partially open content model; None where nothing may follow."""
    if isinstance(items.additional, Located):
        return items.additional
    if items.additional is True and items.unevaluated is not None:
        return None if isinstance(run.node(items.unevaluated), Nothing) else items.unevaluated
    return None


def _compare_contained(run: Comparison, writer: Items, reader: Items, out: Outcome) -> Comparing:
    if reader.contains is None:
        if writer.contains is not None:
            out.add("CONTAINS_REMOVED", "contains")
    elif writer.contains is None:
        out.add("CONTAINS_ADDED", "contains")
    elif run.same(writer.contains, reader.contains):
        return
    elif reader.most_contained is not None:
        out.add("CONTAINS_CHANGED", "contains")
    else:
        inner: Outcome = yield run.pair(writer.contains, reader.contains)
        out.take(inner, "contains")

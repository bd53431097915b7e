"""The rules of objects: what is required, named, dependent and additional, in open and closed content models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.compare.named import compare_names, compare_patterns
from kopfka_registry.formats.jsonschema.compare.outcome import Outcome
from kopfka_registry.formats.jsonschema.compare.rest import compare_rest, compare_unevaluated
from kopfka_registry.formats.jsonschema.compare.scalars import compare_bound
from kopfka_registry.formats.jsonschema.library import Located
from kopfka_registry.formats.jsonschema.nodes import Everything, Nothing

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.compare.outcome import Comparing
    from kopfka_registry.formats.jsonschema.compare.run import Comparison
    from kopfka_registry.formats.jsonschema.nodes import Fields


def compare_fields(run: Comparison, writer: Fields, reader: Fields, out: Outcome) -> Comparing:
    """Compare what is demanded of objects."""
    for fields in (writer, reader):
        run.budget.spend(len(fields.properties) + len(fields.needs) + len(fields.implied) + len(fields.patterns))
    _compare_required(writer, reader, out)
    yield from _compare_properties(run, writer, reader, out)
    yield from _compare_dependencies(run, writer, reader, out)
    yield from compare_rest(
        run, writer.additional, reader.additional, out, at="additionalProperties", rule="ADDITIONAL_PROPERTIES"
    )
    yield from compare_unevaluated(run, writer, reader, out, at="unevaluatedProperties", rule="UNEVALUATED_PROPERTIES")
    compare_bound("maxProperties", "MAX_PROPERTIES", writer.most, reader.most, out)
    compare_bound("minProperties", "MIN_PROPERTIES", writer.fewest, reader.fewest, out)
    yield from compare_patterns(run, writer, reader, out)
    yield from compare_names(run, writer, reader, out)


def _compare_required(writer: Fields, reader: Fields, out: Outcome) -> None:
    for name in sorted(writer.properties.keys() & reader.properties.keys()):
        if name in writer.required and name not in reader.required:
            out.add("REQUIRED_ATTRIBUTE_REMOVED", f"required/{name}")
        elif name in reader.required and name not in writer.required:
            with_default = _has_default(reader.properties[name])
            rule = "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED" if with_default else "REQUIRED_ATTRIBUTE_ADDED"
            out.add(rule, f"required/{name}")


def _compare_properties(run: Comparison, writer: Fields, reader: Fields, out: Outcome) -> Comparing:
    for name in sorted(writer.properties.keys() | reader.properties.keys()):
        one, other = writer.properties.get(name), reader.properties.get(name)
        at = f"properties/{name}"
        if one is not None and other is not None:
            both: Outcome = yield run.pair(one, other)
            out.take(both, at)
        elif one is not None:
            inner: Outcome = yield _removed(run, one, name, reader)
            out.take(inner, at)
        elif other is not None:
            inner = yield _added(run, other, name, writer, reader)
            out.take(inner, at)


def _removed(run: Comparison, schema: Located, name: str, reader: Fields) -> Comparing:
    out = Outcome()
    if reader.open:
        out.add("PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL")
        return out
    covering = _covering(run, reader, name)
    if covering:
        for each in covering:
            inner: Outcome = yield run.pair(schema, each)
            out.take(inner)
        covered = "IS" if out.compatible else "NOT"
        out.add(f"PROPERTY_REMOVED_{covered}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
    elif isinstance(run.node(schema), Nothing):
        out.add("PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    else:
        out.add("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    return out


def _added(run: Comparison, schema: Located, name: str, writer: Fields, reader: Fields) -> Comparing:
    out = Outcome()
    covering = [] if writer.open else _covering(run, writer, name, certainly=True)
    if not covering and not _closed_to(run, writer, name):
        if isinstance(run.node(schema), Everything):
            out.add("PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL")
        else:
            out.add("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL")
        return out
    if covering:
        # every one of them holds for what was written, so one that fits is enough
        for each in covering:
            inner: Outcome = yield run.pair(each, schema)
            if inner.compatible:
                break
        out.take(inner)
        covered = "IS" if inner.compatible else "NOT"
        out.add(f"PROPERTY_ADDED_{covered}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
    if name not in reader.required:
        out.add("OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL")
    elif _has_default(schema):
        out.add("REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL")
    else:
        out.add("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL")
    return out


def _covering(run: Comparison, fields: Fields, name: str, *, certainly: bool = False) -> list[Located]:
    """Return the schemas that a partially open content model has for a name that is not among its properties.

    Those that may hold for it, or `certainly` do.
    """
    matched = list(run.regexes.matching(fields.patterns, name))
    certain = [schema for schema, sure in matched if sure]
    if certain or (certainly and matched):
        return certain if certainly else [schema for schema, _ in matched]
    found = [schema for schema, _ in matched]
    rest = fields.additional
    if rest is True and fields.unevaluated is not None:
        if certainly and fields.beside:  # what is evaluated beside need not be valid for it
            return []
        rest = False if isinstance(run.node(fields.unevaluated), Nothing) else fields.unevaluated
    if isinstance(rest, Located):
        return [*found, rest]
    return found if rest else []


def _closed_to(run: Comparison, fields: Fields, name: str) -> bool:
    """Tell whether a content model without a schema for a name keeps it out."""
    if any(True for _ in run.regexes.matching(fields.patterns, name)):
        return False
    if fields.additional is False:
        return True
    unevaluated = fields.unevaluated
    return unevaluated is not None and not fields.beside and isinstance(run.node(unevaluated), Nothing)


def _compare_dependencies(run: Comparison, writer: Fields, reader: Fields, out: Outcome) -> Comparing:
    for name in sorted(writer.needs.keys() | reader.needs.keys()):
        one, other = writer.needs.get(name), reader.needs.get(name)
        at = f"dependencies/{name}"
        if other is None:
            out.add("DEPENDENCY_ARRAY_REMOVED", at)
        elif one is None:
            out.add("DEPENDENCY_ARRAY_ADDED", at)
        elif one < other:
            out.add("DEPENDENCY_ARRAY_EXTENDED", at)
        elif one > other:
            out.add("DEPENDENCY_ARRAY_NARROWED", at)
        elif one != other:
            out.add("DEPENDENCY_ARRAY_CHANGED", at)
    for name in sorted(writer.implied.keys() | reader.implied.keys()):
        before, after = writer.implied.get(name), reader.implied.get(name)
        at = f"dependencies/{name}"
        if after is None:
            out.add("DEPENDENCY_SCHEMA_REMOVED", at)
        elif before is None:
            out.add("DEPENDENCY_SCHEMA_ADDED", at)
        else:
            inner: Outcome = yield run.pair(before, after)
            out.take(inner, at)


def _has_default(schema: Located) -> bool:
    return isinstance(schema.value, dict) and "default" in schema.value

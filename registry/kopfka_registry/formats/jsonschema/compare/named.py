"""The rules of patternProperties and propertyNames, which Confluent does not compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.compare.outcome import Outcome
from kopfka_registry.formats.jsonschema.library import Located
from kopfka_registry.formats.jsonschema.nodes import Everything, Nothing

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.compare.outcome import Comparing
    from kopfka_registry.formats.jsonschema.compare.run import Comparison
    from kopfka_registry.formats.jsonschema.nodes import Fields


def compare_patterns(run: Comparison, writer: Fields, reader: Fields, out: Outcome) -> Comparing:
    """Compare the schemas of properties whose names match patterns; patterns themselves are compared as texts."""
    for pattern in sorted(writer.patterns.keys() | reader.patterns.keys()):
        one, other = writer.patterns.get(pattern), reader.patterns.get(pattern)
        at = f"patternProperties/{pattern}"
        if one is not None and other is not None:
            both: Outcome = yield run.pair(one, other)
            out.take(both, at)
        elif other is not None:
            fits: bool = yield _fits(run, pattern, other, writer)
            out.add("PATTERN_PROPERTY_ADDED_TO_COVERED" if fits else "PATTERN_PROPERTY_ADDED", at)
        elif one is not None:
            inner: Outcome = yield _removed(run, one, reader)
            out.take(inner, at)


def compare_names(run: Comparison, writer: Fields, reader: Fields, out: Outcome) -> Comparing:
    """Compare the schemas of names."""
    if reader.names is None:
        if writer.names is not None:
            out.add("PROPERTY_NAMES_REMOVED", "propertyNames")
    elif writer.names is None:
        if not isinstance(run.node(reader.names), Everything):
            out.add("PROPERTY_NAMES_ADDED", "propertyNames")
    else:
        inner: Outcome = yield run.pair(writer.names, reader.names)
        out.take(inner, "propertyNames")


def _fits(run: Comparison, pattern: str, schema: Located, writer: Fields) -> Comparing:
    """Tell whether all that a writer could have written under names of a new pattern is valid for its schema."""
    if isinstance(run.node(schema), Everything):
        return True
    candidates = [*writer.patterns.values()]  # names of which may be names of the new pattern
    if isinstance(writer.additional, Located):
        candidates.append(writer.additional)
    elif writer.additional is True:
        unevaluated = writer.unevaluated
        if unevaluated is None or writer.beside:
            return False
        if not isinstance(run.node(unevaluated), Nothing):
            candidates.append(unevaluated)
    for name, each in writer.properties.items():
        if any(True for _ in run.regexes.matching({pattern: schema}, name)):
            candidates.append(each)
    for each in candidates:
        inner: Outcome = yield run.pair(each, schema)
        if not inner.compatible:
            return False
    return True


def _removed(run: Comparison, schema: Located, reader: Fields) -> Comparing:
    """Compare with what a reader has for names that no pattern of its own matches."""
    out = Outcome()
    rest = reader.additional
    if rest is True and reader.unevaluated is not None:
        rest = reader.unevaluated
    if isinstance(rest, Located):
        inner: Outcome = yield run.pair(schema, rest)
        out.take(inner)
        closed = not inner.compatible
    else:
        closed = rest is False and not isinstance(run.node(schema), Nothing)
    out.add("PATTERN_PROPERTY_REMOVED_FROM_CLOSED" if closed else "PATTERN_PROPERTY_REMOVED")
    return out

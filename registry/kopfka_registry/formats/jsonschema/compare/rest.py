"""The rules of what is left over: additionalProperties, additionalItems, and what is unevaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.nodes import Everything, Nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.jsonschema.compare.outcome import Comparing, Outcome
    from kopfka_registry.formats.jsonschema.compare.run import Comparison
    from kopfka_registry.formats.jsonschema.library import Located
    from kopfka_registry.formats.jsonschema.nodes import Fields, Items

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def compare_rest(
    run: Comparison, writer: Located | bool, reader: Located | bool, out: Outcome, *, at: str, rule: str
) -> Comparing:
    """Compare the schemas of what is additional: True where everything is allowed, False where nothing is."""
    if (writer is False) != (reader is False):
        out.add(f"{rule}_{'ADDED' if writer is False else 'REMOVED'}", at)
    elif isinstance(writer, bool) and not isinstance(reader, bool):
        out.add(f"{rule}_NARROWED", at)
    elif isinstance(reader, bool) and not isinstance(writer, bool):
        out.add(f"{rule}_EXTENDED", at)
    elif not isinstance(writer, bool) and not isinstance(reader, bool):
        inner: Outcome = yield run.pair(writer, reader)
        out.take(inner, at)


def compare_unevaluated(
    run: Comparison, writer: Fields | Items, reader: Fields | Items, out: Outcome, *, at: str, rule: str
) -> Comparing:
    """Compare the schemas of what no other keyword has looked at.

    What that is depends on the schemas beside: where there are some, they have to stay as they are.
    """
    one, other = writer.unevaluated, reader.unevaluated
    if other is not None and (writer.beside or reader.beside) and not _unchanged(run, writer.beside, reader.beside):
        out.add(f"{rule}_NARROWED", at)
        return
    if one is None and other is None:
        return
    before = _kind(run, one)
    after = _kind(run, other)
    if before == after == "schema" and one is not None and other is not None:
        inner: Outcome = yield run.pair(one, other)
        out.take(inner, at)
    elif before == after:
        return
    elif after == "nothing":
        out.add(f"{rule}_REMOVED", at)
    elif before == "nothing":
        out.add(f"{rule}_ADDED", at)
    else:
        out.add(f"{rule}_{'NARROWED' if before == 'everything' else 'EXTENDED'}", at)


def _kind(run: Comparison, schema: Located | None) -> str:
    node = None if schema is None else run.node(schema)
    if node is None or isinstance(node, Everything):
        return "everything"
    return "nothing" if isinstance(node, Nothing) else "schema"


def _unchanged(run: Comparison, writer: Mapping[str, Located], reader: Mapping[str, Located]) -> bool:
    if writer.keys() != reader.keys():
        return False
    for keyword, one in writer.items():
        other = reader[keyword]
        if keyword in _REFERENCES:
            here = one.document.library.target(one, keyword, one.value)
            there = other.document.library.target(other, keyword, other.value)
            if here is None or there is None or not run.same(here, there):
                return False
        elif not run.same(one, other):
            return False
    return True

"""The rules of allOf, anyOf and oneOf: parts are matched, as many as possible, with parts that can read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.compare.matching import Matching
from kopfka_registry.formats.jsonschema.compare.outcome import SAME
from kopfka_registry.formats.jsonschema.library import Located
from kopfka_registry.formats.jsonschema.nodes import Criterion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_registry.formats.jsonschema.compare.outcome import Comparing, Outcome
    from kopfka_registry.formats.jsonschema.compare.run import Comparison
    from kopfka_registry.formats.jsonschema.nodes import Combined, Node


def compare_combined(run: Comparison, writer: Combined, reader: Combined, out: Outcome) -> Comparing:
    """Compare two combined schemas."""
    if writer.criterion is not reader.criterion:
        extended = _extends(writer, reader)
        out.add("COMBINED_TYPE_EXTENDED" if extended else "COMBINED_TYPE_CHANGED")
        if not extended:
            return
    run.budget.spend(len(writer.parts) + len(reader.parts))
    ours, theirs = _distinct(run, writer), _distinct(run, reader)
    if len(ours) < len(theirs):
        out.add("PRODUCT_TYPE_EXTENDED" if reader.criterion is Criterion.ALL else "SUM_TYPE_EXTENDED")
    elif len(ours) > len(theirs):
        out.add("PRODUCT_TYPE_NARROWED" if writer.criterion is Criterion.ALL else "SUM_TYPE_NARROWED")
    matched: dict[int, Outcome] = yield _match(run, ours, theirs)
    for number, found in sorted(matched.items()):
        out.take(found, f"{writer.criterion.value}/{number}")
    if len(matched) < min(len(ours), len(theirs)):
        out.add("COMBINED_TYPE_SUBSCHEMAS_CHANGED")


def _extends(writer: Combined, reader: Combined) -> bool:
    one, other = len(writer.parts) == 1, len(reader.parts) == 1
    return (
        reader.criterion is Criterion.ANY
        or (one and (other or reader.criterion is Criterion.ONE))
        or (other and writer.criterion is Criterion.ALL)
    )


def _distinct(run: Comparison, combined: Combined) -> list[Node | Located]:
    """Return the parts without those that are said twice."""
    seen: set[object] = set()
    parts: list[Node | Located] = []
    for part in combined.parts:
        key: object = run.key(part) if isinstance(part, Located) else part
        if key not in seen:
            seen.add(key)
            parts.append(part)
    return parts


def _match(run: Comparison, ours: list[Node | Located], theirs: list[Node | Located]) -> Comparing:
    """Return what was found for each part of ours that is matched, by its number.

    Parts that stayed as they are are matched with themselves to begin with. Others are compared only as far as that
    is needed to find them a partner: few are, where most stayed.
    """
    matching = Matching(len(ours), len(theirs), run.budget.spend)
    found: dict[tuple[int, int], Outcome] = {}
    for number, other in _unchanged(run, ours, theirs):
        matching.pair(number, other)
        found[number, other] = SAME
    wanted = matching.next_wanted()
    while wanted is not None:
        partners: list[int] = []
        for other, part in enumerate(theirs):
            outcome: Outcome = yield run.pair(ours[wanted], part)
            if outcome.compatible:
                partners.append(other)
                found[wanted, other] = outcome
        matching.tell(wanted, partners)
        wanted = matching.next_wanted()
    return {number: found[number, other] for number, other in matching.pairs()}


def _unchanged(run: Comparison, ours: list[Node | Located], theirs: list[Node | Located]) -> Iterator[tuple[int, int]]:
    by_key = {run.key(part): number for number, part in enumerate(theirs) if isinstance(part, Located)}
    for number, part in enumerate(ours):
        if isinstance(part, Located):
            other = by_key.get(run.key(part))
            there = None if other is None else theirs[other]
            if other is not None and isinstance(there, Located) and run.same(part, there):
                yield number, other

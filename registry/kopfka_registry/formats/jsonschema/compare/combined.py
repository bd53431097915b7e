"""The rules of allOf, anyOf and oneOf: parts are matched, as many as possible, with parts that can read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.compare.matching import maximum_matching
from kopfka_registry.formats.jsonschema.compare.outcome import SAME
from kopfka_registry.formats.jsonschema.library import Located
from kopfka_registry.formats.jsonschema.nodes import Criterion

if TYPE_CHECKING:
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

    Parts that stayed as they are are matched with themselves first: most do, and then few are left to be compared
    with all others. Where that leaves one without a match, it may have taken another's, so all are compared.
    """
    kept = _unchanged(run, ours, theirs)
    rest = [number for number in range(len(ours)) if number not in kept]
    left = sorted(set(range(len(theirs))) - set(kept.values()))
    found: dict[int, Outcome] = yield _match_all(run, ours, theirs, rest, left)
    if kept and len(found) < min(len(rest), len(left)):
        all_: dict[int, Outcome] = yield _match_all(run, ours, theirs, list(range(len(ours))), list(range(len(theirs))))
        return all_
    return {**dict.fromkeys(kept, SAME), **found}


def _unchanged(run: Comparison, ours: list[Node | Located], theirs: list[Node | Located]) -> dict[int, int]:
    by_key = {run.key(part): number for number, part in enumerate(theirs) if isinstance(part, Located)}
    kept: dict[int, int] = {}
    for number, part in enumerate(ours):
        if isinstance(part, Located):
            other = by_key.get(run.key(part))
            there = None if other is None else theirs[other]
            if other is not None and isinstance(there, Located) and run.same(part, there):
                kept[number] = other
    return kept


def _match_all(
    run: Comparison,
    ours: list[Node | Located],
    theirs: list[Node | Located],
    left: list[int],
    right: list[int],
) -> Comparing:
    edges: list[list[int]] = []
    found: dict[tuple[int, int], Outcome] = {}
    for number in left:
        there: list[int] = []
        for at, other in enumerate(right):
            outcome: Outcome = yield run.pair(ours[number], theirs[other])
            if outcome.compatible:
                there.append(at)
                found[number, other] = outcome
        edges.append(there)
    mates = maximum_matching(edges, len(right), run.budget.spend)
    return {number: found[number, right[mate]] for number, mate in zip(left, mates, strict=True) if mate >= 0}

"""The rules of arrays: one test for each, with its source."""

from __future__ import annotations

from typing import Any

from registry.formats.jsonschema.evolution import (
    DRAFT_2019,
    INTEGER,
    MODERN,
    NUMBER,
    STRING,
    changes,
    compatible,
    incompatible,
    strict,
)


def of(*items: Any, rest: Any = True, **keywords: Any) -> dict[str, Any]:
    """Return a schema of draft 7 with a tuple."""
    said = {} if rest is True else {"additionalItems": rest}
    return {"type": "array", **({"items": list(items)} if items else {}), **said, **keywords}


def modern(*items: Any, rest: Any = True, **keywords: Any) -> dict[str, Any]:
    """Return a schema of draft 2020-12 with a tuple."""
    said = {} if rest is True else {"items": rest}
    return {**MODERN, "type": "array", **({"prefixItems": list(items)} if items else {}), **said, **keywords}


def test_max_items_added() -> None:
    """Validation 6.4.1."""
    incompatible(of(), of(maxItems=1), ["MAX_ITEMS_ADDED #/maxItems"], [1, 2])


def test_max_items_removed() -> None:
    """Validation 6.4.1."""
    compatible(of(maxItems=1), of(), ["MAX_ITEMS_REMOVED #/maxItems"], [1])


def test_max_items_increased() -> None:
    """Validation 6.4.1."""
    compatible(of(maxItems=1), of(maxItems=2), ["MAX_ITEMS_INCREASED #/maxItems"], [1])


def test_max_items_decreased() -> None:
    """Validation 6.4.1."""
    incompatible(of(maxItems=2), of(maxItems=1), ["MAX_ITEMS_DECREASED #/maxItems"], [1, 2])


def test_min_items_added() -> None:
    """Validation 6.4.2."""
    incompatible(of(), of(minItems=1), ["MIN_ITEMS_ADDED #/minItems"], [])


def test_min_items_removed() -> None:
    """Validation 6.4.2."""
    compatible(of(minItems=1), of(), ["MIN_ITEMS_REMOVED #/minItems"], [1])


def test_min_items_increased() -> None:
    """Validation 6.4.2."""
    incompatible(of(minItems=1), of(minItems=2), ["MIN_ITEMS_INCREASED #/minItems"], [1])


def test_min_items_decreased() -> None:
    """Validation 6.4.2."""
    compatible(of(minItems=2), of(minItems=1), ["MIN_ITEMS_DECREASED #/minItems"], [1, 2])


def test_unique_items_added() -> None:
    """Validation 6.4.3."""
    incompatible(of(), of(uniqueItems=True), ["UNIQUE_ITEMS_ADDED #/uniqueItems"], [1, 1])


def test_unique_items_removed() -> None:
    """Validation 6.4.3."""
    compatible(of(uniqueItems=True), of(uniqueItems=False), ["UNIQUE_ITEMS_REMOVED #/uniqueItems"], [1, 2])


def test_contains_added() -> None:
    """Core 10.3.1.3. Confluent does not look at `contains`; here, what could not be read is told."""
    rules = ["MIN_CONTAINS_ADDED #/minContains", "CONTAINS_ADDED #/contains"]
    incompatible(of(), of(contains=STRING), rules, [1])
    incompatible(modern(), modern(contains=STRING), rules, [1])


def test_contains_removed() -> None:
    """Core 10.3.1.3."""
    rules = ["MIN_CONTAINS_REMOVED #/minContains", "CONTAINS_REMOVED #/contains"]
    compatible(of(contains=STRING), of(), rules, ["x"])


def test_contains_changed() -> None:
    """Core 10.3.1.3: where there is a maximum, a wider schema may find more than were found before."""
    one, other = modern(contains=INTEGER, maxContains=1), modern(contains=NUMBER, maxContains=1)
    incompatible(one, other, ["CONTAINS_CHANGED #/contains"], [1, 1.5])
    assert changes(one, {**one, "title": "t"}) == ["TITLE_CHANGED #/"]


def test_schemas_of_what_is_contained_are_compared() -> None:
    """Core 10.3.1.3: without a maximum, what contained one of the narrower schema contains one of the wider."""
    compatible(of(contains=INTEGER), of(contains=NUMBER), ["TYPE_EXTENDED #/contains"], [1])
    incompatible(of(contains=NUMBER), of(contains=INTEGER), ["TYPE_NARROWED #/contains"], [1.5])


def test_max_contains_added() -> None:
    """Validation 6.4.4; Confluent compares it from 8.3 on."""
    one = modern(contains=STRING)
    incompatible(one, {**one, "maxContains": 1}, ["MAX_CONTAINS_ADDED #/maxContains"], ["a", "b"])


def test_max_contains_removed() -> None:
    """Validation 6.4.4."""
    one = modern(contains=STRING)
    compatible({**one, "maxContains": 1}, one, ["MAX_CONTAINS_REMOVED #/maxContains"], ["a"])


def test_max_contains_increased() -> None:
    """Validation 6.4.4."""
    one = modern(contains=STRING, maxContains=1)
    compatible(one, {**one, "maxContains": 2}, ["MAX_CONTAINS_INCREASED #/maxContains"], ["a"])


def test_max_contains_decreased() -> None:
    """Validation 6.4.4."""
    two = modern(contains=STRING, maxContains=2)
    incompatible(two, {**two, "maxContains": 1}, ["MAX_CONTAINS_DECREASED #/maxContains"], ["a", "b"])


def test_min_contains_added() -> None:
    """Validation 6.4.5: `contains` means at least one unless it says otherwise."""
    rules = ["MIN_CONTAINS_ADDED #/minContains", "CONTAINS_ADDED #/contains"]
    incompatible(modern(), modern(contains=STRING, minContains=2), rules, ["a"])


def test_min_contains_removed() -> None:
    """Validation 6.4.5."""
    rules = ["MIN_CONTAINS_REMOVED #/minContains", "CONTAINS_REMOVED #/contains"]
    compatible(modern(contains=STRING, minContains=2), modern(), rules, ["a", "b"])


def test_min_contains_increased() -> None:
    """Validation 6.4.5."""
    one = modern(contains=STRING)
    incompatible(one, {**one, "minContains": 2}, ["MIN_CONTAINS_INCREASED #/minContains"], ["a"])


def test_min_contains_decreased() -> None:
    """Validation 6.4.5: leaving it out means one."""
    two = modern(contains=STRING, minContains=2)
    compatible(two, modern(contains=STRING), ["MIN_CONTAINS_DECREASED #/minContains"], ["a", "b"])


def test_additional_items_added() -> None:
    """Core 10.3.1.2; `additionalItems` up to 2019-09, `items` after `prefixItems` from 2020-12 on."""
    rule = "ADDITIONAL_ITEMS_ADDED #/additionalItems"
    compatible(of(STRING, rest=False), of(STRING), [rule], ["a"])
    compatible(modern(STRING, rest=False), modern(STRING, rest=NUMBER), [rule], ["a"])


def test_additional_items_removed() -> None:
    """Core 10.3.1.2. Confluent tells it where `additionalItems` has no meaning, too."""
    rule = "ADDITIONAL_ITEMS_REMOVED #/additionalItems"
    incompatible(of(STRING), of(STRING, rest=False), [rule], ["a", 1])
    incompatible(modern(STRING), modern(STRING, rest=False), [rule], ["a", 1])
    incompatible(modern(), modern(rest=False), [rule], [1])
    strict(of(), of(rest=False), [rule])


def test_additional_items_without_a_tuple_allow_everything() -> None:
    """Draft 7, Validation 6.4.2: without an array of `items`, `additionalItems` is ignored."""
    expected = [
        "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL #/items/0",
        "ADDITIONAL_ITEMS_REMOVED #/additionalItems",
    ]
    incompatible(of(rest=False), of(True, rest=False), expected, [1, 2])


def test_additional_items_extended() -> None:
    """Core 10.3.1.2."""
    rule = "ADDITIONAL_ITEMS_EXTENDED #/additionalItems"
    compatible(of(STRING, rest=NUMBER), of(STRING), [rule], ["a", 1])


def test_additional_items_narrowed() -> None:
    """Core 10.3.1.2."""
    rule = "ADDITIONAL_ITEMS_NARROWED #/additionalItems"
    incompatible(of(STRING), of(STRING, rest=NUMBER), [rule], ["a", "b"])


def test_schemas_of_additional_items_are_compared() -> None:
    """Core 10.3.1.2."""
    rule = "TYPE_CHANGED #/additionalItems"
    incompatible(of(STRING, rest=STRING), of(STRING, rest=NUMBER), [rule], ["a", "b"])


def test_unevaluated_items_added() -> None:
    """Core 11.2; Confluent from 8.3 on compares it like `additionalItems`."""
    rule = "UNEVALUATED_ITEMS_ADDED #/unevaluatedItems"
    compatible(modern(STRING, unevaluatedItems=False), modern(STRING), [rule], ["a"])


def test_unevaluated_items_removed() -> None:
    """Core 11.2."""
    rule = "UNEVALUATED_ITEMS_REMOVED #/unevaluatedItems"
    incompatible(modern(STRING), modern(STRING, unevaluatedItems=False), [rule], ["a", 1])
    old = {**DRAFT_2019, **of(STRING)}
    incompatible(old, {**old, "unevaluatedItems": False}, [rule], ["a", 1])


def test_unevaluated_items_extended() -> None:
    """Core 11.2."""
    rule = "UNEVALUATED_ITEMS_EXTENDED #/unevaluatedItems"
    compatible(modern(STRING, unevaluatedItems=NUMBER), modern(STRING), [rule], ["a", 1])


def test_unevaluated_items_narrowed() -> None:
    """Core 11.2; what is evaluated depends on schemas beside, `contains` among them, so those have to stay."""
    rule = "UNEVALUATED_ITEMS_NARROWED #/unevaluatedItems"
    incompatible(modern(STRING), modern(STRING, unevaluatedItems=NUMBER), [rule], ["a", "b"])
    numbers = modern(contains=NUMBER, unevaluatedItems=False)
    integers = modern(contains=INTEGER, unevaluatedItems=False)
    incompatible(numbers, integers, [rule, "TYPE_NARROWED #/contains"], [1.5])


def test_schemas_of_all_items_are_compared() -> None:
    """Core 10.3.1.2; in draft 2020-12 `items` without `prefixItems` is the same."""
    rule = "TYPE_CHANGED #/items"
    incompatible(of(items=STRING), of(items=NUMBER), [rule], ["a"])
    incompatible(modern(rest=STRING), modern(rest=NUMBER), [rule], ["a"])


def test_items_of_both_are_compared() -> None:
    """Core 10.3.1.1."""
    incompatible(of(STRING), of(NUMBER), ["TYPE_CHANGED #/items/0"], ["a"])
    incompatible(modern(STRING), modern(NUMBER), ["TYPE_CHANGED #/items/0"], ["a"])


def test_item_added_to_open_content_model() -> None:
    """Core 10.3.1.1: more items may have been written, and be anything."""
    rule = "ITEM_ADDED_TO_OPEN_CONTENT_MODEL #/items/1"
    incompatible(of(STRING), of(STRING, NUMBER), [rule], ["a", "b"])
    incompatible(modern(STRING), modern(STRING, NUMBER), [rule], ["a", "b"])


def test_item_with_empty_schema_added_to_open_content_model() -> None:
    """Core 10.3.1.1, 4.3.2."""
    rule = "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL #/items/1"
    compatible(of(STRING), of(STRING, True), [rule], ["a", "b"])


def test_item_added_to_closed_content_model() -> None:
    """Core 10.3.1.2: no more items were written."""
    rule = "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL #/items/1"
    compatible(of(STRING, rest=False), of(STRING, NUMBER, rest=False), [rule], ["a"])
    compatible(modern(STRING, rest=False), modern(STRING, NUMBER, rest=False), [rule], ["a"])
    closed = {"unevaluatedItems": False}
    compatible(modern(STRING, **closed), modern(STRING, NUMBER, **closed), [rule], ["a"])


def test_item_removed_from_open_content_model() -> None:
    """Core 10.3.1.1."""
    rule = "ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL #/items/1"
    compatible(of(STRING, NUMBER), of(STRING), [rule], ["a", 1])


def test_item_with_false_removed_from_closed_content_model() -> None:
    """Core 4.3.2, 10.3.1.1: where `false` stood, there was no item."""
    rule = "ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL #/items/1"
    compatible(of(STRING, False, rest=False), of(STRING, rest=False), [rule], ["a"])


def test_item_removed_from_closed_content_model() -> None:
    """Core 10.3.1.2."""
    rule = "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL #/items/1"
    incompatible(of(STRING, NUMBER, rest=False), of(STRING, rest=False), [rule], ["a", 1])


def test_item_removed_is_covered_by_partially_open_content_model() -> None:
    """Core 10.3.1.2."""
    rule = "ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1"
    compatible(of(STRING, NUMBER, rest=NUMBER), of(STRING, rest=NUMBER), [rule], ["a", 1])
    unevaluated = {"unevaluatedItems": NUMBER}
    compatible(modern(STRING, NUMBER, **unevaluated), modern(STRING, **unevaluated), [rule], ["a", 1])


def test_item_removed_not_covered_by_partially_open_content_model() -> None:
    """Core 10.3.1.2."""
    expected = [
        "TYPE_CHANGED #/items/1",
        "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1",
    ]
    incompatible(of(STRING, NUMBER, rest=STRING), of(STRING, rest=STRING), expected, ["a", 1])


def test_item_added_is_covered_by_partially_open_content_model() -> None:
    """Core 10.3.1.2."""
    rule = "ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1"
    compatible(of(STRING, rest=NUMBER), of(STRING, NUMBER, rest=NUMBER), [rule], ["a", 1])
    unevaluated = {"unevaluatedItems": NUMBER}
    compatible(modern(STRING, **unevaluated), modern(STRING, NUMBER, **unevaluated), [rule], ["a", 1])


def test_item_added_not_covered_by_partially_open_content_model() -> None:
    """Core 10.3.1.2."""
    expected = [
        "TYPE_CHANGED #/items/1",
        "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1",
    ]
    incompatible(of(STRING, rest=STRING), of(STRING, NUMBER, rest=STRING), expected, ["a", "b"])

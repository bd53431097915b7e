"""Schemas made to take long, or much memory: an answer comes all the same, in words and in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.contract import DEEPEST, LARGEST_TEXT
from kopfka_registry.formats.jsonschema import FORMAT
from kopfka_registry.formats.jsonschema.compare.matching import Matching
from kopfka_registry.formats.jsonschema.compare.outcome import MOST_TOLD
from kopfka_registry.formats.jsonschema.examine import Budget
from kopfka_registry.formats.jsonschema.regexes import broken as broken_pattern
from registry.formats.jsonschema.evolution import INTEGER, NUMBER, STRING, broken, changes, parsed


def nested(levels: int, leaf: Any) -> str:
    """Return a text of `levels` levels of brackets around a leaf."""
    inside = json.dumps(leaf)
    return '{"items":' * levels + inside + "}" * levels


def test_the_deepest_schema_is_worked_on() -> None:
    one, other = (FORMAT.parse(nested(DEEPEST - 1, leaf), {}) for leaf in (INTEGER, NUMBER))
    assert [each.path for each in one.differences(other)] == ["#/" + "/".join(["items"] * (DEEPEST - 1))]
    assert other.differences(one) == []
    assert one.normalized().canonical == one.canonical


@pytest.mark.parametrize("text", [nested(DEEPEST, INTEGER), nested(90_000, 1), "[" * 900_000, '{"a":' * 150_000])
def test_deeper_ones_are_refused(text: str) -> None:
    with pytest.raises(SchemaTooComplexError, match=f"^the schema is nested deeper than {DEEPEST} levels$"):
        FORMAT.parse(text, {})


def test_brackets_in_strings_are_no_levels() -> None:
    assert FORMAT.parse(json.dumps({"title": '[{\\"' * 1000}), {}).name == '[{\\"' * 1000


def test_a_text_that_never_ends_its_string() -> None:
    with pytest.raises(InvalidSchemaError, match="Unterminated string"):
        FORMAT.parse('{"title":"' + '\\"' * 450_000, {})


def test_larger_texts_are_refused() -> None:
    with pytest.raises(SchemaTooComplexError, match="characters; at most 1000000 are worked on"):
        FORMAT.parse(json.dumps({"title": "a" * LARGEST_TEXT}), {})
    with pytest.raises(SchemaTooComplexError, match="in the reference 'big': the schema has "):
        FORMAT.parse('{"$ref":"big"}', {"big": json.dumps({"title": "a" * LARGEST_TEXT})})


def test_as_many_schemas_as_a_text_can_hold() -> None:
    text = '{"allOf":[' + ",".join(["{}"] * 300_000) + "]}"
    assert FORMAT.parse(text, {}).canonical == text


def test_references_are_bounded_all_together() -> None:
    big = '{"allOf":[' + ",".join(["{}"] * 300_000) + "]}"
    root = {"allOf": [{"$ref": f"r{number}"} for number in range(5)]}
    with pytest.raises(SchemaTooComplexError, match="reading the schema with what it refers to takes more than"):
        FORMAT.parse(json.dumps(root), {f"r{number}": big for number in range(5)})


def test_huge_enums_are_compared_as_sets() -> None:
    before, after = list(range(40_000)), list(range(1, 40_001))
    assert broken({"enum": before}, {"enum": after}) == ["ENUM_ARRAY_CHANGED #/enum"]


def test_numbers_with_one_hash_are_no_worse_than_others() -> None:
    """Python's hashes of numbers are remainders, so that numbers can be chosen which all have the same one."""
    modulus = 2**61 - 1
    values = [number * modulus for number in range(20_000)]
    assert len({hash(each) for each in values}) == 1
    assert broken({"enum": values}, {"enum": values[1:]}) == ["ENUM_ARRAY_NARROWED #/enum"]


def many(count: int, name: str, kind: str = "const") -> dict[str, Any]:
    return {"oneOf": [{"type": "object", "properties": {name: {kind: number}}} for number in range(count)]}


def test_thousands_of_parts_of_which_one_changes() -> None:
    writer, reader = many(3000, "a"), many(3000, "a")
    reader["oneOf"][17]["properties"]["a"] = {"const": "other"}
    assert broken(writer, reader) == ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"]
    reader["oneOf"][17]["properties"]["a"] = {"const": 17, "title": "t"}
    assert broken(writer, reader) == []


def test_thousands_of_parts_that_all_change() -> None:
    with pytest.raises(SchemaTooComplexError, match=r"^comparing the two schemas takes more than 1000000 steps$"):
        broken(many(2000, "a"), many(2000, "b"))


def test_parts_that_all_fit_all() -> None:
    writer = {"anyOf": [{**INTEGER, "minimum": number} for number in range(60)]}
    reader = {"anyOf": [{**NUMBER, "minimum": -number} for number in range(60)]}
    assert broken(writer, reader) == []


def test_a_bomb_of_references() -> None:
    """Ninety definitions, each of which refers a dozen times to the next one: 12**90 schemas if written out."""

    def bomb(leaf: Any) -> dict[str, Any]:
        definitions = {
            f"d{level}": {"properties": {f"p{each}": {"$ref": f"#/definitions/d{level + 1}"} for each in range(12)}}
            for level in range(90)
        }
        return {"$ref": "#/definitions/d0", "definitions": {**definitions, "d90": leaf}}

    assert broken(bomb(INTEGER), bomb(NUMBER)) == []
    told = broken(bomb(NUMBER), bomb(INTEGER))
    assert 1 < len(told) <= MOST_TOLD
    assert told[0] == "TYPE_NARROWED #/" + "/".join(["properties/p0"] * 90)


def test_a_bomb_of_other_schemas() -> None:
    texts = {f"r{level}": json.dumps({"allOf": [{"$ref": f"r{level + 1}"}] * 2}) for level in range(40)}
    schema = FORMAT.parse('{"$ref":"r0"}', {**texts, "r40": "{}"})
    with pytest.raises(SchemaTooComplexError, match="with its references, the schema has more than"):
        schema.formatted("resolved")


def test_other_schemas_one_in_the_other() -> None:
    texts = {f"r{level}": json.dumps({"items": {"$ref": f"r{level + 1}"}}) for level in range(300)}
    schema = FORMAT.parse('{"$ref":"r0"}', {**texts, "r300": "{}"})
    with pytest.raises(SchemaTooComplexError, match=f"nested deeper than {DEEPEST} levels"):
        schema.formatted("resolved")
    chain = {f"r{level}": json.dumps({"$ref": f"r{level + 1}"}) for level in range(3000)}
    assert FORMAT.parse('{"$ref":"r0"}', {**chain, "r3000": '{"type":"null"}'}).formatted("resolved") == (
        '{"allOf":[{"type":"null"}]}'
    )


def test_expressions_that_explode_elsewhere() -> None:
    """Patterns are run by RE2, over names only; over a name of any length, in linear time."""
    name = "a" * 900 + "!"
    patterns = {"^(a+)+$": STRING, "^(a|a)*b$": STRING, "(a?){200}a{200}$": STRING, "^(?=(a+)+$)": NUMBER}
    writer = {"type": "object", "properties": {name: STRING}, "additionalProperties": False}
    found = broken(writer, {"type": "object", "patternProperties": patterns})
    assert f"PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/{name}" in found


def test_names_without_measure_are_not_looked_at() -> None:
    name = "a" * 900_000
    writer = {"properties": {name: STRING}, "additionalProperties": False}
    reader = {"patternProperties": {"((a?){300})(a{300})b": INTEGER}, "additionalProperties": False}
    assert len(broken(writer, reader)) == 2


def test_expressions_without_number() -> None:
    parsed({"properties": {f"p{number}": {"pattern": f"(a+)+${number}"} for number in range(8000)}})
    parsed({"patternProperties": {f"(a{{1000}}){{1}}|{number}": {} for number in range(8000)}})


@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        ("^a", True), ("(?=a)", True), ("(?!a)b", True), ("(?<=a)b", True), (r"(a)\1", True), ("[]", True),
        ("[^]", True), ("a{1001}", True), (r"\p{L}", True), (r"\uD83D", True), ("(?<n>a)", True), ("x{", True),
        ("(", False), ("a)", False), ("[a", False), ("*a", False), ("a\\", False), ("((a)", False), ("+", False),
    ],
)  # fmt: skip
def test_what_is_no_expression_anywhere_is_refused(pattern: str, good: bool) -> None:
    """Confluent refuses what Java cannot compile; here, what no dialect could."""
    assert (broken_pattern(pattern) is None) is good
    for schema, place in (
        ({"pattern": pattern}, "pattern"),
        ({"patternProperties": {pattern: {}}}, "patternProperties"),
    ):
        if good:
            parsed(schema)
        else:
            with pytest.raises(InvalidSchemaError, match=f"^#/{place}: .* is no regular expression: "):
                parsed(schema)


def test_ids_inside_ids() -> None:
    schema: dict[str, Any] = {}
    for _ in range(60):
        schema = {"$id": "a" * 4000 + "/", "properties": {"a": schema}}
    assert FORMAT.parse(json.dumps(schema), {}).name is None


def test_very_many_differences_are_not_all_told() -> None:
    writer, reader = ({"properties": {f"f{n}": kind for n in range(3000)}} for kind in (STRING, INTEGER))
    told = broken(writer, reader)
    assert told[0] == "TYPE_CHANGED #/properties/f0"
    assert len(told) == MOST_TOLD


def test_a_small_change_of_a_large_schema() -> None:
    def schema(kind: Any) -> dict[str, Any]:
        return {"properties": {f"f{n}": {**STRING, "title": f"Field {n}"} if n != 4321 else kind for n in range(8000)}}

    assert changes(schema(INTEGER), schema(NUMBER)) == ["TYPE_EXTENDED #/properties/f4321"]


def test_errors_are_short() -> None:
    with pytest.raises(InvalidSchemaError) as refused:
        parsed({"type": ["long\ntext" * 10_000]})
    assert len(str(refused.value)) < 250
    assert "\n" not in str(refused.value)


def test_a_budget_ends() -> None:
    budget = Budget("testing", 3)
    budget.spend(3)
    with pytest.raises(SchemaTooComplexError, match=r"^testing takes more than"):
        budget.spend()


def test_a_matching_is_a_maximum() -> None:
    """Against all matchings there are, of all graphs of three and three vertices."""
    for graph in range(2**9):
        edges = [[right for right in range(3) if graph >> (left * 3 + right) & 1] for left in range(3)]
        matching = Matching(3, 3, lambda _: None)
        while (wanted := matching.next_wanted()) is not None:
            matching.tell(wanted, edges[wanted])
        pairs = dict(matching.pairs())
        assert all(right in edges[left] for left, right in pairs.items())
        assert len(set(pairs.values())) == len(pairs) == _largest(edges)


def _largest(edges: list[list[int]], used: frozenset[int] = frozenset()) -> int:
    if not edges:
        return 0
    without = _largest(edges[1:], used)
    return max([without, *(1 + _largest(edges[1:], used | {right}) for right in edges[0] if right not in used)])


def test_a_matching_starts_with_the_pairs_given() -> None:
    matching = Matching(2, 2, lambda _: None)
    matching.pair(0, 0)
    matching.pair(1, 0)
    assert dict(matching.pairs()) == {0: 0}
    assert matching.next_wanted() == 1
    matching.tell(1, [0])
    assert matching.next_wanted() == 0
    matching.tell(0, [0, 1])
    assert matching.next_wanted() is None
    assert dict(matching.pairs()) == {0: 1, 1: 0}

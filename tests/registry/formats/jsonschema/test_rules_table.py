"""The table of rules: complete, tested rule by rule, and in Confluent's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kopfka_registry.formats.jsonschema import JsonDifference
from kopfka_registry.formats.jsonschema.rules import LENIENT, OURS, RULES
from registry.formats.jsonschema import (
    test_rules_arrays,
    test_rules_combined,
    test_rules_content,
    test_rules_objects,
    test_rules_values,
)
from registry.formats.jsonschema.evolution import NUMBER, STRING, parsed

if TYPE_CHECKING:
    from types import ModuleType

MODULES: tuple[ModuleType, ...] = (
    test_rules_arrays,
    test_rules_combined,
    test_rules_content,
    test_rules_objects,
    test_rules_values,
)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_a_test_that_cites_its_source(name: str) -> None:
    found = [getattr(module, f"test_{name.lower()}") for module in MODULES if hasattr(module, f"test_{name.lower()}")]
    assert len(found) == 1
    assert re.match(r"(Core|Validation) \d|Confluent", found[0].__doc__)
    assert RULES[name].source.startswith(("Core ", "Validation ", "Confluent"))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_hurts_says_so_in_words_and_what_does_not_is_never_told(rule: object) -> None:
    assert bool(rule.text) is not rule.compatible
    if rule.text:
        assert "'{path}'" in rule.text
        assert "{reader}" in rule.text
        assert "{writer}" in rule.text


def test_what_is_kinder_than_json_schema_is_written_down() -> None:
    assert {name for text in LENIENT.values() for name in re.findall(r"[A-Z]+_[A-Z_]+", text)} <= RULES.keys()
    assert [name for name, rule in RULES.items() if OURS in rule.source and not rule.compatible] == [
        "PATTERN_PROPERTY_ADDED",
        "PATTERN_PROPERTY_REMOVED_FROM_CLOSED",
        "PROPERTY_NAMES_ADDED",
        "CONTAINS_ADDED",
        "CONTAINS_CHANGED",
        "CONDITION_CHANGED",
    ]


def test_a_difference_is_told_as_confluent_tells_it() -> None:
    writer, reader = parsed({"properties": {"a": STRING}}), parsed({"properties": {"a": {**STRING, "maxLength": 4}}})
    (difference,) = reader.differences(writer)
    assert difference.path == "#/properties/a/maxLength"
    assert difference.additional == "maxLength"
    assert difference.told("new", "old") == (
        '{errorType:"MAX_LENGTH_ADDED", description:"The keyword at path \'#/properties/a/maxLength\' in the new '
        'schema is not present in the old schema"}'
    )
    assert difference.told("old", "new") == (
        '{errorType:"MAX_LENGTH_ADDED", description:"The keyword at path \'#/properties/a/maxLength\' in the old '
        'schema is not present in the new schema"}'
    )


def test_names_are_told_as_they_are() -> None:
    """Confluent does not escape names in paths."""
    writer = parsed({"properties": {"a/b~c": STRING}})
    reader = parsed({"properties": {"a/b~c": NUMBER}})
    assert [each.path for each in reader.differences(writer)] == ["#/properties/a/b~c"]


def test_differences_are_values() -> None:
    one, other = (JsonDifference("A", "#/", "t") for _ in range(2))
    assert one == other

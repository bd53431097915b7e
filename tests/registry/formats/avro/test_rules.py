"""Each rule of Avro compatibility: the cases it has, and where it is written down."""

from __future__ import annotations

import pytest

from kopfka_registry.formats.avro import FORMAT
from kopfka_registry.formats.avro.rules import PROMOTIONS, Rules
from registry.formats.avro.cases import CASES


def check(rule: Rules) -> None:
    """Compare all pairs of a rule, which has some that follow it, and some that break it where that can be."""
    cases = [case for case in CASES if case.rule is rule]
    for case in cases:
        reader, writer = (FORMAT.parse(text, {}) for text in case.texts)
        told = [(each.rule, each.path, each.additional) for each in reader.differences(writer)]
        assert told == list(case.told), str(case)
    errors = {error for case in cases for error, _, _ in case.told}
    assert rule is Rules.FIELD_IS_ONE or any(not case.told for case in cases) or rule is Rules.FIELD_OF_ENUM
    assert not rule.error or rule.error in errors


def test_types_match():
    """Avro specification, Schema Resolution: for a match, both schemas are of the same type, or the writer's is
    promoted."""
    check(Rules.TYPES_MATCH)


def test_promotion():
    """Avro specification, Schema Resolution: the writer's schema may be promoted to the reader's."""
    check(Rules.PROMOTION)
    assert {(mine, theirs) for mine in PROMOTIONS for theirs in PROMOTIONS[mine]} == {
        ("long", "int"),
        ("float", "int"),
        ("float", "long"),
        ("double", "int"),
        ("double", "long"),
        ("double", "float"),
        ("string", "bytes"),
        ("bytes", "string"),
    }


def test_names_match():
    """Avro specification, Schema Resolution: both schemas are records, enums or fixed with the same (unqualified)
    name."""
    check(Rules.NAMES_MATCH)


def test_type_alias():
    """Avro specification, Aliases: a writer's schema is rewritten using the reader's aliases."""
    check(Rules.TYPE_ALIAS)


def test_fixed_size():
    """Avro specification, Schema Resolution: both schemas are fixed whose sizes and (unqualified) names match."""
    check(Rules.FIXED_SIZE)


def test_enum_symbols():
    """Avro specification, Schema Resolution: an error where the writer's symbol is not in the reader's enum and that
    has no default."""
    check(Rules.ENUM_SYMBOLS)


def test_enum_default():
    """Avro specification, Schema Resolution: a symbol that is not in the reader's enum becomes the enum's default."""
    check(Rules.ENUM_DEFAULT)


def test_fields_by_name():
    """Avro specification, Schema Resolution: the ordering of fields may be different, and a field only the writer has
    is ignored."""
    check(Rules.FIELDS_BY_NAME)


def test_field_alias():
    """Avro specification, Aliases: a writer's field is renamed to the reader's field that has the alias."""
    check(Rules.FIELD_ALIAS)


def test_field_default():
    """Avro specification, Schema Resolution: an error where a field without default is in the reader's record only."""
    check(Rules.FIELD_DEFAULT)


def test_field_of_enum():
    """Avro's Java library, SchemaCompatibility: an enum's default is no default of its field."""
    check(Rules.FIELD_OF_ENUM)


def test_field_is_one():
    """Avro's Java library, SchemaCompatibility: a reader's field that matches several is an error."""
    check(Rules.FIELD_IS_ONE)


def test_items():
    """Avro specification, Schema Resolution: applied recursively to the item type of arrays."""
    check(Rules.ITEMS)


def test_values():
    """Avro specification, Schema Resolution: applied recursively to the value type of maps."""
    check(Rules.VALUES)


def test_unions():
    """Avro specification, Schema Resolution: if both are unions, the first branch of the reader's that matches the
    chosen one is used."""
    check(Rules.UNIONS)


def test_reader_union():
    """Avro specification, Schema Resolution: if the reader's is a union and the writer's is not, a branch must
    match."""
    check(Rules.READER_UNION)


def test_writer_union():
    """Avro specification, Schema Resolution: if the writer's is a union and the reader's is not, the reader's must
    match the chosen branch; for all data to be read, every one."""
    check(Rules.WRITER_UNION)


def test_recursion():
    """Avro specification, Schema Resolution: the rules are applied recursively."""
    check(Rules.RECURSION)


def test_attributes():
    """Avro's Java library, SchemaCompatibility: compares types, names, sizes, symbols and fields only."""
    check(Rules.ATTRIBUTES)


@pytest.mark.parametrize("rule", Rules, ids=lambda rule: rule.name)
def test_each_rule_has_a_test_that_names_its_source(rule):
    test = globals()[f"test_{rule.name.lower()}"]
    assert " ".join(test.__doc__.split()) == f"{rule.value.docs}."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "TYPE_MISMATCH",
            "The type (path '/fields/0/type') of a field in the new schema does not match with the old schema",
        ),
        ("NAME_MISMATCH", "The name of the schema has changed (path '/name')"),
        (
            "FIXED_SIZE_MISMATCH",
            "The size of FIXED type field at path '/size' in the new schema does not match with the old schema",
        ),
        (
            "MISSING_ENUM_SYMBOLS",
            "The new schema is missing enum symbols '[B, C]' at path '/symbols' in the old schema",
        ),
        (
            "MISSING_UNION_BRANCH",
            "The new schema is missing a type inside a union field at path '/2' in the old schema",
        ),
        (
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            "The field 'f2' at path '/fields/1' in the new schema has no default value "
            "and is missing in the old schema",
        ),
        (
            "READER_FIELD_MATCHES_SEVERAL",
            "The field 'a' at path '/fields/0' in the new schema matches several fields in the old schema "
            "by its name and aliases",
        ),
    ],
)
def test_what_breaks_a_rule_is_told_as_confluents_registry_does(error, said):
    told = {
        difference.told("new", "old")
        for case in CASES
        if any(error == each for each, _, _ in case.told)
        for difference in FORMAT.parse(case.texts[0], {}).differences(FORMAT.parse(case.texts[1], {}))
    }
    assert any(each.startswith(f"{{errorType:'{error}', description:'{said}', additionalInfo:'") for each in told)


def test_the_same_difference_is_told_of_an_old_reader():
    case = next(each for each in CASES if each.title == "one more without")
    (difference,) = FORMAT.parse(case.texts[0], {}).differences(FORMAT.parse(case.texts[1], {}))
    assert difference.told("old", "new") == (
        "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'f2' at path '/fields/1' in the old "
        "schema has no default value and is missing in the new schema', additionalInfo:'f2'}"
    )

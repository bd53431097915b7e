"""Schemas that are made to take the registry's time or memory: refused in words, or done with within the budget."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.avro import FORMAT, resolution
from kopfka_registry.formats.avro.budget import Budget
from kopfka_registry.formats.avro.reading import Reader
from kopfka_registry.formats.contract import DEEPEST, LARGEST_TEXT
from registry.formats.avro.shapes import enum, field, record


def parse(schema: Any, references: dict[str, str] | None = None) -> Any:
    """Return a schema given as JSON."""
    return FORMAT.parse(json.dumps(schema), references or {})


def arrays(levels: int, inner: str = '"int"') -> str:
    """Return arrays in arrays."""
    return '{"type":"array","items":' * levels + inner + "}" * levels


def records(levels: int) -> str:
    """Return records in records."""
    opened = "".join(f'{{"type":"record","name":"R{i}","fields":[{{"name":"a","type":' for i in range(levels))
    return opened + '"int"' + "}]}" * levels


@pytest.mark.parametrize("nested", [arrays, records])
def test_types_are_so_deep_in_one_another(nested):
    text = nested(DEEPEST - 1)
    assert FORMAT.parse(text, {}).canonical == text
    assert not FORMAT.parse(text, {}).differences(FORMAT.parse(text, {}))
    with pytest.raises(SchemaTooComplexError, match=f"nested deeper than {DEEPEST} levels"):
        FORMAT.parse(nested(DEEPEST), {})


@pytest.mark.parametrize("brackets", ["[" * 100_000, '{"a":' * 100_000, '// [\n"x" /* ' + "[" * 500_000])
def test_brackets_are_counted_before_they_are_read(brackets):
    with pytest.raises(InvalidSchemaError):
        FORMAT.parse(brackets, {})


@pytest.mark.parametrize("where", ["attribute", "default"])
def test_values_are_so_deep(where):
    def schema(levels: int) -> str:
        value = "[" * levels + "]" * levels
        if where == "attribute":
            return f'{{"type":"int","x":{value}}}'
        return f'{{"type":"record","name":"R","fields":[{{"name":"a","type":"int","default":{value}}}]}}'

    taken = FORMAT.parse(schema(DEEPEST), {})
    assert taken.canonical == schema(DEEPEST)
    assert taken.normalized().canonical == schema(DEEPEST)
    with pytest.raises(SchemaTooComplexError, match=f"nested deeper than {DEEPEST} levels"):
        FORMAT.parse(schema(DEEPEST + 1), {})


def test_a_text_is_so_long():
    longest = f'{{"type":"int","x":"{"x" * (LARGEST_TEXT - 21)}"}}'
    assert len(longest) == LARGEST_TEXT
    assert FORMAT.parse(longest, {}).canonical == longest
    with pytest.raises(SchemaTooComplexError, match=f"has {LARGEST_TEXT + 1} characters, more than {LARGEST_TEXT}"):
        FORMAT.parse(longest + " ", {})


def test_a_text_that_would_be_longer_when_written_is_refused():
    """Else what is stored could not be read again."""
    numbers = ",".join(["1e300"] * 160_000)
    with pytest.raises(SchemaTooComplexError, match=r"written out, the schema has .* characters"):
        FORMAT.parse(f'{{"type":"int","x":[{numbers}]}}', {})


def test_a_schema_that_would_be_deeper_when_written_is_refused():
    """Types before their definition are written out where they are met, here one in the other."""
    count = DEEPEST + 1
    chain = [record(field("a", f"R{i + 1}"), name=f"R{i}") for i in range(count)]
    with pytest.raises(SchemaTooComplexError, match="written out, the schema is nested deeper"):
        parse([*chain, record(name=f"R{count}")])


def test_a_huge_enum_is_a_schema():
    symbols = [f"S{i}" for i in range(100_000)]
    one, other = parse(enum(*symbols)), parse(enum(*reversed(symbols)))
    assert not one.differences(other)
    assert not other.differences(one)
    (missing,) = parse(enum("S0")).differences(one)
    assert missing.additional.count(",") == len(symbols) - 2


def test_a_huge_record_is_a_schema():
    names = [f"f{i}" for i in range(8_000)]
    one = parse(record(*(field(name, "int", aliases=[f"old_{name}"]) for name in names)))
    other = parse(record(*(field(f"old_{name}", "int") for name in reversed(names))))
    assert not one.differences(other)
    assert len(other.differences(one)) == len(names)


def test_types_that_lead_to_types_are_compared_however_deep():
    """A chain of names is no nesting; the comparison has no recursion that could end in it."""

    def chain(end: str) -> Any:
        first = record(field("a", end), name="R0")
        return parse([first, *(record(field("a", f"R{i}"), name=f"R{i + 1}") for i in range(3000))])

    assert not chain("int").differences(chain("int"))
    assert [each.rule for each in chain("int").differences(chain("string"))] == ["MISSING_UNION_BRANCH"] * 3001


def test_what_doubles_at_each_step_is_compared_and_told_once():
    """Each record has two fields of the one before: 2^60 ways to the first one."""

    def doubling(end: str) -> Any:
        first = record(field("a", end), name="R0")
        chain = [record(field("a", f"R{i}"), field("b", f"R{i}"), name=f"R{i + 1}") for i in range(60)]
        return parse(record(field("x", ["null", first]), *(field(f"y{i}", each) for i, each in enumerate(chain))))

    assert not doubling("int").differences(doubling("int"))
    assert {each.rule for each in doubling("int").differences(doubling("string"))} == {
        "MISSING_UNION_BRANCH",
        "TYPE_MISMATCH",
    }


def test_unions_of_many_types_take_no_more_than_the_budget():
    """Names that many branches have are no help."""

    def union(shared: str) -> Any:
        return parse([record(field("a", shared), name=f"n{i}.R") for i in range(1500)])

    assert not union("int").differences(union("int"))
    with pytest.raises(SchemaTooComplexError, match="comparing the two schemas takes more than"):
        union("int").differences(union("string"))


def test_unions_of_thousands_of_types_are_compared():
    def union(*fields: Any) -> Any:
        return parse([record(*fields, name=f"R{i}") for i in range(5000)])

    one, other = field("a", "int"), field("b", "string")
    assert not union(one, other).differences(union(other, one))
    assert len(union(one, other).differences(union(other))) == 5000


def test_paths_to_deep_differences_take_no_more_than_the_budget():
    """A difference at each of many levels: the paths alone would be gigabytes."""

    def chain(*more: Any) -> Any:
        first = record(field("a", "int"), *more, name="R0")
        records = [first, *(record(field("a", f"R{i}"), *more, name=f"R{i + 1}") for i in range(6000))]
        return parse(record(*(field(f"f{i}", each) for i, each in enumerate(reversed(records)))))

    with pytest.raises(SchemaTooComplexError):
        chain(field("more", "int")).differences(chain())


def test_types_in_themselves_are_compared():
    """Each record has fields of all records, which makes pairs of each with each."""

    def dense(count: int, shift: int) -> Any:
        names = [f"R{i}" for i in range(count)]
        turned = [names[i * shift % count :] + names[: i * shift % count] for i in range(count)]
        return parse(
            [
                record(*(field(f"f{i}", each) for i, each in enumerate(order)), name=name)
                for name, order in zip(names, turned, strict=True)
            ]
        )

    assert not dense(100, 1).differences(dense(100, 1))
    assert dense(20, 1).differences(dense(20, 2))
    with pytest.raises(SchemaTooComplexError, match="comparing the two schemas takes more than"):
        dense(120, 1).differences(dense(120, 2))


def test_aliases_that_name_each_other():
    fields = field("a", "int", aliases=["b"]), field("b", "int", aliases=["a"])
    one = parse(record(*fields, name="A", aliases=["B", "A"]))
    other = parse(record(field("b", "int"), name="B", aliases=["A"]))
    assert not one.differences(other)
    assert [each.rule for each in one.differences(one)] == ["READER_FIELD_MATCHES_SEVERAL"]
    assert not other.differences(one)


def test_definitions_again_and_again_take_no_more_than_the_budget():
    """Each is compared with the first one, also those within it."""
    inner: Any = record(field("a", "int", default=list(range(40_000))), name="R0")
    for i in range(1, 60):
        inner = record(field("a", inner), name=f"R{i}")
    outer = json.dumps(record(field("a", inner), name="A"))
    again = json.dumps(record(field("a", inner), name="B"))
    with pytest.raises(SchemaTooComplexError, match="reading the schema takes more than"):
        FORMAT.parse(again, {"a": outer})


def test_defaults_that_need_defaults_take_no_more_than_the_budget():
    """Each record's default is that of two fields of the one before: 2^60 values."""
    chain = [record(field("a", "int", default=0), name="R0")]
    for i in range(60):
        fields = [field(name, f"R{i}", default={}) for name in "ab"]
        chain.append(record(*fields, name=f"R{i + 1}"))
    schema = parse(record(*(field(f"f{i}", each) for i, each in enumerate(chain))))
    with pytest.raises(SchemaTooComplexError, match="checking the defaults of the schema takes more than"):
        schema.check_defaults()


def test_a_default_that_needs_itself():
    schema = parse(record(field("a", "R", default={})))
    with pytest.raises(SchemaTooComplexError, match=f"more than {DEEPEST} levels of other defaults"):
        schema.check_defaults()


def test_references_count_too():
    large = json.dumps(enum(*(f"S{i}" for i in range(100_000)), name="NAME"))
    references = {str(i): large.replace("NAME", f"E{i}") for i in range(20)}
    with pytest.raises(SchemaTooComplexError, match="reading the schema takes more than"):
        FORMAT.parse('"int"', references)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"record","name":"R","fields":[{"name":"a","type":"float","default":"' + "1" * 900_000 + 'x"}]}',
        '{"type":"record","name":"R","fields":[{"name":"a","type":"float","default":"' + " " * 900_000 + 'x"}]}',
        "/*/" * 300_000,
        '"' + "\\" * 900_000,
        '"' * 900_001,
        "//" * 400_000 + "\n" + "//" * 90_000,
        '{"type":"record","name":"' + "a." * 450_000 + '","fields":[]}',
        "1" * 900_000,
        '["' + "x" * 900_000 + '"]',
    ],
    ids=["digits", "blanks", "comments", "backslashes", "quotes", "comment", "dots", "number", "name"],
)
def test_no_text_takes_more_time_than_its_length(text):
    with pytest.raises(InvalidSchemaError) as refused:
        FORMAT.parse(text, {})
    assert len(str(refused.value)) < 1000
    assert "\n" not in str(refused.value)


def test_steps_are_counted():
    budget = Budget("the work", 3)
    budget.spend()
    budget.spend(2)
    with pytest.raises(SchemaTooComplexError, match="the work takes more than 3 steps"):
        budget.spend()
    # what is small takes few: what is bounded is far away from what people write
    with pytest.raises(SchemaTooComplexError):
        Reader(Budget("reading", 4)).read('{"type":"array","items":{"type":"map","values":["int","string"]}}')
    Reader(Budget("reading", 20)).read('{"type":"array","items":{"type":"map","values":["int","string"]}}')
    assert resolution.differences.__doc__

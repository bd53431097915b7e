"""The one form that all spellings of a schema share (`normalize=true`)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given

from kopfka_registry.formats.avro import FORMAT
from registry.formats.avro import samples


def normal(text: str, references: dict[str, str] | None = None) -> str:
    """Return the normal text of a schema."""
    return FORMAT.parse(text, references or {}).normalized().canonical


def of_field(of: str, default: str) -> str:
    """Return a record with a field of a type with a default."""
    return f'{{"type":"record","name":"R","fields":[{{"name":"a","type":{of},"default":{default}}}]}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '{"type":"string","b":1,"a":{"z":1,"y":[{"d":1,"c":2}]}}',
            '{"type":"string","a":{"y":[{"c":2,"d":1}],"z":1},"b":1}',
            id="attributes in order",
        ),
        pytest.param(
            '{"type":"int","a":1,"logicalType":"date"}',
            '{"type":"int","logicalType":"date","a":1}',
            id="a logical type first",
        ),
        pytest.param(
            '{"type":"bytes","scale":2,"precision":4,"a":1,"logicalType":"decimal"}',
            '{"type":"bytes","logicalType":"decimal","precision":4,"scale":2,"a":1}',
            id="a decimal first",
        ),
        pytest.param(
            '{"type":"bytes","scale":0,"precision":4,"a":1,"logicalType":"decimal"}',
            '{"type":"bytes","logicalType":"decimal","precision":4,"a":1,"scale":0}',
            id="but not a scale of 0",
        ),
        pytest.param(
            '{"type":"bytes","precision":0,"a":1,"logicalType":"decimal"}',
            '{"type":"bytes","a":1,"logicalType":"decimal","precision":0}',
            id="an invalid decimal does not",
        ),
        pytest.param(
            '{"type":"string","a":1,"logicalType":"date"}',
            '{"type":"string","a":1,"logicalType":"date"}',
            id="a misplaced one does not",
        ),
        pytest.param(
            '{"type":"string","a":1,"avro.java.string":"String","logicalType":"uuid"}',
            '{"type":"string","a":1,"avro.java.string":"String","logicalType":"uuid"}',
            id="a class excludes one",
        ),
        pytest.param(
            '{"type":"fixed","name":"F","size":12,"a":1,"logicalType":"duration"}',
            '{"type":"fixed","name":"F","size":12,"logicalType":"duration","a":1}',
            id="a duration first",
        ),
        pytest.param(
            '{"type":"fixed","name":"F","size":2,"a":1,"precision":4,"logicalType":"decimal"}',
            '{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"a":1}',
            id="2 bytes: 4 digits",
        ),
        pytest.param(
            '{"type":"fixed","name":"F","size":2,"a":1,"precision":5,"logicalType":"decimal"}',
            '{"type":"fixed","name":"F","size":2,"a":1,"logicalType":"decimal","precision":5}',
            id="not 5",
        ),
        pytest.param(
            '{"type":"enum","name":"E","symbols":["B","A"],"aliases":["n.C","B","A"],"doc":"","x":1,"default":"A"}',
            '{"type":"enum","name":"E","symbols":["B","A"],"default":"A","x":1,"aliases":["A","B","n.C"]}',
            id="aliases in order, no empty documentation, symbols as they are",
        ),
        pytest.param(
            '{"type":"error","name":"R","namespace":"n","fields":[{"name":"a","type":"int","doc":"","order":"ascending","aliases":["c","b"]}]}',
            '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int","doc":"","aliases":["b","c"]}]}',
            id="an error is a record, a field's empty documentation stays",
        ),
        pytest.param(
            '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"n.F","namespace":"m","size":1}},{"name":"b","type":"n.F"}]}',
            '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":1}},{"name":"b","type":"F"}]}',
            id="names as short as can be",
        ),
    ],
)
def test_what_is_normal(text, expected):
    assert normal(text) == expected


@pytest.mark.parametrize(
    ("of", "default", "expected"),
    [
        ('"int"', "1", "1"),
        ('"float"', "1", "1.0"),
        ('"float"', "0.1", "0.1"),
        ('"float"', "3.14159265358979", "3.1415927"),
        ('"float"', "16777217", "1.6777216E7"),
        ('"float"', "1e39", '"Infinity"'),
        ('"float"', '"NaN"', '"NaN"'),
        ('"double"', "1", "1.0"),
        ('"double"', "0.1", "0.1"),
        ('"bytes"', '"\\u00ff\\u0100"', '"ÿ?"'),
        ('["null","double"]', "null", "null"),
        ('["double","null"]', "2", "2.0"),
        ('{"type":"array","items":"float"}', "[1,2]", "[1.0,2.0]"),
        ('{"type":"map","values":"double"}', '{"b":1,"a":2}', '{"a":2.0,"b":1.0}'),
        (
            '{"type":"record","name":"S","fields":[{"name":"y","type":"double"},{"name":"x","type":"int"}]}',
            '{"y":1,"x":1}',
            '{"x":1,"y":1.0}',
        ),
        # Confluent's registry would leave these out, and readers without their default
        ('["null","double"]', "2", "2"),
        ('"int"', '"x"', '"x"'),
    ],
)
def test_defaults_are_as_their_type_has_them(of, default, expected):
    assert normal(of_field(of, default)) == normal(of_field(of, expected)) == of_field(of, expected)


def test_references_stay_names():
    references = {"e": '{"type":"enum","name":"n.E","symbols":["A"]}'}
    text = '{"type":"record","name":"R","fields":[{"name":"e","type":"n.E"}],"b":1,"a":2}'
    assert normal(text, references) == text.replace('"b":1,"a":2', '"a":2,"b":1')
    resolved = FORMAT.parse(text, references).normalized().formatted("resolved")
    assert '"type":{"type":"enum","name":"E","namespace":"n","symbols":["A"]}' in resolved
    assert '"a":2,"b":1' in resolved


@given(seed=samples.seeds)
def test_the_normal_form_is_normal_and_the_same_schema(seed):
    schema = FORMAT.parse(samples.text(samples.made(Random(seed))), {})
    normalized = schema.normalized()
    assert normalized.normalized() is normalized
    again = FORMAT.parse(normalized.canonical, {})
    assert again.normalized().canonical == normalized.canonical == again.canonical
    assert not again.differences(schema)
    assert not schema.differences(again)
    assert again.name == schema.name

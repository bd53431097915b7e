"""Defaults that do not fit their types: taken by `parse`, and refused where that is asked for."""

from __future__ import annotations

import pytest

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.avro import FORMAT

_RECORD = '{"type":"record","name":"S","fields":[{"name":"x","type":"int"},{"name":"y","type":"int","default":1}]}'


def schema(of: str, default: str) -> str:
    """Return a record with a field of a type with a default."""
    return f'{{"type":"record","name":"R","namespace":"n","fields":[{{"name":"a","type":{of},"default":{default}}}]}}'


@pytest.mark.parametrize(
    ("of", "default"),
    [
        ('"null"', "null"),
        ('"boolean"', "true"),
        ('"int"', "-2147483648"),
        ('"long"', "9223372036854775807"),
        ('"float"', "1"),
        ('"float"', '"1.5"'),
        ('"double"', "1.5"),
        ('"bytes"', '"x"'),
        ('"string"', '""'),
        ('{"type":"enum","name":"E","symbols":["A"]}', '"A"'),
        # neither Avro nor Confluent look at the symbols, or at the size
        ('{"type":"enum","name":"E","symbols":["A"]}', '"B"'),
        ('{"type":"fixed","name":"F","size":2}', '"x"'),
        ('{"type":"array","items":"int"}', "[1,2]"),
        ('{"type":"map","values":"int"}', '{"k":1}'),
        ('["null","int"]', "null"),
        ('["null","int"]', "1"),
        (_RECORD, '{"x":1}'),
        (_RECORD, '{"x":1,"y":2,"z":3}'),
        ('["null","R"]', "null"),
        ('["null","R"]', '{"a":null}'),
    ],
)
def test_a_default_that_fits(of, default):
    FORMAT.parse(schema(of, default), {}).check_defaults()


@pytest.mark.parametrize(
    ("of", "default"),
    [
        ('"null"', "0"),
        ('"boolean"', "0"),
        ('"int"', "2147483648"),
        ('"int"', "1.0"),
        ('"int"', "true"),
        ('"long"', "9223372036854775808"),
        ('"long"', '"1"'),
        ('"float"', "true"),
        ('"double"', "null"),
        ('"bytes"', "1"),
        ('"string"', "null"),
        ('{"type":"enum","name":"E","symbols":["A"]}', "0"),
        ('{"type":"fixed","name":"F","size":2}', "0"),
        ('{"type":"array","items":"int"}', "{}"),
        ('{"type":"array","items":"int"}', '[1,"x"]'),
        ('{"type":"map","values":"int"}', "[]"),
        ('{"type":"map","values":"int"}', '{"k":null}'),
        ('["null","int"]', '"x"'),
        ("[]", "null"),
        (_RECORD, '{"y":1}'),
        (_RECORD, "null"),
        ('{"type":"array","items":"R"}', '[{"a":1}]'),
    ],
)
def test_a_default_that_does_not_fit(of, default):
    parsed = FORMAT.parse(schema(of, default), {})
    with pytest.raises(InvalidSchemaError, match=r"^Invalid default for field a of n\.R: .* does not fit its type"):
        parsed.check_defaults()


def test_defaults_in_references_count():
    references = {"r": schema('"int"', '"x"')}
    with pytest.raises(
        InvalidSchemaError, match=r'^Invalid default for field a of n\.R: "x" does not fit its type int$'
    ):
        FORMAT.parse('["null","n.R"]', references).check_defaults()

"""What is an Avro schema and what is not, and the text it is stored as."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.avro import FORMAT
from registry.formats.avro import samples
from registry.formats.avro.refused import REFUSED
from registry.formats.avro.taken import TAKEN


@pytest.mark.parametrize("text", TAKEN, ids=lambda text: text.title)
def test_a_schema_has_one_text(text):
    schema = FORMAT.parse(text.text, text.references)
    assert schema.canonical == text.canonical
    assert FORMAT.parse(schema.canonical, text.references).canonical == text.canonical


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text.title)
def test_what_is_no_schema_is_refused_with_the_place(text):
    with pytest.raises(InvalidSchemaError) as refused:
        FORMAT.parse(text.text, text.references)
    assert not isinstance(refused.value, SchemaTooComplexError)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(text.why)


@given(seed=samples.seeds)
def test_white_space_and_the_order_of_attributes_do_not_count(seed):
    random = Random(seed)
    schema = samples.made(random)

    def shuffled(value):
        if isinstance(value, list):
            return [shuffled(each) for each in value]
        if not isinstance(value, dict):
            return value
        # what Avro does not define keeps its order
        defined = [key for key in value if key in ("type", "name", "namespace", "fields", "items", "values", "symbols")]
        random.shuffle(defined)
        inner = {key: shuffled(value[key]) for key in defined}
        return inner | {key: each for key, each in value.items() if key not in inner}

    spaced = json.dumps(shuffled(schema), indent=random.randint(0, 3))
    assert FORMAT.parse(spaced, {}).canonical == FORMAT.parse(json.dumps(schema), {}).canonical


@given(seed=samples.seeds)
def test_a_text_that_is_stored_is_read_as_the_same(seed):
    schema = FORMAT.parse(samples.text(samples.made(Random(seed))), {})
    again = FORMAT.parse(schema.canonical, {})
    assert again.canonical == schema.canonical
    assert not again.differences(schema)
    assert not schema.differences(again)


def test_a_text_that_is_canonical_is_not_held_twice():
    text = '{"type":"array","items":"int"}'
    assert FORMAT.parse(text, {}).canonical is text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"type":"record","name":"a.R","fields":[]}', "a.R"),
        ('{"type":"record","name":"R","fields":[]}', "R"),
        ('{"type":"enum","name":"E","symbols":[]}', None),
        ('"int"', None),
    ],
)
def test_a_record_has_a_name(text, name):
    assert FORMAT.parse(text, {}).name == name


def test_references_are_named_or_written_out():
    references = {
        "e.avsc": '{"type":"enum","name":"com.acme.E","symbols":["A"],"doc":"d"}',
        "s.avsc": '{"type":"record","name":"S","namespace":"com.acme","fields":[{"name":"e","type":"E"}]}',
    }
    text = '{"type":"record","name":"R","fields":[{"name":"s","type":"com.acme.S"},{"name":"t","type":"com.acme.S"}]}'
    schema = FORMAT.parse(text, references)
    assert schema.canonical == schema.formatted("") == schema.formatted("default") == schema.formatted("other") == text
    assert schema.formatted("Resolved") == (
        '{"type":"record","name":"R","fields":[{"name":"s","type":{"type":"record","name":"S","namespace":"com.acme",'
        '"fields":[{"name":"e","type":{"type":"enum","name":"E","doc":"d","symbols":["A"]}}]}},'
        '{"name":"t","type":"com.acme.S"}]}'
    )


def test_an_error_says_which_reference_it_is_in():
    with pytest.raises(InvalidSchemaError, match=r"^in the reference e\.avsc: not JSON: .* \(line 1, column 1\)$"):
        FORMAT.parse('"int"', {"e.avsc": "enum"})

"""Verdicts against what happens to data: fastavro reads with the reader's schema what the writer's wrote."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import fastavro
import pytest
from fastavro.schema import SchemaParseException, UnknownType
from hypothesis import assume, given, settings

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.avro import FORMAT
from registry.formats.avro import samples
from registry.formats.avro.cases import CASES, Case

_TRIES = 20


class Data:
    """Data of a writer's schema, and fastavro as their reader."""

    def __init__(self, reader: str, writer: str) -> None:
        # logical types are no matter of who reads whose data, and not all numbers are dates
        texts = (each.replace('"logicalType"', '"was"') for each in (reader, writer))
        self._named: dict[str, Any] = {}
        reading, writing = (json.loads(each) for each in texts)
        self._writer = fastavro.parse_schema(writing, self._named)
        self._reader = fastavro.parse_schema(reading, {})

    def made(self, random: Random) -> bytes:
        """Return random data of the writer's schema, that fastavro takes for such."""
        data = samples.datum(self._writer, self._named, random)
        fastavro.schemaless_reader(io.BytesIO(data), self._writer, None)
        return data

    def read(self, data: bytes) -> bool:
        """Tell whether data can be read."""
        try:
            fastavro.schemaless_reader(io.BytesIO(data), self._writer, self._reader)
        except Exception:
            return False
        return True


@pytest.mark.parametrize("case", [case for case in CASES if case.writer != []], ids=str)
def test_cases(case: Case):
    """What follows the rules is read, all of it; of what breaks them, something is not."""
    data = Data(*case.texts)
    random = Random(str(case))
    read = [data.read(data.made(random)) for _ in range(_TRIES)]
    assert all(read) == (not case.told or case.lenient)


@settings(max_examples=300)
@given(seed=samples.seeds)
def test_what_is_compatible_can_be_read(seed):
    random = Random(seed)
    texts = [samples.text(each) for each in samples.pair(random)]
    for reader, writer in (texts, reversed(texts)):
        try:
            schemas = [FORMAT.parse(each, {}) for each in (reader, writer)]
            for schema in schemas:
                schema.check_defaults()
        except InvalidSchemaError:
            continue
        if schemas[0].differences(schemas[1]):
            continue
        try:
            data = Data(reader, writer)
            made = [data.made(random) for _ in range(_TRIES)]
        except (UnknownType, SchemaParseException, RecursionError):
            # fastavro takes no type before its definition; and what contains itself without end has no data
            assume(False)
        for each in made:
            assert data.read(each), (reader, writer)

"""The same as Avro's Java library: what is a schema, its text, and who reads whose data and why not."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.avro import FORMAT
from registry.formats.avro import samples
from registry.formats.avro.cases import CASES
from registry.formats.avro.refused import REFUSED
from registry.formats.avro.taken import TAKEN

if TYPE_CHECKING:
    from kopfka_registry.formats.avro import AvroSchema
    from registry.formats.avro.peer import Peer

pytestmark = pytest.mark.java


def parsed(text: str) -> AvroSchema | None:
    """Return a schema, or None where the text is none."""
    try:
        return FORMAT.parse(text, {})
    except InvalidSchemaError:
        return None


def agree(peer: Peer, reader: str, writer: str) -> None:
    """Make sure that both say the same of two schemas: differences once each, in the same order."""
    theirs = peer.compare(reader, writer)
    mine, other = parsed(reader), parsed(writer)
    if mine is None or other is None:
        assert "error" in theirs
        return
    ours = [(each.rule, each.path, each.additional) for each in mine.differences(other)]
    if "threw" in theirs:
        assert "matches multiple fields" in theirs["threw"]
        # it also ends in a branch of a union that by its name is not the writer's; there we look no further
        assert [error for error, _, _ in ours] == ["READER_FIELD_MATCHES_SEVERAL"] or _has_unions(reader)
    else:
        assert ours == list(dict.fromkeys(map(tuple, theirs["differences"])))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(latest, case):
    agree(latest, *case.texts)


@settings(max_examples=300)
@given(seed=samples.seeds)
def test_what_schemas_become(latest, seed):
    old, new = map(samples.text, samples.pair(Random(seed)))
    agree(latest, new, old)
    agree(latest, old, new)


@settings(max_examples=200)
@given(seed=samples.seeds)
def test_what_schemas_become_by_the_library_of_confluents_registry(confluent, seed):
    """It tells writers' unions with other paths, and takes no type before its definition; verdicts are the same."""
    old, new = map(samples.text, samples.pair(Random(seed)))
    for reader, writer in ((new, old), (old, new)):
        theirs = confluent.compare(reader, writer)
        mine, other = parsed(reader), parsed(writer)
        if "differences" in theirs:
            assert mine is not None
            assert other is not None
            assert {error for error, _, _ in theirs["differences"]} == {each.rule for each in mine.differences(other)}


@settings(max_examples=300)
@given(seed=samples.seeds)
def test_texts_of_schemas(latest, confluent, seed):
    text = samples.text(samples.made(Random(seed)))
    mine = FORMAT.parse(text, {})
    for peer in (latest, confluent):
        theirs = peer.parse(text)
        assert (mine.canonical, mine.name) == (theirs["canonical"], theirs["name"])
    # what normalisation changes is nothing that data depend on
    assert latest.parse(mine.normalized().canonical)["form"] == latest.parse(text)["form"]


@settings(max_examples=200)
@given(seed=samples.seeds)
def test_defaults_of_schemas(latest, seed):
    random = Random(seed)
    schema = samples.made(random)
    for field in (each for each in samples.fields(schema) if random.random() < 0.5):
        field["default"] = random.choice([None, True, 1, 2**40, 2**70, 1.5, "x", [], {}, [1], {"f0": 1}])
    text = samples.text(schema)
    mine = parsed(text)
    theirs = latest.parse(text, defaults=True)
    if mine is None:
        # a `float` with a text that is no number
        assert "error" in theirs
    else:
        assert _accepts_defaults(mine) == ("error" not in theirs)


@pytest.mark.parametrize("text", TAKEN, ids=lambda text: text.title)
def test_texts_that_are_taken(latest, confluent, text):
    mine = FORMAT.parse(text.text, text.references)
    for peer in (latest, confluent):
        theirs = peer.parse(text.text, list(text.references.values()))
        if peer.version in text.others_refuse:
            assert "error" in theirs
        else:
            assert mine.canonical == theirs["canonical"] == text.canonical
            assert mine.formatted("resolved") == theirs["resolved"]
            assert mine.name == theirs["name"]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text.title)
def test_texts_that_are_refused(latest, confluent, text):
    for peer in (latest, confluent):
        assert "error" in peer.parse(text.text, list(text.references.values()))


def _has_unions(schema: str) -> bool:
    return any(isinstance(owner[key], list) for owner, key in samples.places({"type": json.loads(schema)}, "type"))


def _accepts_defaults(schema: AvroSchema) -> bool:
    try:
        schema.check_defaults()
    except InvalidSchemaError:
        return False
    return True

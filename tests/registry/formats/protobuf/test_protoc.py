"""What protoc accepts is accepted and described as protoc describes it, byte for byte; what it refuses is refused."""

from __future__ import annotations

import base64
import random

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import HealthCheck, given, settings

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.protobuf import FORMAT
from registry.formats.protobuf import corpus, protoc
from registry.formats.protobuf.mutations import mutated
from registry.formats.protobuf.schemas import schemas

_IMPORTED = corpus.imported()


def _described(text: str, name: str = "main.proto") -> descriptor_pb2.FileDescriptorProto:
    schema = FORMAT.parse(text, _IMPORTED)
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(schema.formatted("serialized")))
    file.name = name
    return protoc.plain(file)


def _same(text: str) -> bool:
    """Check that protoc and the registry say the same; return whether both accept."""
    theirs, complaints = protoc.compiled(text, _IMPORTED)
    ours, said = None, ""
    try:
        ours = _described(text)
    except InvalidSchemaError as error:
        said = str(error)
    assert (ours is None) == (theirs is None), f"{text}\n\nprotoc says: {complaints}, the registry: {said}"
    if ours is None:
        return False
    assert ours == theirs, text
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
    return True


@pytest.mark.parametrize("text", corpus.accepted())
def test_what_protoc_accepts_is_described_as_by_protoc(text: str) -> None:
    assert _same(text)


@pytest.mark.parametrize(("text", "said"), corpus.refused())
def test_what_protoc_refuses_is_refused_with_the_place(text: str, said: str) -> None:
    theirs, _ = protoc.compiled(text, _IMPORTED)
    assert theirs is None
    with pytest.raises(InvalidSchemaError) as refusal:
        FORMAT.parse(text, _IMPORTED)
    assert str(refusal.value) == said


@pytest.mark.parametrize("path", sorted(protoc.bundled()))
def test_the_files_that_come_with_protoc(path: str) -> None:
    text = protoc.bundled()[path]
    theirs, _ = protoc.compiled(text, {}, path)
    assert _described(text, path) == theirs


@pytest.mark.parametrize("seed", range(12))
def test_texts_with_a_word_or_a_statement_changed(seed: int) -> None:
    chance = random.Random(seed)
    bases = [text for text in corpus.accepted() if "(o." not in text and "(p." not in text]
    accepted = sum(_same(mutated(chance.choice(bases), chance)) for _ in range(25))
    assert accepted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas())
def test_generated_schemas(schema) -> None:
    assert _same(schema.text())


def test_a_message_of_map_entries_written_out_is_the_exception() -> None:
    """Canonical texts of schemas that were registered as descriptors have such messages, and must stay readable."""
    text = """syntax = "proto3";
message M {
  repeated .M.CountsEntry counts = 1;
  message CountsEntry {
    option map_entry = true;
    string key = 1;
    int32 value = 2;
  }
}
"""
    assert protoc.compiled(text, {})[0] is None
    as_map, _ = protoc.compiled('syntax = "proto3"; message M { map<string, int32> counts = 1; }', {})
    assert _described(text) == as_map
    for wrong in ("string key = 1;", "int32 value = 2;"):
        with pytest.raises(InvalidSchemaError, match="key = 1 and a value = 2"):
            FORMAT.parse(text.replace(wrong, ""), {})
    with pytest.raises(InvalidSchemaError, match="map_entry is not set by hand"):
        FORMAT.parse(text.replace("counts = 1", "others = 1"), {})

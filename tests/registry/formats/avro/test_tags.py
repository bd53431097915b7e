"""Tags that a schema has in itself."""

from __future__ import annotations

from kopfka_registry.formats.avro import FORMAT


def test_tags_of_records_and_fields():
    references = {"s": '{"type":"record","name":"n.S","fields":[{"name":"x","type":"int","confluent:tags":["B"]}]}'}
    text = """{"type": "record", "name": "R", "confluent:tags": ["T"], "fields": [
        {"name": "a", "type": ["null", {"type": "array", "items": "n.S"}], "confluent:tags": ["PII", "B", 1]},
        {"name": "b", "type": ["null", "R"]},
        {"name": "c", "type": "int", "confluent:tags": []},
        {"name": "d", "type": "int", "confluent:tags": "PII"}
    ]}"""
    assert FORMAT.parse(text, references).inline_tags() == {
        "R": {"T"},
        "R.a": {"PII", "B", "1"},
        "n.S.x": {"B"},
    }
    assert FORMAT.parse('"int"', {}).inline_tags() == {}

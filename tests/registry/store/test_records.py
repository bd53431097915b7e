"""Records of the topic: keys byte for byte as Confluent's registry writes them, values with Confluent's fields."""

from __future__ import annotations

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_registry.models import Config, Metadata, Reference, Rule, RuleSet
from kopfka_registry.names import SchemaId, Version
from kopfka_registry.store.content import Content, Registered
from kopfka_registry.store.records import (
    ClearSubjectKey,
    ConfigKey,
    ContextKey,
    DeleteSubjectKey,
    Entry,
    ModeKey,
    NoopKey,
    SchemaKey,
    UnknownRecordError,
    decode,
    encode,
)

FULL = Content(
    "PROTOBUF",
    'syntax = "proto3";',
    (Reference(name="a.proto", subject="a", version=2),),
    Metadata(tags={"a.b": ("PII",)}, properties={"owner": "me"}, sensitive=("owner",)),
    RuleSet(domain_rules=(Rule(name="r", type="CEL", kind="CONDITION", mode="WRITE", expr="true"),)),
)
ENTRIES = [
    Entry(SchemaKey("s", Version(1)), Registered("s", Version(1), SchemaId(7), Content("AVRO", '"string"'))),
    Entry(SchemaKey(":.c:s", Version(3)), Registered(":.c:s", Version(3), SchemaId(9), FULL, deleted=True)),
    Entry(SchemaKey("s", Version(1))),
    Entry(ConfigKey(None), Config(compatibility_level="FULL")),
    Entry(ConfigKey("s"), Config(compatibility_level="NONE", alias="t", normalize=True)),
    Entry(ConfigKey("s")),
    Entry(ModeKey(None), "IMPORT"),
    Entry(ModeKey("s")),
    Entry(DeleteSubjectKey("s"), Version(4)),
    Entry(ClearSubjectKey("s"), ""),
    Entry(ContextKey(".c"), ""),
    Entry(NoopKey(), {".": 12, ".c": 3}),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{type(entry.key).__name__}-{entry.value is None}")
def test_what_is_written_is_read_again(entry):
    assert decode(*encode(entry)) == entry


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (SchemaKey("s", Version(1)), '{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}'),
        (ConfigKey(None), '{"keytype":"CONFIG","subject":null,"magic":0}'),
        (ModeKey("s"), '{"keytype":"MODE","subject":"s","magic":0}'),
        (DeleteSubjectKey("s"), '{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}'),
        (ClearSubjectKey("s"), '{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}'),
        (ContextKey(".c"), '{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}'),
        (NoopKey(), '{"keytype":"NOOP","magic":0}'),
    ],
)
def test_keys_are_those_of_confluent(key, text):
    assert key.encode() == text.encode()


def test_a_plain_avro_schema_has_the_fields_of_confluent():
    value = orjson.loads(encode(ENTRIES[0])[1])
    assert value.pop("guid")
    assert value == {"subject": "s", "version": 1, "id": 7, "schema": '"string"', "deleted": False}


def test_a_record_of_an_older_release_is_read():
    entry = decode(
        b'{"keytype":"SCHEMA","subject":"test","version":1,"magic":1}',
        b'{"subject":"test","version":1,"id":1,"schema":"\\"int\\"","deleted":false,"md5":"x","ts":5}',
    )
    assert entry.value == Registered("test", Version(1), SchemaId(1), Content("AVRO", '"int"'))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"{}"),
        (b"", None),
        (b"\xff", b"{}"),
        (b"[]", None),
        (b'{"keytype":"NEWS"}', None),
        (b'{"keytype":["SCHEMA"]}', None),
        (b'{"keytype":"SCHEMA","subject":"s"}', None),
        (b'{"keytype":"SCHEMA","subject":"s","version":1}', b'{"id":1}'),
        (b'{"keytype":"SCHEMA","subject":"s","version":1}', b'{"id":"1","schema":"x"}'),
        (b'{"keytype":"SCHEMA","subject":"s","version":1}', b'{"id":1,"schema":"x","references":[{}]}'),
        (b'{"keytype":"CONFIG","subject":"s"}', b'{"alias":5}'),
        (b'{"keytype":"MODE","subject":"s"}', b"5"),
    ],
)
def test_a_record_of_somebody_else_is_told_apart(key, value):
    with pytest.raises(UnknownRecordError):
        decode(key, value)


@given(st.none() | st.binary(max_size=60), st.none() | st.binary(max_size=60))
def test_rubbish_is_told_apart(key, value):
    with pytest.raises(UnknownRecordError):
        decode(key, value)


_names = st.sampled_from(["keytype", "subject", "version", "id", "schema", "references", "metadata", "mode", "lastIds"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(_names, inner),
    max_leaves=8,
)


@given(
    st.sampled_from(["SCHEMA", "CONFIG", "MODE", "DELETE_SUBJECT", "CLEAR_SUBJECT", "CONTEXT", "NOOP"]), _json, _json
)
def test_records_of_any_shape_are_read_or_told_apart(keytype, key, value):
    fields = {**key, "keytype": keytype} if isinstance(key, dict) else {"keytype": keytype, "subject": key}
    try:
        bytes_of = orjson.dumps(fields), orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits
        return
    with contextlib.suppress(UnknownRecordError):
        decode(*bytes_of)

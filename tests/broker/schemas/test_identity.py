"""Where a record says its schema, against the reader and writer of Confluent's Python client."""

from __future__ import annotations

import io
import uuid

import pytest
from confluent_kafka.schema_registry.serde import SchemaId
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.schemas.identity import NoSchemaError, locate, message_indexes, shown

INDEXES = st.lists(st.integers(0, 1000), min_size=1, max_size=8)
HEADER = "__value_schema_id"


@given(st.integers(0, 2**31 - 1), st.binary(max_size=20))
def test_an_id_before_the_data(number, data):
    located = locate(SchemaId("AVRO", number).id_to_bytes() + data, (), HEADER)
    assert (located.key, located.data[located.end :]) == (number, data)


@given(st.uuids(), st.binary(max_size=20))
def test_a_guid_in_a_header(guid, data):
    header = SchemaId("AVRO", None, str(guid)).guid_to_bytes()
    located = locate(data, ((HEADER, header),), HEADER)
    assert (located.key, located.end) == (guid.bytes, len(header))
    assert shown(located.key) == f"GUID {guid}"


@given(INDEXES, st.booleans(), st.binary(max_size=20))
def test_the_message_of_a_protobuf_file(indexes, in_header, data):
    written = SchemaId("PROTOBUF", 7, str(uuid.uuid4()), indexes)
    if in_header:
        located = locate(data, ((HEADER, written.guid_to_bytes()),), HEADER)
    else:
        located = locate(written.id_to_bytes() + data, (), HEADER)
    assert message_indexes(located.data, located.end) == tuple(indexes)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_confluent_s_client_reads_them(data):
    theirs = SchemaId("AVRO")
    try:
        theirs.from_bytes(io.BytesIO(data))
        expected = theirs.id if theirs.id is not None else theirs.guid.bytes
    except Exception:
        expected = None
    try:
        found = locate(data, (), HEADER).key
    except NoSchemaError:
        found = None
    # an id above 2^31 is none: Java's has a sign
    assert found == (None if isinstance(expected, int) and expected >= 2**31 else expected)


@given(st.binary(max_size=40), st.integers(0, 3))
def test_any_bytes_may_stand_where_indexes_are_sought(data, at):
    found = message_indexes(data, at)
    assert found is None or (found and min(found) >= 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02",
        b"\x01",
        b"\x04\x00",
        b"\x02\x01",
        b"\x80\x80\x80\x80\x80\x80\x00",
        b"\xfe\xff\xff\xff\x0f" + bytes(200),
    ],
    ids=repr,
)
def test_what_are_no_indexes(data):
    assert message_indexes(data, 0) is None


def test_a_header_goes_before_the_data_and_the_last_one_counts():
    first, last = (b"\1" + bytes([number]) * 16 for number in (1, 2))
    headers = ((HEADER, first), ("other", b"x"), (HEADER, last), ("__key_schema_id", first))
    assert locate(b"\0\0\0\0\5", headers, HEADER).key == b"\2" * 16
    assert locate(b"\0\0\0\0\5", ((HEADER, first), (HEADER, None)), HEADER).key == 5
    with pytest.raises(NoSchemaError, match="header __value_schema_id begins with nothing"):
        locate(b"\0\0\0\0\5", ((HEADER, b""),), HEADER)

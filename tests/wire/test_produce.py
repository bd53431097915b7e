"""Produce by hand: reads what the codec reads and writes what it writes, in every version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec
from kopfka_wire.errors import MalformedMessageError
from kopfka_wire.produce import PartitionResult, read_produce, write_produce_response
from support.messages import TEXT, entities

versions = st.integers(3, 13)
results = st.builds(
    PartitionResult,
    partition=st.integers(0, 2**31 - 1),
    code=st.sampled_from([code.value for code in ErrorCode]),
    base_offset=st.integers(-1, 2**60),
    log_append_time=st.just(-1) | st.integers(0, 2**41),
    log_start_offset=st.integers(-1, 2**60),
    error_message=TEXT | st.none(),
    record_errors=st.lists(st.tuples(st.integers(0, 2**31 - 1), TEXT | st.none()), max_size=2).map(tuple),
)


@given(versions, st.data())
@settings(max_examples=120, deadline=None)
def test_reads_what_the_codec_reads(version, data):
    form = codec(ApiKey.PRODUCE, version)
    request = data.draw(entities(form.request))
    raw = form.write_request(request, 0, None)[10:]
    raw = raw[1:] if form.flexible_request else raw
    found = read_produce(memoryview(b"xx" + raw), 2, version)
    assert (found.transactional_id, found.acks) == (request.transactional_id, request.acks)
    assert timedelta(milliseconds=found.timeout_ms) == request.timeout
    assert found.topics == [
        (
            topic.topic_id if version >= 13 else topic.name,
            [(each.index, None if each.records is None else each.records) for each in topic.partition_data],
        )
        for topic in request.topic_data
    ]


@given(versions, st.data())
@settings(max_examples=150, deadline=None)
def test_a_request_cut_short_is_refused(version, data):
    form = codec(ApiKey.PRODUCE, version)
    raw = form.write_request(data.draw(entities(form.request)), 0, None)[10:]
    raw = raw[1:] if form.flexible_request else raw
    with pytest.raises(MalformedMessageError):
        read_produce(memoryview(raw[: data.draw(st.integers(0, len(raw) - 1))]), 0, version)


@given(st.integers(0, 13), st.binary(max_size=120))
@settings(max_examples=150, deadline=None)
def test_bytes_no_one_wrote_are_read_or_refused(version, raw):
    try:
        found = read_produce(memoryview(raw), 0, version)
    except MalformedMessageError:
        return
    assert sum(len(records or b"") for _, partitions in found.topics for _, records in partitions) <= len(raw)


@given(versions, st.data())
@settings(max_examples=120, deadline=None)
def test_writes_what_the_codec_writes(version, data):
    form = codec(ApiKey.PRODUCE, version)
    key = st.uuids() if version >= 13 else TEXT
    topics = data.draw(st.lists(st.tuples(key, st.lists(results, max_size=3)), max_size=3))
    response = form.make(
        responses=tuple(
            form.make(
                "TopicProduceResponse",
                name=name,
                topic_id=name,
                partition_responses=tuple(_as_kio(form, each) for each in partitions),
            )
            for name, partitions in topics
        )
    )
    assert write_produce_response(version, topics) == form.write_response(response)


def _as_kio(form, each):
    at = each.log_append_time
    return form.make(
        "PartitionProduceResponse",
        index=each.partition,
        error_code=ErrorCode(each.code),
        base_offset=each.base_offset,
        log_append_time=None if at == -1 else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at),
        log_start_offset=each.log_start_offset,
        error_message=each.error_message,
        record_errors=tuple(
            form.make("BatchIndexAndErrorMessage", batch_index=index, batch_index_error_message=message)
            for index, message in each.record_errors
        )
        if form.version >= 8
        else (),
    )


def test_versions_kafka_has_dropped_are_read_and_answered_in_their_own_form():
    raw = memoryview(b"\xff\xff\0\0\x03\xe8\0\0\0\1\0\1t\0\0\0\1\0\0\0\5\0\0\0\3abc")
    for version in (0, 1, 2):
        found = read_produce(raw, 0, version)
        assert found.acks == -1
        assert found.topics == [("t", [(5, b"abc")])]
    refused = [("t", [PartitionResult(5, 35)])]
    v0 = b"\0\0\0\1\0\1t\0\0\0\1\0\0\0\5\0\x23" + b"\xff" * 8
    assert write_produce_response(0, refused) == v0
    assert write_produce_response(1, refused) == v0 + bytes(4)
    assert write_produce_response(2, refused) == v0 + b"\xff" * 8 + bytes(4)

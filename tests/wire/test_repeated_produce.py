"""Outlines of Produce requests: a request known by its bytes has the records that reading it would find."""

from __future__ import annotations

import struct
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec, read_request_header
from kopfka_wire.errors import MalformedMessageError
from kopfka_wire.produce import PartitionResult, read_produce, write_produce_response
from kopfka_wire.repeated_produce import AFTER_CORRELATION, BEFORE_CORRELATION, FIRST_OUTLINED, outline
from support.messages import TEXT

TOPIC_ID = UUID(int=0x1234)
versions = st.integers(FIRST_OUTLINED, 13)
sizes = st.sampled_from([0, 1, 61, 126, 127, 128, 300, 16_383, 16_384, 40_000])


def frame_of(version, *partitions, topics=1, correlation_id=1, client_id="app", transactional_id=None):
    form = codec(ApiKey.PRODUCE, version)
    data = tuple(
        form_part(version, "PartitionProduceData", index=index, records=records) for index, records in partitions
    )
    named = {"topic_id": TOPIC_ID} if version >= 13 else {"name": "orders"}
    topic = form_part(version, "TopicProduceData", partition_data=data, **named)
    request = form.make_request(
        transactional_id=transactional_id, acks=1, timeout=timedelta(seconds=1), topic_data=(topic,) * topics
    )
    return bytearray(form.write_request(request, correlation_id, client_id))


def form_part(version, kind, /, **values):
    module = __import__(f"kio.schema.produce.v{version}.request", fromlist=[kind])
    return getattr(module, kind)(**values)


def read(frame, version):
    header = read_request_header(frame)
    return read_produce(memoryview(frame), codec(ApiKey.PRODUCE, version).skip_header_tags(frame, header.end), version)


def outline_of(frame, version):
    return outline(memoryview(frame), version, read(frame, version))


def known(found, frame):
    """As the broker does: head and body compared, then the rest."""
    if frame[:BEFORE_CORRELATION] != found.head or frame[AFTER_CORRELATION : found.size_at] != found.body:
        return None
    return found.records(frame)


@given(versions, sizes, sizes, st.integers(0, 2**31 - 1), TEXT | st.none())
@settings(max_examples=150, deadline=None)
def test_a_request_like_the_first_has_its_records_where_reading_finds_them(version, first, second, index, client_id):
    found = outline_of(frame_of(version, (index, b"x" * first), client_id=client_id), version)
    other = frame_of(version, (index, b"y" * second), correlation_id=77, client_id=client_id)
    start, size = known(found, other)
    assert other[start : start + size] == b"y" * second
    assert found.header(other) == codec(ApiKey.PRODUCE, version).response_header(77)


@given(versions, st.integers(0, 2**31 - 1), st.integers(0, 2**60), st.integers(0, 2**60))
@settings(max_examples=100, deadline=None)
def test_its_answer_is_the_one_that_is_written_otherwise(version, index, base_offset, log_start):
    found = outline_of(frame_of(version, (index, b"x")), version)
    key = TOPIC_ID if version >= 13 else "orders"
    written = write_produce_response(version, [(key, [PartitionResult(index, 0, base_offset, -1, log_start)])])
    assert found.answer(base_offset, log_start) == written


@pytest.mark.parametrize("version", range(FIRST_OUTLINED, 14))
def test_what_differs_in_more_is_not_like_it(version):
    found = outline_of(frame_of(version, (0, b"x" * 70)), version)
    assert known(found, frame_of(version, (0, b"x" * 70))) is not None
    for other in (
        frame_of(version, (1, b"x" * 70)),
        frame_of(version, (0, b"x" * 70), client_id="other"),
        frame_of(version, (0, b"x" * 70), transactional_id="t"),
        frame_of(version, (0, b"x" * 70), (1, b"y")),
        frame_of(version, (0, b"x" * 70), topics=2),
        frame_of(version, (0, None)),
        frame_of(version, (0, b"x" * 70)) + b"\0",
        frame_of(version, (0, b"x" * 70))[:-1],
    ):
        assert known(found, other) is None


@pytest.mark.parametrize("version", range(FIRST_OUTLINED, 14))
def test_requests_of_several_batches_or_none_have_no_outline(version):
    for frame in (
        frame_of(version, (0, b"x"), (1, b"y")),
        frame_of(version, (0, b"x"), topics=2),
        frame_of(version, (0, None)),
        frame_of(version),
        frame_of(version, (0, b"x" * 70)) + b"\1",
    ):
        assert outline_of(frame, version) is None


def test_tagged_fields_behind_the_batch_have_no_outline():
    frame = frame_of(12, (0, b"x" * 70))
    for at in (1, 2, 3):
        tagged = frame[: len(frame) - at] + b"\1\5\1z" + frame[len(frame) - at + 1 :]
        assert read(tagged, 12).topics[0][1][0][1] == b"x" * 70
        assert outline_of(tagged, 12) is None


@given(versions, st.binary(max_size=200), st.integers(0, 200), st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_whatever_follows_is_read_alike_or_not_at_all(version, junk, size, cut):
    """Behind the same head and body: a place for records is only found where reading finds the same one."""
    found = outline_of(frame_of(version, (0, b"x" * 70)), version)
    frame = frame_of(version, (0, b"x" * 70))[: found.size_at]
    frame += (struct.pack(">i", size) if version < 9 else bytes([size + 1 & 0x7F])) + junk + b"\0" * cut
    place = known(found, frame)
    if place is None:
        return
    start, length = place
    try:
        records = read(frame, version).topics[0][1][0][1]
    except MalformedMessageError:
        pytest.fail("a request that cannot be read was taken")
    assert records == frame[start : start + length]

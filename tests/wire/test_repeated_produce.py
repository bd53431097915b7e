"""Outlines of Produce requests: a request known by its bytes has the records that reading it would find."""

from __future__ import annotations

import os
import struct
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec, read_request_header
from kopfka_wire.errors import MalformedMessageError
from kopfka_wire.native import VERSION, native
from kopfka_wire.produce import PartitionResult, read_produce, write_produce_response
from kopfka_wire.records import Record, encode_batch
from kopfka_wire.repeated_produce import (
    AFTER_CORRELATION,
    BEFORE_CORRELATION,
    FIRST_OUTLINED,
    outline,
    take_in_python,
)
from support.messages import TEXT
from support.native import native_module

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


def a_batch(count=1, producer=-1, timestamp=1000):
    records = [Record(0, timestamp, None, b"v" * 20)] * count
    epoch = -1 if producer < 0 else 3
    return encode_batch(records, producer_id=producer, producer_epoch=epoch, base_sequence=epoch)


@st.composite
def requests_like_another(draw):
    """A request, its outline, and what of it may be changed by somebody who means harm."""
    version = draw(versions)
    records = draw(
        st.sampled_from([a_batch(), a_batch(700), a_batch(producer=5), a_batch(timestamp=-1), a_batch(timestamp=2000)])
        | st.binary(max_size=100)
    )
    frame = frame_of(version, (0, records), correlation_id=draw(st.integers(0, 2**31 - 1)))
    found = outline_of(frame, version)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(found.size_at - 2, len(frame) - 1))
        frame[at] = draw(st.integers(0, 255))
    cut = draw(st.sampled_from([0, 0, 0, 1, 3, 30]))
    return found, frame[: len(frame) - cut] + draw(st.sampled_from([b"", b"", b"", b"\0", b"more"]))


@given(
    requests_like_another(),
    st.integers(0, 2**62),
    st.integers(-1, 2**31 - 1),
    st.sampled_from([999, 1000, 2**62]),
    st.sampled_from([0, 60, 200, 1 << 20]),
    st.sampled_from([-1, 999, 1000, 2**62]),
    st.sampled_from([-1, 0, 699, 2**31 - 1]),
)
@settings(max_examples=400)
def test_the_function_in_c_does_what_its_twin_does(tmp_path_factory, told, first, epoch, latest, largest, newest, most):
    found, frame = told
    file = tmp_path_factory.getbasetemp() / "taken"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    other = bytearray(frame)
    arguments = first, epoch, latest, 17, largest, descriptor, 5, newest, most
    mine = native_module().take(frame, found, *arguments)
    twin = take_in_python(other, found, *arguments)
    os.close(descriptor)
    assert frame == other
    if mine is None or twin is None:
        assert mine is twin
        return
    *said, written = mine
    assert tuple(said) == twin[:4]
    start, size, (delta, timestamp, producer, *_), _ = said
    assert written == (size if producer == -1 and 0 <= timestamp <= newest and delta <= most else 0)
    assert file.read_bytes() == (bytes(5) + frame[start : start + size] if written else b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_write_that_fails_is_told():
    frame = frame_of(9, (0, a_batch()))
    with Path("/dev/full").open("wb") as full:
        said = native_module().take(frame, outline_of(frame, 9), 0, 0, 2**62, 0, 1 << 20, full.fileno(), 0, 2**62, 9)
    assert said[-1] == -1


@pytest.mark.parametrize("wrong", [(), (bytearray(9),), (b"", None, *[0] * 9), (bytearray(9), (b"",) * 4, *[0] * 9)])
def test_what_it_is_not_made_for_is_a_type_error(wrong):
    with pytest.raises(TypeError):
        native_module().take(*wrong)
    with pytest.raises(TypeError):
        native_module().take(bytearray(9), (None,) * 5, *[0] * 9)
    with pytest.raises(OverflowError):
        native_module().take(bytearray(9), (b"",) * 5, 2**70, *[0] * 8)


def test_it_stands_in_where_it_is_installed_and_wanted(monkeypatch):
    def twin():
        pass

    module = native_module()
    assert module.VERSION == VERSION
    monkeypatch.setitem(sys.modules, "kopfka_native", module)
    monkeypatch.delenv("KOPFKA_NATIVE", raising=False)
    assert native("take", twin) is module.take
    assert native("no-such-function", twin) is twin
    monkeypatch.setenv("KOPFKA_NATIVE", "off")
    assert native("take", twin) is twin
    monkeypatch.delenv("KOPFKA_NATIVE")
    other = ModuleType("kopfka_native")
    other.take, other.VERSION = module.take, VERSION + 1
    monkeypatch.setitem(sys.modules, "kopfka_native", other)
    assert native("take", twin) is twin
    monkeypatch.setitem(sys.modules, "kopfka_native", None)
    assert native("take", twin) is twin

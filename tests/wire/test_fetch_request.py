"""Fetch requests by hand: reads what the codec reads, in every version, and refuses what it refuses."""

from __future__ import annotations

import dataclasses
import tracemalloc
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec
from kopfka_wire.errors import MalformedMessageError
from kopfka_wire.fetch import FIRST_WITH_IDS
from kopfka_wire.fetch_request import FetchRequest, WantedPartition, read_fetch
from support.messages import entities

VERSIONS = range(4, 19)
versions = st.sampled_from(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_reads_what_the_codec_reads(version):
    form = codec(ApiKey.FETCH, version)

    @given(entities(form.request))
    @settings(max_examples=40, deadline=None)
    def agrees(request):
        raw = _body(form, request)
        assert read_fetch(memoryview(b"xx" + raw + b"more"), 2, version) == _expected(request, version)

    agrees()


@given(versions, st.data())
@settings(max_examples=150, deadline=None)
def test_a_request_cut_short_is_refused(version, data):
    form = codec(ApiKey.FETCH, version)
    raw = _body(form, data.draw(entities(form.request)))
    with pytest.raises(MalformedMessageError):
        read_fetch(memoryview(raw[: data.draw(st.integers(0, len(raw) - 1))]), 0, version)


@given(versions, st.data())
@settings(max_examples=300, deadline=None)
def test_a_request_with_other_bytes_in_it_is_read_or_refused_as_by_the_codec(version, data):
    form = codec(ApiKey.FETCH, version)
    raw = bytearray(_body(form, data.draw(entities(form.request))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        raw += b"\0"
    _same(bytes(raw), version)


@given(versions, st.binary(max_size=150))
@example(12, b"\0" * 25 + b"\1\1\0\0")  # a null rack
@example(12, b"\0" * 25 + b"\0\1\1\0")  # null topics
@example(12, b"\0" * 25 + b"\1\1\1\1\0\1\0")  # a null cluster id, which may be
@example(12, b"\0" * 25 + b"\1\1\1\1\0\2\x80\0")  # the same, in more bytes than it needs
@example(12, b"\0" * 25 + b"\1\1\1\1\0\0")  # a cluster id without bytes
@example(15, b"\0" * 21 + b"\1\1\1\1\1\3abc")  # half of a replica state
@example(18, b"\0" * 21 + b"\2" + b"i" * 16 + b"\2" + b"\0" * 32 + b"\1\1\7seven b\0\1\1\0")  # of a high watermark
@example(18, b"\0" * 21 + b"\2" + b"i" * 16 + b"\2" + b"\0" * 32 + b"\1\0\7seven b\0\1\1\0")  # of a directory id
@example(16, b"\0" * 21 + b"\2" + b"i" * 16 + b"\2" + b"\0" * 32 + b"\1\0\7seven b\0\1\1\0")  # no tag of this version
@settings(max_examples=300, deadline=None)
def test_bytes_no_one_wrote_are_read_or_refused_as_by_the_codec(version, raw):
    _same(raw, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_announced_lengths_take_no_memory(version):
    form = codec(ApiKey.FETCH, version)
    flexible = form.flexible_request
    start = bytes(17 if version < 7 else 25 if version < 15 else 21)
    many = b"\xff\xff\xff\xff\x07" if flexible else b"\x7f\xff\xff\xff"
    one, none = (b"\2", b"\1") if flexible else (b"\0\0\0\1", bytes(4))
    topic = bytes(15) + b"i" if version >= FIRST_WITH_IDS else b"\2t" if flexible else b"\0\1t"
    announced = [start + many, start + one + topic + many]
    if version >= 7:
        announced += [start + none + many, start + none + one + topic + many]
    tracemalloc.start()
    try:
        for raw in announced:
            with pytest.raises(MalformedMessageError):
                read_fetch(memoryview(raw + bytes(10)), 0, version)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def _body(form, request):
    raw = form.write_request(request, 0, None)[10:]
    return raw[1:] if form.flexible_request else raw


def _same(raw, version):
    """Hold this reader against the codec's, whatever the bytes are; null is only where Kafka allows it."""
    try:
        request = codec(ApiKey.FETCH, version).read_request(memoryview(raw), 0)
    except MalformedMessageError:
        request = None
    if request is None or _has_null(request):
        with pytest.raises(MalformedMessageError):
            read_fetch(memoryview(raw), 0, version)
    else:
        assert read_fetch(memoryview(raw), 0, version) == _expected(request, version)


def _has_null(entity):
    nullable = {"cluster_id", "topic_id", "replica_directory_id"}
    for field in dataclasses.fields(entity):
        value = getattr(entity, field.name)
        if value is None and field.name not in nullable:
            return True
        if isinstance(value, tuple) and any(dataclasses.is_dataclass(each) and _has_null(each) for each in value):
            return True
    return False


def _expected(request, version):
    name = "topic_id" if version >= FIRST_WITH_IDS else "topic"
    return FetchRequest(
        max_wait_ms=request.max_wait // timedelta(milliseconds=1),
        min_bytes=request.min_bytes,
        max_bytes=request.max_bytes,
        isolation_level=request.isolation_level,
        session_id=getattr(request, "session_id", 0),
        session_epoch=getattr(request, "session_epoch", -1),
        wanted=[
            WantedPartition(
                getattr(topic, name),
                each.partition,
                each.fetch_offset,
                each.partition_max_bytes,
                getattr(each, "current_leader_epoch", -1),
                getattr(each, "last_fetched_epoch", -1),
            )
            for topic in request.topics
            for each in topic.partitions
        ],
        forgotten=[
            (getattr(topic, name), index)
            for topic in getattr(request, "forgotten_topics_data", ())
            for index in topic.partitions
        ],
    )

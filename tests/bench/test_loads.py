"""Loads over plain sockets: answers are cut right wherever the network cuts them, and errors are seen."""

from __future__ import annotations

import io
import socket
import struct
from typing import Any

import kio.index
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from kio.serial import entity_writer
from kio.static.constants import EntityType

from kopfka_bench.errors import RefusedError
from kopfka_bench.load.java import read_summary, summary
from kopfka_bench.load.payloads import values
from kopfka_bench.load.streams import Stream, check
from kopfka_bench.protocol.frames import batch_of, commit_frame, fetch_frame, produce_frame
from kopfka_bench.protocol.raw import build


@given(st.data(), st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=6))
def test_answers_are_whole_wherever_they_are_cut(data: st.DataObject, answers: list[bytes]) -> None:
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = Stream(f"127.0.0.1:{server.getsockname()[1]}", lambda _, head: heads.append(bytes(head)))
    stream.sent.extend([0.0] * len(answers))
    wire = b"".join(struct.pack(">i", len(answer)) + answer for answer in answers)
    while wire:
        part = data.draw(st.integers(1, len(wire)))
        stream.take(memoryview(wire[:part]))
        wire = wire[part:]
    stream.close()
    assert heads == [answer[:256] for answer in answers]
    assert len(stream.times) == len(answers)


def answer(api: str, version: int, **fields: Any) -> bytes:
    schema: Any = kio.index.load_entity_schema(api, version, EntityType.response)
    out = io.BytesIO()
    header = schema.__header_schema__
    entity_writer(header)(out, build(header, {"correlation_id": 1}))
    entity_writer(schema)(out, build(schema, fields))
    return out.getvalue()


@pytest.mark.parametrize("partitions", [1, 20, 130])
@pytest.mark.parametrize("code", [0, 7])
def test_the_error_of_a_produce_is_where_it_is_looked_for(partitions: int, code: int) -> None:
    parts = [
        {"index": index, "error_code": ErrorCode(code), "log_append_time": None, "record_errors": []}
        for index in range(partitions)
    ]
    frame = produce_frame("topic", dict.fromkeys(range(partitions), batch_of(1, 10)))
    whole = answer("produce", 9, responses=[{"name": "topic", "partition_responses": parts}])
    assert struct.unpack_from(">h", whole, frame.error_at) == (code,)


@pytest.mark.parametrize("code", [0, 16])
def test_the_error_of_a_commit_is_where_it_is_looked_for(code: int) -> None:
    topics = [{"name": "topic", "partitions": [{"partition_index": 0, "error_code": ErrorCode(code)}]}]
    whole = answer("offset_commit", 8, topics=topics)
    assert struct.unpack_from(">h", whole, commit_frame("group", "topic").error_at) == (code,)


def test_a_fetch_is_patched_and_read_at_the_right_places() -> None:
    frame = fetch_frame("topic", max_bytes=1000)
    assert frame.data[frame.offset_at : frame.offset_at + 8] == bytes(8)
    part = {"partition_index": 0, "error_code": ErrorCode(3), "records": b"x" * 77, "aborted_transactions": []}
    whole = answer("fetch", 11, error_code=ErrorCode.none, responses=[{"topic": "topic", "partitions": [part]}])
    assert struct.unpack_from(">i", whole, frame.records_at) == (77,)
    assert struct.unpack_from(">h", whole, frame.records_at - 34) == (3,)


def test_an_error_code_is_an_error() -> None:
    check(bytearray(b"\0\0\0\0"), 1)
    with pytest.raises(RefusedError, match="error code 6"):
        check(bytearray(b"\0\0\6\0"), 1)


def test_text_compresses_and_random_bytes_do_not() -> None:
    import zlib

    assert len(zlib.compress(b"".join(values(1000, text=True)))) < 200_000
    assert len(zlib.compress(b"".join(values(1000, text=False)))) > 400_000
    assert {len(value) for value in values(123, text=True)} == {123}
    assert values(50, text=True) == values(50, text=True)


def test_what_the_tools_of_kafka_print_is_understood() -> None:
    sent = "10 records sent, 5.0 records/sec (0.01 MB/sec), 3.0 ms avg latency\n20 records sent, 7.5 records/sec (1 MB"
    assert summary(sent) == 7.5
    assert summary("no records") is None
    read = (
        "2026-11-30 23:00:00:000, 2026-11-30 23:00:01:250, 190.7, 152.6, 200000, 160000.0, 250, 1000, 190.7, 200000.0"
    )
    assert read_summary(f"a warning, of one\n{read}\n") == 200_000
    assert read_summary("start.time, end.time, data.consumed.in.MB, MB.sec, nMsg, x, y, fetch.time.ms") is None

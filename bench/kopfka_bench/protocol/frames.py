"""Requests encoded once, to be sent many times, and where in their answers it says that they were refused."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from kopfka_bench.protocol.raw import encode, record_batch

_PRODUCE, _FETCH, _COMMIT = 9, 11, 8


@dataclass(frozen=True, slots=True)
class Frame:
    """A request as it goes over the wire, with its size before it."""

    data: bytes
    error_at: int
    """Where in the answer, without its size, the error code of the first partition is."""


@dataclass(frozen=True, slots=True)
class FetchFrame:
    """A fetch of one partition whose offset is put in before each request."""

    data: bytes
    offset_at: int
    records_at: int
    """Where in the answer, without its size, the number of bytes of records is."""


def framed(request: bytes) -> bytes:
    """Return a request with its size before it."""
    return struct.pack(">i", len(request)) + request


def batch_of(count: int, size: int) -> bytes:
    """Return a record batch of so many records, each with a value of so many random bytes."""
    return record_batch([os.urandom(size)] * count)


def produce_frame(topic: str, batches: dict[int, bytes], *, acks: int = 1) -> Frame:
    """Return a Produce request with a batch for each of these partitions."""
    data = [{"index": index, "records": batch} for index, batch in batches.items()]
    request = encode(
        "produce", _PRODUCE, {"acks": acks, "timeout": 30_000, "topic_data": [{"name": topic, "partition_data": data}]}
    )
    # correlation id 4, tags 1, topics 1, name 1 and itself, partitions 1 (more than 126 take 2), index 4
    return Frame(framed(request), 4 + 1 + 1 + 1 + len(topic) + (1 if len(batches) < 127 else 2) + 4)


def fetch_frame(topic: str, *, partition: int = 0, max_bytes: int, min_bytes: int = 1) -> FetchFrame:
    """Return a Fetch request of one partition, without a session."""

    def at(offset: int) -> bytes:
        return framed(encode("fetch", _FETCH, _fetch({topic: {partition: offset}}, max_bytes, min_bytes)))

    data, other = at(0), at(-1)
    first = next(number for number, pair in enumerate(zip(data, other, strict=True)) if pair[0] != pair[1])
    # correlation id 4, throttle 4, error 2, session 4, topics 4, name 2 and itself, partitions 4, index 4, error 2,
    # high watermark 8, last stable offset 8, log start offset 8, aborted transactions 4, preferred replica 4
    return FetchFrame(data, first, 4 + 4 + 2 + 4 + 4 + 2 + len(topic) + 4 + 4 + 2 + 8 + 8 + 8 + 4 + 4)


def fetch_all_frame(topics: dict[str, int], *, partition_bytes: int, max_bytes: int) -> Frame:
    """Return a Fetch request of all partitions of these topics from their beginning."""
    wanted = {topic: dict.fromkeys(range(count), 0) for topic, count in topics.items()}
    request = encode("fetch", _FETCH, _fetch(wanted, max_bytes, 1, partition_bytes))
    return Frame(framed(request), 4 + 4)  # correlation id, throttle: the error of the whole request


def _fetch(
    wanted: dict[str, dict[int, int]], max_bytes: int, min_bytes: int, partition_bytes: int = 0
) -> dict[str, object]:
    return {
        "replica_id": -1,
        "max_wait": 500,
        "min_bytes": min_bytes,
        "max_bytes": max_bytes,
        "session_id": 0,
        "session_epoch": -1,
        "topics": [
            {
                "topic": topic,
                "partitions": [
                    {
                        "partition": index,
                        "current_leader_epoch": -1,
                        "fetch_offset": offset,
                        "log_start_offset": -1,
                        "partition_max_bytes": partition_bytes or max_bytes,
                    }
                    for index, offset in partitions.items()
                ],
            }
            for topic, partitions in wanted.items()
        ],
        "rack_id": "",
    }


def commit_frame(group: str, topic: str) -> Frame:
    """Return an OffsetCommit of one partition by a group that manages its members itself."""
    part = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1, "committed_metadata": ""}
    request = encode(
        "offset_commit",
        _COMMIT,
        {
            "group_id": group,
            "generation_id_or_member_epoch": -1,
            "member_id": "",
            "topics": [{"name": topic, "partitions": [part]}],
        },
    )
    # correlation id 4, tags 1, throttle 4, topics 1, name 1 and itself, partitions 1, index 4
    return Frame(framed(request), 4 + 1 + 4 + 1 + 1 + len(topic) + 1 + 4)

"""Retention by time and by size, compaction that leaves young records alone, both policies at once: as Apache Kafka.

The same batches go to a broker of each kind whose housekeeping is always at work; what is left must be the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from kopfka_wire.batches import split_batches
from kopfka_wire.records import Record, decode_batch, encode_batch
from support.differential import BASE_TIME, Side
from support.kafka import running_kafka
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.java

CONFIG = (
    "node.id=1\nlog.retention.check.interval.ms=100\nlog.cleaner.backoff.ms=100\nlog.initial.task.delay.ms=100\n"
    "offsets.topic.num.partitions=1\n"
)
SEGMENT = "2000"
DAY = 24 * 3_600_000
NOW = int(time.time() * 1000)
"""One for both brokers: what they are sent is the same to the byte."""
VALUE = b"v" * 180


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Side]]:
    need_java()
    folder = tmp_path_factory.mktemp("retention")
    with running_broker(folder / "kopfka", CONFIG) as ours, running_kafka(folder / "apache-kafka", CONFIG) as theirs:
        yield [Side(each.bootstrap, "", "", own="", version=12) for each in (ours, theirs)]


def written(side: Side, name: str, records: list[Record], **configs: str) -> None:
    """Create a topic of small segments and send each record in a batch of its own."""
    side.own = name
    topic_id = side.create(internal_segment_bytes=SEGMENT, file_delete_delay_ms="100", **configs)
    for record in records:
        answer = side.produce(encode_batch([record]), topic=name, topic_id=topic_id)
        assert answer["responses"][0]["partition_responses"][0]["error_code"] == "none", answer


def left(side: Side) -> list[tuple[int, bytes | None]]:
    """Return offset and key of every record that is there."""
    asked = {"name": side.own, "partitions": [{"partition_index": 0, "timestamp": -2}]}
    start = side.call("list_offsets", 4, replica_id=-1, topics=[asked])["topics"][0]["partitions"][0]["offset"]
    found, offset = [], start
    while True:
        part = side.fetch(offset, topic=side.own)["responses"][0]["partitions"][0]
        if part["error_code"] == "offset_out_of_range":
            return left(side)  # retention was faster
        assert part["error_code"] == "none", part
        if not part["records"]:
            return found
        for position, header in split_batches(part["records"]):
            found += [(each.offset, each.key) for each in decode_batch(part["records"], position)]
            offset = header.next_offset


def settled(side: Side, check: Any) -> list[tuple[int, bytes | None]]:
    """Wait until `check` holds of what is left, and that no longer changes."""
    before: list[tuple[int, bytes | None]] | None = None

    def same() -> bool:
        nonlocal before
        now, last = left(side), before
        before = now
        return last == now and bool(check(now))

    eventually(same, seconds=60, every=0.3, what=f"{side.own} to be as it stays")
    assert before is not None
    return before


def same_is_left(both: list[Side], name: str, records: list[Record], check: Any, **configs: str) -> list[int]:
    """Have both do it, hold what is left against each other, and return its offsets."""
    for side in both:
        written(side, name, records, **configs)
    ours, theirs = (settled(side, check) for side in both)
    assert ours == theirs
    return [offset for offset, _ in ours]


def test_by_time(both: list[Side]) -> None:
    old = [Record(0, BASE_TIME + number, b"k%d" % number, VALUE) for number in range(30)]
    new = [Record(0, NOW + number, b"k%d" % number, VALUE) for number in range(30)]
    offsets = same_is_left(both, "by-time", [*old, *new], lambda found: len(found) < 45, retention_ms=str(DAY))
    assert offsets[-1] == 59
    assert set(range(30, 60)) <= set(offsets)


def test_by_size(both: list[Side]) -> None:
    records = [Record(0, NOW + number, b"k%d" % number, VALUE) for number in range(80)]
    offsets = same_is_left(
        both, "by-size", records, lambda found: len(found) < 70, retention_bytes="6000", retention_ms="-1"
    )
    assert 20 < len(offsets) < 40


def test_nothing_but_the_end_is_left_where_everything_is_old(both: list[Side]) -> None:
    old = [Record(0, BASE_TIME + number, b"k%d" % number, VALUE) for number in range(30)]
    assert same_is_left(both, "all-old", old, lambda found: not found, retention_ms=str(DAY)) == []


def test_young_records_are_not_compacted(both: list[Side]) -> None:
    old = [Record(0, BASE_TIME + number, b"k%d" % (number % 3), VALUE) for number in range(40)]
    new = [Record(0, NOW + number, b"k%d" % (number % 3), VALUE) for number in range(40)]
    offsets = same_is_left(
        both, "young", [*old, *new], lambda found: len(found) < 60, cleanup_policy="compact",
        min_cleanable_dirty_ratio="0", min_compaction_lag_ms=str(DAY),
    )  # fmt: skip
    assert set(range(40, 80)) <= set(offsets)
    assert len(offsets) < 55


def test_compacted_and_deleted(both: list[Side]) -> None:
    old = [Record(0, BASE_TIME + number, b"old%d" % (number % 3), VALUE) for number in range(40)]
    new = [Record(0, NOW + number, b"new%d" % (number % 3), VALUE) for number in range(40)]
    for side in both:
        written(
            side, "both-policies", [*old, *new], cleanup_policy="compact,delete", retention_ms=str(DAY),
            min_cleanable_dirty_ratio="0",
        )  # fmt: skip
    ours, theirs = (settled(side, lambda found: len(found) < 20 and found[0][0] > 9) for side in both)
    # the last old record of a key stays where it was compacted into one segment with new ones before it was deleted
    for found in (ours, theirs):
        assert {offset for offset, _ in found if offset < 40} <= {37, 38, 39}
    assert [each for each in ours if each[0] >= 40] == [each for each in theirs if each[0] >= 40]
    offsets = [offset for offset, _ in ours]
    assert offsets[-1] == 79

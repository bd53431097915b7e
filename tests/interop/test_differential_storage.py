"""What becomes of batches in a log: `compression.type`, records looked at inside, log compaction, as in Apache Kafka.

The same batches go to both brokers. What is read back must be the same records under the same headers; only the bytes
of compressed records may differ, since two libraries make them.
"""

from __future__ import annotations

import pytest

from kopfka_wire.batches import HEADER_SIZE, read_header, split_batches, verify_crc
from kopfka_wire.records import Record, build_batch, decode_batch, encode_batch
from support.differential import BASE_TIME, Scenarios, compare
from support.waiting import eventually

pytestmark = pytest.mark.java

CODECS = ("uncompressed", "gzip", "snappy", "lz4", "zstd")
SCENARIOS = Scenarios()
RECORDS = [
    Record(
        0, BASE_TIME + number * 1000, b"key %d" % (number % 3), b"value %d " % number * 9, (("h", b"x"), ("n", None))
    )
    for number in range(6)
]


def fetched(side, offset=0, **topic):
    """Read everything from an offset on: for each batch its header, apart from size and checksum, and its records."""
    found = []
    while True:
        answer = side.fetch(offset, version=12, topic=side.own, **topic)["responses"][0]["partitions"][0]
        assert answer["error_code"] == "none", answer
        data = answer["records"]
        if not data:
            return found
        for position, header in split_batches(data):
            verify_crc(data, position, header)
            plain = header._replace(batch_length=0, crc=0)._asdict()
            found.append((plain, [str(record) for record in decode_batch(data, position)]))
            offset = header.next_offset


@SCENARIOS.of("produce", 9)
def compression_type(side):
    for codec, name in enumerate(CODECS):
        topic_id = side.create(compression_type=name)
        for source in range(5):
            batch = encode_batch(
                RECORDS, compression=source, producer_id=90, producer_epoch=0, base_sequence=source * 6
            )
            yield side.produce(batch, topic=side.own, topic_id=topic_id)
        batches = fetched(side)
        assert {plain["attributes"] for plain, _ in batches} == {codec}
        yield batches
        side.own += "x"


@SCENARIOS.of("produce", 9)
def compression_and_append_time(side):
    topic_id = side.create(compression_type="zstd", message_timestamp_type="LogAppendTime")
    for source in (0, 2, 4):
        side.produce(encode_batch(RECORDS, compression=source), topic=side.own, topic_id=topic_id)
    yield [(plain["attributes"], plain["base_timestamp"], plain["record_count"]) for plain, _ in fetched(side)]


@SCENARIOS.of("produce", 9)
def too_large_once_decompressed(side):
    topic_id = side.create(compression_type="uncompressed", max_message_bytes="2000")
    for size in (1000, 5000):
        batch = encode_batch([Record(0, BASE_TIME, b"k", bytes(size))], compression=1)
        yield side.produce(batch, topic=side.own, topic_id=topic_id)
    yield fetched(side)


@SCENARIOS.of("produce", 9)
def records_without_keys(side):
    topic_id = side.create(cleanup_policy="compact")
    mixed = [RECORDS[0], Record(0, BASE_TIME, None, b"v"), RECORDS[1], Record(0, BASE_TIME, None, None)]
    for codec in range(5):
        yield side.produce(encode_batch(mixed * (1 + codec), compression=codec), topic=side.own, topic_id=topic_id)


@SCENARIOS.of("produce", 9)
def times_out_of_range(side):
    topic_id = side.create(message_timestamp_before_max_ms="1000", message_timestamp_after_max_ms="1000")
    for codec in range(5):
        yield side.produce(encode_batch(RECORDS[:2], compression=codec), topic=side.own, topic_id=topic_id)


@SCENARIOS.of("produce", 9)
def crooked_offsets(side):
    """Offset deltas that are not those of the order."""
    plain = encode_batch(RECORDS[:3])
    section = bytearray(plain[HEADER_SIZE:])
    at = section.index(b"key 0") - 2
    assert section[at] == 0
    section[at] = 4
    for name in ("uncompressed", "gzip"):
        topic_id = side.create(compression_type=name)
        for codec in (0, 2):
            if CODECS[codec] != name:  # where both store the batch as it is, a reader is at a loss
                batch = build_batch(read_header(plain)._replace(attributes=codec), bytes(section))
                yield side.produce(batch, topic=side.own, topic_id=topic_id)
        yield fetched(side)
        side.own += "x"


@SCENARIOS.of("produce", 9)
def damaged_inside(side):
    """Where a batch is looked into, since it is to have another codec."""
    plain = encode_batch(RECORDS[:3])
    header, section = read_header(plain), plain[HEADER_SIZE:]
    for name in ("uncompressed", "gzip"):
        topic_id = side.create(compression_type=name)
        for content in (section[:-9], section + section, section[:60], b""):
            for codec in (0, 2, 3, 4):
                if CODECS[codec] != name:
                    batch = build_batch(header._replace(attributes=codec), content)
                    answer = side.produce(batch, topic=side.own, topic_id=topic_id)
                    yield len(content), codec, answer["responses"][0]["partition_responses"][0]["error_code"]
        side.own += "x"


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_batches_are_stored_the_same(sides, run, version):
    compare(sides, run, version)


# -- compaction -----------------------------------------------------------------------------------------------------

SETTINGS = {
    "cleanup_policy": "compact", "internal_segment_bytes": "2000", "min_cleanable_dirty_ratio": "0",
    "file_delete_delay_ms": "100", "retention_ms": "-1",
}  # fmt: skip


def workload(side, topic_id, rounds, first=0):
    """Send keyed records, tombstones, batches of every codec, and those of idempotent producers."""
    for turn in range(first, first + rounds):
        records = [
            Record(
                0, BASE_TIME + turn * 100 + key, b"key %d" % key, None if (turn + key) % 7 == 0 else b"%d " % turn * 30
            )
            for key in range(turn % 3, 9, 1 + turn % 4)
        ]
        producer = {"producer_id": 70 + turn % 2, "producer_epoch": turn, "base_sequence": 0} if turn % 5 == 0 else {}
        answer = side.produce(
            encode_batch(records, compression=turn % 5, **producer), topic=side.own, topic_id=topic_id
        )
        assert answer["responses"][0]["partition_responses"][0]["error_code"] == "none", answer


def cleaned(side):
    """Wait until only the newest record of each key is left, but for the active segment, and return all batches."""
    before = None

    def settled():
        nonlocal before
        now, last = fetched(side), before
        before = now
        records = [record for _, records in now for record in records]
        return last == now and len(records) < 60

    eventually(settled, seconds=40, every=0.5, what=f"{side.own} to be cleaned")
    for plain, _ in before:
        plain["base_timestamp"] = "<time>"  # of the cleaning, where there are tombstones; of its first record, else
    return before


def compacted(side):
    topic_id = side.create(**SETTINGS)
    workload(side, topic_id, 60)
    first = cleaned(side)
    workload(side, topic_id, 30, first=60)
    yield first, cleaned(side)


def compacted_without_tombstones(side):
    topic_id = side.create(**SETTINGS, delete_retention_ms="0")
    workload(side, topic_id, 40)
    cleaned(side)
    workload(side, topic_id, 40, first=40)
    cleaned(side)
    workload(side, topic_id, 40, first=80)
    after = cleaned(side)
    yield [record for _, records in after for record in records if "None" not in record]


@pytest.mark.parametrize("run", [compacted, compacted_without_tombstones])
def test_the_same_records_are_left(sides, run):
    compare(sides, run, 9)


def test_apache_kafkas_dump_tool_reads_what_is_left(kopfka, sides, tools):
    side = sides[0]
    side.own, side.version = "compacted-and-dumped", 9
    workload(side, side.create(**SETTINGS, index_interval_bytes="100"), 60)
    left = [record for _, records in cleaned(side) for record in records]
    folder = kopfka.data / f"{side.own}-0"
    segments, indexes = sorted(folder.glob("*.log")), sorted(folder.glob("*.index"))
    dump = "org.apache.kafka.tools.DumpLogSegments"
    lines = tools.run(dump, "--files", ",".join(map(str, segments)), "--deep-iteration", "--print-data-log").lines
    batches = [line for line in lines if line.startswith("baseOffset:")]
    assert batches
    assert all("isvalid: true" in line for line in batches)
    assert any("deleteHorizonMs: OptionalLong[" in line for line in batches), batches[0]
    assert sum(line.startswith("| offset:") for line in lines) == len(left)
    for line in tools.run(dump, "--files", ",".join(map(str, indexes)), "--index-sanity-check").lines:
        assert line.startswith("Dumping") or line.endswith(("passed sanity check.", "is empty.")), line
    assert any(index.stat().st_size for index in indexes)

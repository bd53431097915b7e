"""Apache Kafka's DumpLogSegments reads the files of the bundled broker, and finds nothing wrong with them.

The same is done to Apache Kafka's own files, so that a check that could not fail, or a tool that complains of anything,
is noticed.
"""

from __future__ import annotations

import re

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from support.kafka import running_kafka
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

pytestmark = pytest.mark.java

DUMP = "org.apache.kafka.tools.DumpLogSegments"
KINDS = ("kopfka", "apache-kafka")
SETTINGS = {"segment.bytes": "1048576", "index.interval.bytes": "1024", "retention.ms": "-1"}
RECORDS = 6000
COMPLAINTS = re.compile(
    r"found.*(?:corrupt|mismatch|out of order|non[- ]?consecutive)|"
    r"Index file .*(?:mismatch|corrupt)|Exception|Mismatches in|"
    r"  \d+ is followed by|do not correspond|isvalid: false|not found in the log|Corrupt",
    re.IGNORECASE,
)


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """Let each of the two write segments, a group's offsets and a producer's state, kill it half way, and stop it."""
    need_java()
    folder = tmp_path_factory.mktemp("dump")
    running = running_broker if request.param == "kopfka" else running_kafka
    with running(
        folder / request.param, "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\n"
    ) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic("dumped", 1, 1, config=SETTINGS)])["dumped"].result(timeout=30)
        fill(broker.bootstrap, 0, RECORDS // 2)
        broker.kill()
        broker.start()
        fill(broker.bootstrap, RECORDS // 2, RECORDS)
        read_in_group(broker.bootstrap)
        broker.stop()
        yield broker.data


def fill(bootstrap, first, last):
    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": "none", "linger.ms": 2}
    )
    for number in range(first, last):
        producer.produce(
            "dumped", b"value %d " % number + b"v" * 500, b"k%d" % number, timestamp=1_700_000_000_000 + number
        )
        if number % 40 == 0:
            producer.flush(30)  # many batches, so that the sparse indexes have entries
    assert producer.flush(60) == 0


def read_in_group(bootstrap):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "dumping",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(["dumped"])
    eventually(lambda: any(not message.error() for message in consumer.consume(100, timeout=0.5)))
    consumer.commit(asynchronous=False)
    consumer.close()


def dump(tools, paths, *arguments):
    """Return the lines the tool prints of these files; it must not complain.

    At every segment but the first it says that offset -1 is followed by the segment's first: its own slip, told of
    Apache Kafka's files too, and not taken for a complaint.
    """
    out = tools.run(DUMP, "--files", ",".join(map(str, paths)), *arguments)
    text = out.out + out.err
    assert not COMPLAINTS.search(text), COMPLAINTS.search(text)
    return out.lines


def files(data, kind):
    found = sorted((data / "dumped-0").glob(f"*.{kind}"))
    assert found
    return found


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_every_record_of_every_segment_is_read(tools, written):
    segments = files(written, "log")
    assert len(segments) >= 3, "the topic did not roll"
    lines = dump(tools, segments, "--deep-iteration", "--print-data-log")
    records = [line for line in lines if line.startswith("| offset:")]
    assert [int(re.search(r"offset: (\d+)", line)[1]) for line in records] == list(range(RECORDS))
    assert [re.search(r"payload: (value \d+)", line)[1] for line in records] == [
        f"value {number}" for number in range(RECORDS)
    ]
    assert [int(re.search(r"CreateTime: (\d+)", line)[1]) for line in records] == [
        1_700_000_000_000 + n for n in range(RECORDS)
    ]
    batches = [line for line in lines if line.startswith("baseOffset:")]
    assert all("isvalid: true" in line for line in batches)
    assert [segment.stem for segment in segments] == [f"{first:020d}" for first in starts(lines)]


def starts(lines):
    return [int(line.rpartition(": ")[2]) for line in lines if line.startswith("Log starting offset")]


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_offset_indexes_are_sane_and_have_entries(tools, written):
    indexes = files(written, "index")
    for line in dump(tools, indexes, "--index-sanity-check"):
        assert line.startswith("Dumping") or line.endswith("passed sanity check."), line
    entries = [line for line in dump(tools, indexes) if line.startswith("offset:")]
    assert len(entries) > len(indexes) * 20, "sparse indexes with an entry a KB of a MB segment"
    for line in dump(tools, indexes, "--verify-index-only"):
        assert line.startswith("Dumping"), line


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_time_indexes_are_sane_and_have_entries(tools, written):
    indexes = files(written, "timeindex")
    for line in dump(tools, indexes, "--index-sanity-check"):
        assert line.startswith("Dumping") or line.endswith("passed sanity check."), line
    entries = [line for line in dump(tools, indexes) if line.startswith("timestamp:")]
    assert len(entries) >= len(indexes)
    for line in entries:
        stamp, offset = map(int, re.fullmatch(r"timestamp: (\d+) offset: (\d+)", line).groups())
        assert stamp == 1_700_000_000_000 + offset


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_producer_snapshots_are_read(tools, written):
    lines = dump(tools, files(written, "snapshot"))
    assert any(re.search(r"producerId: \d+ producerEpoch: 0 .*lastSequence: \d+", line) for line in lines), lines


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_group_offsets_and_metadata_are_decoded(tools, written):
    segments = sorted((written / "__consumer_offsets-0").glob("*.log"))
    text = "\n".join(dump(tools, segments, "--offsets-decoder"))
    told = text.replace(" ", "")
    assert re.search(r'"type":"1".*"group":"dumping","topic":"dumped","partition":0', told)
    assert '"protocolType":"consumer"' in told


def test_the_tool_notices_a_flipped_bit(tools, written, tmp_path):
    """The check above can fail: the same tool over the same segment with one bit of a value changed says so."""
    damaged = tmp_path / "00000000000000000000.log"
    content = bytearray(files(written, "log")[0].read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    result = tools.run(DUMP, "--files", str(damaged), "--deep-iteration", check=False)
    assert "isvalid: false" in result.out or "CorruptRecordException" in result.out + result.err

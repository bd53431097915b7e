"""Mirroring between two bundled brokers, for real: what arrives, topics, groups, restarts, faults."""

from __future__ import annotations

import itertools
import struct
import threading

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from support.mirrored import contents
from support.mirrors import MirrorProcess, mirror_config, running_mirror
from support.processes import killed_at_the_end
from support.waiting import eventually

MODES = pytest.mark.parametrize("mode", ["disabled", "enabled"], ids=["at-least-once", "exactly-once"])


def clusters(*sides):
    return {side.alias: side.bootstrap for side in sides}


def caught_up(mirror, topic, records):
    """Wait until the replicator says that it has written so many records of a topic, and is level."""

    def check():
        done = mirror.metric("kopfka_mirror_records_total", topic=topic)
        return done >= records and mirror.metric("kopfka_mirror_lag_records", topic=topic) == 0

    eventually(check, what=f"{records} records of {topic}")


@MODES
def test_everything_arrives_as_it_was(pair, name, tmp_path, mode):
    a, b = pair
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    a.create(name, 3, retention_ms="-1")
    timed, compacted = f"{name}-timed", f"{name}-compacted"
    a.create(timed, message_timestamp_type="LogAppendTime")
    a.create(
        compacted,
        cleanup_policy="compact",
        min_cleanable_dirty_ratio="0.01",
        segment_ms="100",
        max_compaction_lag_ms="100",
    )
    for codec in codecs:
        producer = a.producer(compression_type=codec)
        for number in range(90):
            value = None if number % 50 == 7 else b"%s %d " % (codec.encode(), number) * (number % 20)
            headers = [("h", b"%d" % number), ("h", b"")] if number % 3 else []
            key = b"k%d" % number if number % 5 else None
            producer.produce(name, value, key, number % 3, timestamp=10**12 + number, headers=headers)
        assert producer.flush(30) == 0
        a.produce(timed, [b"t%d" % number for number in range(20)], compression_type=codec)
    for _ in range(3):  # the same keys: compaction leaves gaps
        a.produce(compacted, [b"c%d" % number for number in range(50)], compression_type="lz4")
    transactional(a, name, ["committed", "aborted", "committed"])
    eventually(lambda: thinned(a, compacted), every=0.2, what="compaction")
    with running_mirror(tmp_path / "m", clusters(a, b), topics=f"{name}.*", exactly_once_source_support=mode) as mirror:
        caught_up(mirror, name, 450 + 20)
        caught_up(mirror, timed, 100)
        caught_up(mirror, compacted, 1)
        assert contents(b, f"a.{name}", 3) == contents(a, name, 3)
        assert contents(b, f"a.{timed}") == contents(a, timed)
        ours, theirs = contents(b, f"a.{compacted}")[0], contents(a, compacted)[0]
        assert latest(ours) == latest(theirs)
        mirror.kill()
        mirror.start()
        a.produce(name, [b"after a restart"])
        caught_up(mirror, name, 1)
    assert contents(b, f"a.{name}", 3) == contents(a, name, 3)


def thinned(side, topic):
    """Write one more, which ends a segment whose time is over, and tell whether compaction left gaps."""
    side.produce(topic, [b"more"])
    offsets = [each.offset for each in side.read(topic)]
    return len(offsets) < offsets[-1] - offsets[0]


def latest(records):
    return {key: value for key, value, *_ in records}


def transactional(side, topic, ends):
    producer = side.producer(transactional_id=f"{topic}-producer")
    producer.init_transactions(30)
    for number, end in enumerate(ends):
        producer.begin_transaction()
        for at in range(10):
            producer.produce(topic, b"transaction %d %d" % (number, at), None, at % 2)
        producer.flush(30)
        if end == "committed":
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)


@MODES
def test_kills_lose_nothing_and_keep_the_order(pair, name, tmp_path, mode):
    a, b = pair
    a.create(name, 2)
    stop, written = threading.Event(), itertools.count()
    sent = [0, 0]

    def keep_writing():
        producer = a.producer()
        while not stop.wait(0.002):
            number = next(written)
            producer.produce(name, b"%d" % sent[number % 2], None, number % 2)
            sent[number % 2] += 1
            producer.poll(0)
        assert producer.flush(30) == 0

    writer = threading.Thread(target=keep_writing)
    config = mirror_config(clusters(a, b), "a->b", {"topics": name, "exactly.once.source.support": mode})
    mirror = MirrorProcess(tmp_path / "m", config)
    writer.start()
    try:
        with killed_at_the_end(mirror):
            for round_number in range(3):
                mirror.start()
                done = round_number * 20
                eventually(
                    lambda done=done: mirror.metric("kopfka_mirror_records_total", topic=name) > 20 + done,
                    what="records",
                )
                mirror.kill()
            stop.set()
            writer.join()
            mirror.start()
            eventually(lambda: level(a, b, name, 2), what="the target to be level")
            assert mirror.stop() == 0
    finally:
        stop.set()
        writer.join()
    for partition in range(2):
        got = [int(each.value) for each in b.read(f"a.{name}", partition)]
        assert set(got) == set(range(sent[partition]))
        if mode == "enabled":
            assert got == list(range(sent[partition]))
        else:  # what is repeated is repeated in order, from some point on
            assert all(after <= before + 1 for before, after in itertools.pairwise(got))


def level(a, b, topic, partitions):
    return all(last(a, topic, number) == last(b, f"a.{topic}", number) for number in range(partitions))


def last(side, topic, partition):
    """Return the value of the last record, which a marker may follow."""
    found = side.read(topic, partition, max(0, side.bounds(topic, partition)[1] - 20))
    return found[-1].value if found else None


def test_a_clean_stop_repeats_nothing(pair, name, tmp_path):
    a, b = pair
    a.create(name)
    for number in range(3):
        a.produce(name, [b"%d-%d" % (number, at) for at in range(100)])
        with running_mirror(tmp_path / f"m{number}", clusters(a, b), topics=name) as mirror:
            caught_up(mirror, name, 100)
    assert contents(b, f"a.{name}") == contents(a, name)


def test_topics_follow(pair, name, tmp_path):
    a, b = pair
    a.create(name, retention_ms="1000000", cleanup_policy="compact", min_insync_replicas="1")
    with running_mirror(tmp_path / "m", clusters(a, b), topics=f"{name}.*") as mirror:
        eventually(lambda: b.partitions(f"a.{name}") == 1)
        assert configs(b, f"a.{name}", "retention.ms", "cleanup.policy") == ["1000000", "compact"]
        a.grow(name, 3)
        a.create(f"{name}-later")
        change = ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry("retention.ms", "2000000", incremental_operation=AlterConfigOpType.SET),
                ConfigEntry("cleanup.policy", None, incremental_operation=AlterConfigOpType.DELETE),
            ],
        )
        a.admin.incremental_alter_configs([change])[change].result(timeout=30)
        a.produce(name, [b"to a new partition"], 2)
        eventually(lambda: configs(b, f"a.{name}", "retention.ms", "cleanup.policy") == ["2000000", "delete"])
        eventually(lambda: b.partitions(f"a.{name}-later") == 1)
        caught_up(mirror, name, 1)
        assert contents(b, f"a.{name}", 3)[2] == contents(a, name, 3)[2]


def configs(side, topic, *names):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found = side.admin.describe_configs([resource])[resource].result(timeout=30)
    return [found[each].value for each in names]


def test_active_active_has_no_loops(pair, name, tmp_path):
    a, b = pair
    a.create(name)
    b.create(name)
    a.produce(name, [b"of a"])
    b.produce(name, [b"of b"])
    with running_mirror(tmp_path / "m", clusters(a, b), "a->b b->a", topics=f".*{name}") as mirror:
        caught_up(mirror, name, 2)
        a.produce(name, [b"of a again"])
        caught_up(mirror, name, 3)
        eventually(lambda: "b.heartbeats" in a.topics() and "a.heartbeats" in b.topics())
    assert [each.value for each in b.read(f"a.{name}")] == [b"of a", b"of a again"]
    assert [each.value for each in a.read(f"b.{name}")] == [b"of b"]
    both = a.topics() | b.topics()
    assert not {f"a.b.{name}", f"b.a.{name}", f"a.a.{name}", f"b.b.{name}"} & both


@MODES
def test_groups_go_on_at_the_next_unread_record(pair, name, tmp_path, mode):
    a, b = pair
    a.create(name, 2)
    b.create(f"a.{name}", 2)
    b.produce(f"a.{name}", [b"was here before"] * 7)  # so that offsets differ
    a.produce(name, [b"%d" % number for number in range(200)])
    transactional(a, name, ["committed", "aborted", "committed"])
    a.produce(name, [b"%d" % number for number in range(200, 300)])
    places = {f"{name}-{offset}": offset for offset in (0, 1, 57, 199, 203, 207, 210, 215, 250, a.bounds(name)[1])}
    for group, offset in places.items():
        a.commit(group, {(name, 0): offset})
    active = f"{name}-active"
    a.commit(active, {(name, 0): 100})
    options = {"topics": name, "groups": f"{name}.*", "sync_group_offsets_enabled": "true"}
    with (
        member_of(b, active, name),
        running_mirror(tmp_path / "m", clusters(a, b), exactly_once_source_support=mode, **options) as mirror,
    ):
        caught_up(mirror, name, 300 + 20)
        eventually(lambda: all(b.committed(group) for group in places), what="offsets on the target")
        for group, offset in places.items():
            left = [each.content for each in a.read(name, 0, offset)]
            eventually(
                lambda group=group, left=left: goes_on(b, group, f"a.{name}", left), what=f"{offset} to be exact"
            )
        assert b.committed(active) == {}
        a.commit(f"{name}-57", {(name, 0): 120})
        eventually(lambda: value_at(b, f"a.{name}", b.committed(f"{name}-57")[f"a.{name}", 0]) == b"120")
        there = b.committed(f"{name}-57")[f"a.{name}", 0]
        eventually(lambda: checkpoint_of(b, f"{name}-57", f"a.{name}") == (0, 120, there))


def goes_on(side, group, topic, left):
    """Tell whether a group reads on with exactly these, from the first of them on."""
    at = side.committed(group)[topic, 0]
    found = side.read(topic, 0, at)
    return [each.content for each in found] == left and (not found or found[0].offset == at)


def checkpoint_of(side, group, topic):
    key = b"".join(len(text).to_bytes(2, "big") + text.encode() for text in (group, topic)) + bytes(4)
    values = [each.value for each in side.read("a.checkpoints.internal") if each.key == key]
    return struct.unpack_from(">hqq", values[-1])


def value_at(side, topic, offset):
    return side.read(topic, 0, offset)[0].value


class member_of:
    """A consumer that is in a group for the length of the block."""

    def __init__(self, side, group, topic):
        from confluent_kafka import Consumer

        self._topic = f"a.{topic}"
        self._consumer = Consumer(
            {"bootstrap.servers": side.bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0}
        )

    def __enter__(self):
        self._consumer.subscribe([self._topic])
        eventually(lambda: self._consumer.poll(0.1) or self._consumer.assignment())

    def __exit__(self, *_):
        self._consumer.close()


@MODES
@pytest.mark.parametrize("policy", ["stop", "restart"])
def test_a_topic_that_was_created_again(pair, name, tmp_path, mode, policy):
    a, b = pair
    a.create(name)
    a.produce(name, [b"old %d" % number for number in range(10)])
    options = {"topics": name, "exactly_once_source_support": mode, "kopfka_recreated_topics": policy}
    with running_mirror(tmp_path / "m", clusters(a, b), **options) as mirror:
        caught_up(mirror, name, 10)
        a.delete(name)
        a.create(name)
        a.produce(name, [b"new %d" % number for number in range(20)])
        if policy == "restart":
            caught_up(mirror, name, 20)
        else:
            eventually(lambda: mirror.metric("kopfka_mirror_partition_failed", topic=name) == 1)
            assert "was deleted and created again" in mirror.get("/readyz")[1]
            assert "was deleted and created again" in mirror.log.read_text()
    values = [each.value for each in b.read(f"a.{name}")]
    expected = [b"old %d" % number for number in range(10)]
    assert values == expected + ([b"new %d" % number for number in range(20)] if policy == "restart" else [])


@MODES
def test_what_the_target_does_not_take_stops_its_partition_and_no_other(pair, name, tmp_path, mode):
    a, b = pair
    a.create(name, 2)
    b.create(f"a.{name}", 2, max_message_bytes="1000")
    a.produce(name, [b"x" * 100, b"x" * 5000, b"after"], linger_ms=0, batch_num_messages=1)
    a.produce(name, [b"fine"], 1)
    options = {"topics": name, "sync_topic_configs_enabled": "false", "exactly_once_source_support": mode}
    with running_mirror(tmp_path / "m", clusters(a, b), **options) as mirror:
        eventually(lambda: mirror.metric("kopfka_mirror_partition_failed", topic=name) == 1)
        eventually(lambda: [each.value for each in b.read(f"a.{name}", 1)] == [b"fine"])
        assert "MESSAGE_TOO_LARGE" in mirror.get("/readyz")[1]
        bigger = ConfigResource(
            ResourceType.TOPIC,
            f"a.{name}",
            incremental_configs=[
                ConfigEntry("max.message.bytes", "100000", incremental_operation=AlterConfigOpType.SET)
            ],
        )
        b.admin.incremental_alter_configs([bigger])[bigger].result(timeout=30)
        caught_up(mirror, name, 4)
        assert mirror.get("/readyz")[0] == 200
    assert [each.value for each in b.read(f"a.{name}")] == [b"x" * 100, b"x" * 5000, b"after"]


def test_retention_that_was_faster_is_said(pair, name, tmp_path):
    a, b = pair
    a.create(name)
    a.produce(name, [b"%d" % number for number in range(10)])
    with running_mirror(tmp_path / "m", clusters(a, b), topics=name) as mirror:
        caught_up(mirror, name, 10)
    a.produce(name, [b"%d" % number for number in range(10, 30)])
    from confluent_kafka import TopicPartition

    (future,) = a.admin.delete_records([TopicPartition(name, 0, 25)]).values()
    future.result(timeout=30)
    with running_mirror(tmp_path / "m", clusters(a, b), topics=name) as mirror:
        caught_up(mirror, name, 5)
        assert mirror.metric("kopfka_mirror_expired_offsets_total") == 15
    assert "records from offset 10 to 24 are gone" in mirror.log.read_text()
    assert [each.value for each in b.read(f"a.{name}")] == [b"%d" % number for number in (*range(10), *range(25, 30))]


def test_of_two_replicators_the_later_one_goes_on(pair, name, tmp_path):
    a, b = pair
    a.create(name)
    a.produce(name, [b"%d" % number for number in range(10)])
    config = mirror_config(clusters(a, b), "a->b", {"topics": name, "exactly.once.source.support": "enabled"})
    first, second = MirrorProcess(tmp_path / "first", config), MirrorProcess(tmp_path / "second", config)
    with killed_at_the_end(first, second):
        first.start()
        caught_up(first, name, 10)
        second.start()
        eventually(lambda: second.get("/readyz")[0] == 200)
        a.produce(name, [b"%d" % number for number in range(10, 20)])
        assert first.process.wait(30) == 1
        assert "another replicator has taken over" in first.log.read_text()
        caught_up(second, name, 10)
    assert [each.value for each in b.read(f"a.{name}")] == [b"%d" % number for number in range(20)]


@MODES
def test_a_topic_that_is_taken_out_and_back_in_repeats_nothing(pair, name, tmp_path, mode):
    """A restart with other topics, and back: positions of what is not mirrored now are kept."""
    a, b = pair
    a.create(name)
    a.create(f"{name}-other")
    for number, topics in enumerate((name, f"{name}-other", f"{name}.*")):
        a.produce(name, [b"%d-%d" % (number, at) for at in range(10)])
        a.produce(f"{name}-other", [b"%d" % number])
        options = {"topics": topics, "exactly_once_source_support": mode}
        with running_mirror(tmp_path / f"m{number}", clusters(a, b), **options) as mirror:
            caught_up(mirror, name if number != 1 else f"{name}-other", (10, 2, 20)[number])
            caught_up(mirror, f"{name}-other" if number else name, 1)
    assert contents(b, f"a.{name}") == contents(a, name)
    assert contents(b, f"a.{name}-other") == contents(a, f"{name}-other")

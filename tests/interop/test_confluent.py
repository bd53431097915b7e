"""confluent-kafka (librdkafka): codecs, idempotence, timestamps, groups, admin."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka import (
    OFFSET_END,
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from support.kafka import CODECS, stored_codecs
from support.waiting import eventually


def produce(broker, topic, records, **config):
    """Produce (key, value, partition, timestamp) records and return their delivered (partition, offset)."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5} | config)
    delivered, errors = [], []

    def done(error, message):
        (errors if error else delivered).append(error or (message.partition(), message.offset()))

    for key, value, partition, timestamp in records:
        producer.produce(topic, value, key, partition=partition, timestamp=timestamp, on_delivery=done)
        producer.poll(0)
    assert producer.flush(30) == 0
    assert errors == []
    return delivered


def consume(broker, topic, count, partitions=1, seconds=30, **config):
    """Read `count` records from the beginning of every partition."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"none-{uuid.uuid4()}"} | config)
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    messages, deadline = [], time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.consume(count - len(messages), timeout=0.5)
    consumer.close()
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
    return messages


@pytest.mark.client("librdkafka (Python)", "idempotent producer, all codecs")
@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("codec", CODECS)
def test_codecs_pass_through(broker, topic, codec, idempotent):
    values = [b"value %d " % number * 30 for number in range(500)]
    config = {"compression.type": codec, "enable.idempotence": idempotent}
    delivered = produce(broker, topic, ((b"k", value, 0, 0) for value in values), **config)
    assert delivered == [(0, offset) for offset in range(500)]
    read = consume(broker, topic, 500)
    assert [message.value() for message in read] == values
    assert [message.offset() for message in read] == list(range(500))
    # librdkafka compresses only for a broker that advertises Produce from version 0
    assert stored_codecs(broker.data, topic) == {codec}


@pytest.mark.client("librdkafka (Python)", "producer and consumer: acks, timestamps, resets, refusals")
@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(broker, topic, acks):
    produce(broker, topic, ((None, b"%d" % number, 0, 0) for number in range(10)), acks=acks)
    assert [message.value() for message in consume(broker, topic, 10)] == [b"%d" % number for number in range(10)]


@pytest.mark.client("librdkafka (Python)", "producer and consumer: acks, timestamps, resets, refusals")
def test_create_time_is_kept_and_offsets_are_found_by_it(broker, topic):
    stamps = [1_700_000_000_000 + step * 1000 for step in range(5)]
    produce(broker, topic, ((None, b"x", 0, stamp) for stamp in stamps), **{"linger.ms": 0})
    assert [message.timestamp() for message in consume(broker, topic, 5)] == [
        (TIMESTAMP_CREATE_TIME, stamp) for stamp in stamps
    ]
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none"})

    def at(timestamp):
        return consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=10)[0].offset

    assert [at(stamp) for stamp in stamps] == list(range(5))
    assert at(stamps[0] - 1) == 0
    assert at(stamps[2] + 1) == 3
    assert at(stamps[-1] + 1) == OFFSET_END
    consumer.close()


@pytest.mark.client("librdkafka (Python)", "producer and consumer: acks, timestamps, resets, refusals")
def test_log_append_time_replaces_the_producers(broker, create_topic):
    topic = create_topic(1, message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    produce(broker, topic, [(None, b"x", 0, 1_000_000_000_000)])
    (message,) = consume(broker, topic, 1)
    kind, stamp = message.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert before - 1000 <= stamp <= int(time.time() * 1000) + 1000


@pytest.mark.client("librdkafka (Python)", "producer and consumer: acks, timestamps, resets, refusals")
def test_a_record_too_large_is_refused_and_the_connection_goes_on(broker, create_topic):
    topic = create_topic(1, max_message_bytes="2000")
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    outcomes = []
    for value in (b"x" * 5000, b"small"):
        producer.produce(
            topic,
            value,
            on_delivery=lambda error, message: outcomes.append(error.code() if error else message.offset()),
        )
        producer.flush(30)
    assert outcomes == [KafkaError.MSG_SIZE_TOO_LARGE, 0]


@pytest.mark.client("librdkafka (Python)", "producer and consumer: acks, timestamps, resets, refusals")
def test_reading_beyond_the_end_resets(broker, topic):
    produce(broker, topic, [(None, b"%d" % number, 0, 0) for number in range(3)])
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 100)])
    got = eventually(lambda: consumer.poll(0.5))
    assert (got.error(), got.offset()) == (None, 0)
    consumer.close()


@pytest.mark.client("librdkafka (Python)", "producer and consumer: acks, timestamps, resets, refusals")
def test_an_unknown_topic_is_refused(broker, name):
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": name,
            "allow.auto.create.topics": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([f"{name}-missing"])
    message = eventually(lambda: consumer.poll(0.5))
    assert message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    consumer.close()


@pytest.mark.client("librdkafka (Python)", "producer and consumer: acks, timestamps, resets, refusals")
def test_a_topic_is_created_by_producing_to_it(broker, name):
    produce(broker, name, [(None, b"x", -1, 0)])
    assert name in broker.admin.list_topics(timeout=10).topics
    assert [message.value() for message in consume(broker, name, 1)] == [b"x"]


@pytest.mark.client("librdkafka (Python)", "group of two: range, cooperative-sticky, takeover")
@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_a_group_shares_partitions_and_takes_over(broker, create_topic, strategy):
    topic = create_topic(4)
    config = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": topic,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": strategy,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
    }
    produce(broker, topic, ((None, b"%d" % number, number % 4, 0) for number in range(400)))
    first, second = Consumer(config | {"client.id": "first"}), Consumer(config | {"client.id": "second"})
    got = []

    def turn(*consumers):
        for consumer in consumers:
            got.extend(message.value() for message in consumer.consume(500, timeout=0.1) if not message.error())

    def shared():
        turn(first, second)
        return len(first.assignment()) == len(second.assignment()) == 2

    first.subscribe([topic])
    eventually(lambda: turn(first) or len(first.assignment()) == 4)
    second.subscribe([topic])
    eventually(shared)
    described = broker.admin.describe_consumer_groups([topic])[topic].result(timeout=10)
    assert described.state == ConsumerGroupState.STABLE
    assert described.partition_assignor == strategy
    assert sorted(member.client_id for member in described.members) == ["first", "second"]
    assert sorted(at.partition for member in described.members for at in member.assignment.topic_partitions) == [
        0,
        1,
        2,
        3,
    ]

    eventually(lambda: turn(first, second) or len(set(got)) == 400)
    second.close()
    eventually(lambda: turn(first) or len(first.assignment()) == 4)
    first.close()
    after = broker.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)])[topic].result(timeout=10)
    assert sorted((at.partition, at.offset) for at in after.topic_partitions) == [(number, 100) for number in range(4)]
    assert broker.admin.describe_consumer_groups([topic])[topic].result(timeout=10).state == ConsumerGroupState.EMPTY
    assert broker.admin.delete_consumer_groups([topic])[topic].result(timeout=10) is None


@pytest.mark.client("librdkafka (Python)", "static membership")
def test_static_membership_keeps_partitions_over_a_restart(broker, create_topic):
    topic = create_topic(2)
    config = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": topic,
        "group.instance.id": "one",
        "session.timeout.ms": 30000,
        "auto.offset.reset": "earliest",
    }

    def generation():
        consumer = Consumer(config)
        consumer.subscribe([topic])
        eventually(lambda: consumer.poll(0.1) or len(consumer.assignment()) == 2)
        member = consumer.memberid()
        consumer.close()  # a static member does not leave
        return member

    first = generation()
    described = broker.admin.describe_consumer_groups([topic])[topic].result(timeout=10)
    assert [(member.group_instance_id, member.member_id) for member in described.members] == [("one", first)]
    second = generation()
    described = broker.admin.describe_consumer_groups([topic])[topic].result(timeout=10)
    assert [(member.group_instance_id, member.member_id) for member in described.members] == [("one", second)]


@pytest.mark.client("librdkafka (Python)", "admin: topics, configs, groups, offsets")
def test_admin_topics(broker, name):
    admin = broker.admin
    create = admin.create_topics([NewTopic(name, 2, 1, config={"retention.ms": "1000"})], validate_only=True)
    assert create[name].result(timeout=10) is None
    assert name not in admin.list_topics(timeout=10).topics
    admin.create_topics([NewTopic(name, 2, 1, config={"retention.ms": "1000"})])[name].result(timeout=10)
    admin.create_partitions([NewPartitions(name, 3)])[name].result(timeout=10)
    described = eventually(lambda: with_partitions(admin, name, 3))
    assert not described.is_internal

    resource = ConfigResource(ResourceType.TOPIC, name)
    config = admin.describe_configs([resource])[resource].result(timeout=10)
    assert (config["retention.ms"].value, config["retention.ms"].is_default) == ("1000", False)
    change = ConfigResource(
        ResourceType.TOPIC,
        name,
        incremental_configs=[
            ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
            ConfigEntry("segment.ms", "7200000", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
        ],
    )
    admin.incremental_alter_configs([change])[change].result(timeout=10)
    eventually(lambda: admin.describe_configs([resource])[resource].result(timeout=10)["retention.ms"].is_default)
    config = admin.describe_configs([resource])[resource].result(timeout=10)
    assert config["retention.ms"].value == "604800000"
    assert config["segment.ms"].value == "7200000"
    assert sorted(config["cleanup.policy"].value.split(",")) == ["compact", "delete"]

    admin.delete_topics([name])[name].result(timeout=10)
    eventually(lambda: name not in admin.list_topics(timeout=10).topics)
    with pytest.raises(KafkaException) as missing:
        admin.delete_topics([name])[name].result(timeout=10)
    assert missing.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def with_partitions(admin, name, count):
    """Describe a topic once it has that many partitions: Apache Kafka answers before its broker knows of a change."""
    described = admin.describe_topics(TopicCollection([name]))[name].result(timeout=10)
    return described if len(described.partitions) == count else None


@pytest.mark.client("librdkafka (Python)", "admin: topics, configs, groups, offsets")
def test_admin_offsets_and_cluster(broker, topic):
    produce(broker, topic, ((None, b"x", 0, 1_700_000_000_000 + number) for number in range(7)))
    at = TopicPartition(topic, 0)

    def offset(spec, **options):
        return broker.admin.list_offsets({at: spec}, **options)[at].result(timeout=10)

    assert offset(OffsetSpec.earliest()).offset == 0
    assert offset(OffsetSpec.latest()).offset == 7
    assert offset(OffsetSpec.latest(), isolation_level=IsolationLevel.READ_COMMITTED).offset == 7
    biggest = offset(OffsetSpec.max_timestamp())
    assert (biggest.offset, biggest.timestamp) == (6, 1_700_000_000_006)
    assert offset(OffsetSpec.for_timestamp(1_700_000_000_003)).offset == 3

    cluster = broker.admin.describe_cluster().result(timeout=10)
    assert [f"{node.host}:{node.port}" for node in cluster.nodes] == [broker.bootstrap]
    assert cluster.controller.id == cluster.nodes[0].id == 1
    assert len(cluster.cluster_id) == 22

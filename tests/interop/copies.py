"""The read-process-write loop: a topic to copy in upper case, and the check that each record was copied once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from support.waiting import eventually

if TYPE_CHECKING:
    from interop.conftest import Peer

PARTITIONS = 4


def topics_to_copy(broker: Peer, name: str, count: int) -> tuple[str, str]:
    """Create a topic with `count` records and an empty one, and return their names."""
    source, sink = name, f"{name}-copy"
    new = [NewTopic(topic, PARTITIONS, 1, config={"retention.ms": "-1"}) for topic in (source, sink)]
    for created in broker.admin.create_topics(new).values():
        created.result(timeout=30)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for number in range(count):
        producer.produce(source, key=b"%d" % number, value=b"value %d" % number, partition=number % PARTITIONS)
    assert producer.flush(30) == 0
    return source, sink


def check_copy(broker: Peer, sink: str, group: str, source: str, count: int) -> None:
    """Assert that each record was copied exactly once, that aborted copies are there too, and that offsets say so."""
    expected = sorted(b"VALUE %d" % number for number in range(count))
    assert sorted(values(broker, sink, "read_committed")) == expected
    assert len(values(broker, sink, "read_uncommitted")) > count

    def committed() -> bool:
        asked = ConsumerGroupTopicPartitions(group)
        found = broker.admin.list_consumer_group_offsets([asked])[group].result(timeout=20).topic_partitions
        return sum(each.offset for each in found if each.topic == source) == count

    eventually(committed, what=f"group {group} to have committed all of {source}")


def values(broker: Peer, topic: str, isolation: str) -> list[bytes]:
    """Return the values of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "nobody",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found: list[bytes] = []
    ended: set[int] = set()

    def at_the_end() -> bool:
        for message in consumer.consume(500, timeout=0.2):
            if message.error():
                ended.add(message.partition() or 0)
            else:
                found.append(message.value() or b"")
        return len(ended) == PARTITIONS

    try:
        eventually(at_the_end, what=f"{topic} to be read to its end")
    finally:
        consumer.close()
    return found

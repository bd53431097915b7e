"""The two sides of a replicator's tests: a cluster with what a test does there, through a client that others wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as a consumer sees it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int

    @property
    def content(self) -> tuple[object, ...]:
        """All but where it is."""
        return self.key, self.value, self.headers, self.timestamp


class Side:
    """One cluster."""

    def __init__(self, alias: str, broker: Any) -> None:
        self.alias = alias
        self.broker = broker
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})

    @property
    def bootstrap(self) -> str:
        """HOST:PORT."""
        return self.broker.bootstrap

    def create(self, topic: str, partitions: int = 1, **config: str) -> None:
        """Create a topic; configs by their names with underscores for dots."""
        named = {name.replace("_", "."): value for name, value in config.items()}
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=named)])[topic].result(timeout=30)
        eventually(lambda: self.partitions(topic) == partitions, what=f"{topic} to be there")

    def delete(self, topic: str) -> None:
        """Delete a topic, and wait until it is gone."""
        self.admin.delete_topics([topic])[topic].result(timeout=30)
        eventually(lambda: self.partitions(topic) == 0, what=f"{topic} to be gone")

    def grow(self, topic: str, partitions: int) -> None:
        """Give a topic more partitions."""
        self.admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(timeout=30)

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, 0 where there is none."""
        known = self.admin.list_topics(timeout=10).topics.get(topic)
        return 0 if known is None or known.error else len(known.partitions)

    def topics(self) -> set[str]:
        """Return the names of all topics."""
        return set(self.admin.list_topics(timeout=10).topics)

    def producer(self, **config: Any) -> Producer:
        """Return a producer; settings by their names with underscores for dots."""
        named = {name.replace("_", "."): value for name, value in config.items()}
        return Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, "log_level": 0} | named)

    def produce(self, topic: str, values: Iterable[bytes | None], partition: int = 0, **config: Any) -> None:
        """Write values to a partition."""
        producer = self.producer(**config)
        for number, value in enumerate(values):
            producer.produce(topic, value, b"k%d" % number, partition)
        assert producer.flush(60) == 0

    def bounds(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """Return start and end of a partition."""
        consumer = self._consumer()
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        finally:
            consumer.close()

    def read(self, topic: str, partition: int = 0, start: int | None = None) -> list[Seen]:
        """Return every record that a reader of committed ones sees now."""
        consumer, found = self._consumer(), []
        try:
            consumer.assign([TopicPartition(topic, partition, -2 if start is None else start)])
            while True:
                message = consumer.poll(15)
                assert message is not None, f"{topic}-{partition} has no end"
                if message.error():
                    if message.error().name() == "_PARTITION_EOF":
                        return found
                    raise KafkaException(message.error())
                headers = tuple(message.headers() or ())
                found.append(
                    Seen(partition, message.offset(), message.key(), message.value(), headers, message.timestamp()[1])
                )
        finally:
            consumer.close()

    def commit(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit offsets for a group without members."""
        parts = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        request = [ConsumerGroupTopicPartitions(group, parts)]
        for future in self.admin.alter_consumer_group_offsets(request).values():
            future.result(timeout=30)

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Return what a group has committed."""
        request = [ConsumerGroupTopicPartitions(group)]
        (future,) = self.admin.list_consumer_group_offsets(request).values()
        return {(each.topic, each.partition): each.offset for each in future.result(timeout=30).topic_partitions}

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )


def contents(side: Side, topic: str, partitions: int = 1) -> list[list[tuple[object, ...]]]:
    """Return what is in each partition of a topic."""
    return [[each.content for each in side.read(topic, number)] for number in range(partitions)]

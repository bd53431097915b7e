"""A broker with a registry, and what the tests do with the two: clients of the registry, and records that travel."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.serialization import MessageField, SerializationContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message

    from support.processes import RegistryProcess

Headers = list[tuple[str, bytes]]
_ROAD = "registry-interop-road"
_groups = itertools.count(1)


@dataclass
class Stack:
    """A broker, and a registry over it."""

    bootstrap: str
    registry: RegistryProcess
    _road: Road | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return self.registry.url

    def client(self, **conf: Any) -> SchemaRegistryClient:
        """Return a client that knows nothing yet: it has to ask for every schema."""
        # no certificates are read for an address without TLS: that takes longer than the questions
        return SchemaRegistryClient({"url": self.url, "ssl.ca.location": False} | conf)

    def travelled(self, *records: tuple[bytes | None, Headers]) -> list[Message]:
        """Return records as a consumer finds them that a producer has sent through the broker."""
        if self._road is None:
            self._road = Road(self.bootstrap)
        return self._road.travelled(*records)


class Road:
    """A topic with one partition, a producer, and a consumer without group."""

    def __init__(self, bootstrap: str) -> None:
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(_ROAD, 1, 1)])[_ROAD].result(timeout=30)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "log_level": 0})
        settings = {"bootstrap.servers": bootstrap, "group.id": f"{_ROAD}-{next(_groups)}", "log_level": 0}
        # where it is to read next, it is told while it waits for more
        self._consumer = Consumer(settings | {"fetch.wait.max.ms": 10})

    def travelled(self, *records: tuple[bytes | None, Headers]) -> list[Message]:
        offsets: list[int] = []

        def delivered(error: Any, message: Message) -> None:
            assert error is None
            offsets.append(message.offset())

        for value, headers in records:
            self._producer.produce(_ROAD, value, headers=headers, on_delivery=delivered)
        assert self._producer.flush(30) == 0
        self._consumer.assign([TopicPartition(_ROAD, 0, offsets[0])])
        found = self._consumer.consume(len(records), timeout=30)
        assert [message.offset() for message in found] == offsets
        return found


def written(serialize: Callable[..., bytes | None], topic: str, data: Any) -> tuple[bytes | None, Headers]:
    """Return value and headers of a record of a topic, as a serialiser makes them."""
    headers: Headers = []
    return serialize(data, SerializationContext(topic, MessageField.VALUE, headers)), headers


def read(deserialize: Callable[..., Any], topic: str, message: Message) -> Any:
    """Return what a deserialiser makes of a record of a topic."""
    return deserialize(message.value(), SerializationContext(topic, MessageField.VALUE, message.headers() or []))


def as_headers(headers: dict[str, bytes]) -> Headers:
    """Return headers that a program of another language has by name."""
    return list(headers.items())


def schema_id(value: bytes | None) -> int:
    """Return the id that the first five bytes of a value name."""
    assert value is not None
    assert value[0] == 0
    return int.from_bytes(value[1:5], "big")


def three(name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return an Avro record that no other test has, one that reads its data, and one that does not."""
    fields = ("a", "int"), ("a", "long"), ("b", "int")
    one, wider, other = (
        {"type": "record", "name": f"R{name.replace('-', '_')}", "fields": [{"name": each, "type": kind}]}
        for each, kind in fields
    )
    return one, wider, other

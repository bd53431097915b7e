"""A broker inside the test's own event loop, on a free port of loopback, and a client that speaks raw frames."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any

from kopfka_broker.broker import Broker
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.network.listeners import Listener, listeners_from
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec
from kopfka_wire.records import Record, encode_batch
from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def batch(*values: bytes, **fields: Any) -> bytes:
    """Return a record batch with these values."""
    return encode_batch([Record(index, 1_700_000_000_000, None, value) for index, value in enumerate(values)], **fields)


class Client:
    """One connection; requests and answers are kio's entities."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.sent = 0

    def send(self, key: ApiKey, version: int, /, **fields: Any) -> int:
        """Send a request without waiting; return its correlation id."""
        self.sent += 1
        form = codec(key, version)
        raw = form.write_request(form.make_request(**fields), self.sent, "test")
        self.writer.write(struct.pack(">i", len(raw)) + raw)
        return self.sent

    async def receive(self, key: ApiKey, version: int) -> tuple[int, Any]:
        """Return the next answer: correlation id and body."""
        (size,) = struct.unpack(">i", await self.reader.readexactly(4))
        return codec(key, version).read_response(await self.reader.readexactly(size))

    async def call(self, key: ApiKey, version: int, /, **fields: Any) -> Any:
        """Send a request and return its answer."""
        sent = self.send(key, version, **fields)
        correlation_id, answer = await self.receive(key, version)
        assert correlation_id == sent
        return answer

    async def closed(self) -> bool:
        """Wait until the broker closes the connection, reading what still comes."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return True

    # -- the requests most tests need ---------------------------------------------------------------------------------

    async def create(self, name: str, partitions: int = 1, **config: str) -> None:
        """Create a topic."""
        configs = tuple(
            _part("CreatableTopicConfig", name=key.replace("_", "."), value=value) for key, value in config.items()
        )
        topic = _part(
            "CreatableTopic",
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            assignments=(),
            configs=configs,
        )
        answer = await self.call(ApiKey.CREATE_TOPICS, 5, topics=(topic,), timeout=_seconds(5), validate_only=False)
        assert answer.topics[0].error_code == 0, answer

    def produce_fields(self, topic: str, records: bytes | None, partition: int = 0, acks: int = -1) -> dict[str, Any]:
        """Return the fields of a Produce request (versions 3 to 12)."""
        from kio.schema.produce.v8.request import PartitionProduceData, TopicProduceData

        data = PartitionProduceData(index=partition, records=records)
        return {
            "transactional_id": None,
            "acks": acks,
            "timeout": _seconds(5),
            "topic_data": (TopicProduceData(name=topic, partition_data=(data,)),),
        }

    async def produce(self, topic: str, records: bytes | None, partition: int = 0, acks: int = -1) -> Any:
        """Produce one batch and return what became of it."""
        answer = await self.call(ApiKey.PRODUCE, 8, **self.produce_fields(topic, records, partition, acks))
        return answer.responses[0].partition_responses[0]

    def fetch_fields(self, *wanted: tuple[str, int, int], wait: float = 0.0, **fields: Any) -> dict[str, Any]:
        """Return the fields of a Fetch request (version 11) for (topic, partition, offset) each."""
        from kio.schema.fetch.v11.request import FetchPartition, FetchTopic

        limit = fields.pop("partition_max_bytes", 1 << 20)
        topics = tuple(
            FetchTopic(
                topic=topic,
                partitions=(FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=limit),),
            )
            for topic, partition, offset in wanted
        )
        return {
            "replica_id": -1,
            "max_wait": _seconds(wait),
            "min_bytes": 1,
            "isolation_level": 0,
            "topics": topics,
            "forgotten_topics_data": (),
        } | fields

    async def fetch(self, *wanted: tuple[str, int, int], wait: float = 0.0, **fields: Any) -> Any:
        """Fetch and return the answer."""
        return await self.call(ApiKey.FETCH, 11, **self.fetch_fields(*wanted, wait=wait, **fields))


def _part(name: str, /, **fields: Any) -> Any:
    from kio.schema.create_topics.v5 import request

    return getattr(request, name)(**fields)


def _seconds(value: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=value)


class LiveBroker:
    """A running broker and connections to it."""

    def __init__(self, broker: Broker, port: int) -> None:
        self.broker = broker
        self.port = port
        self._clients: list[Client] = []

    async def client(self) -> Client:
        """Open a connection."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            client.writer.close()


@contextlib.asynccontextmanager
async def live_broker(folder: Path, **config: str) -> AsyncIterator[LiveBroker]:
    """Run a broker for the length of the block; settings by their names with underscores for dots."""
    port = free_port()
    settings = {name.replace("_", "."): value for name, value in config.items()}
    listeners = listeners_from(settings, Listener("PLAINTEXT", "127.0.0.1", port), None)
    broker = Broker(folder, BrokerConfig(settings), listeners)
    await broker.start()
    live = LiveBroker(broker, port)
    try:
        yield live
    finally:
        await live.close()
        await broker.close()

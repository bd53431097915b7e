"""The topic `__consumer_offsets` as the group coordinator needs it, over the broker's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.groups import OffsetsRecord
from kopfka_wire.batches import split_batches
from kopfka_wire.records import Record, decode_batch, encode_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.storage import LogManager, PartitionLog, Topic

NAME = "__consumer_offsets"
_READ_BYTES = 1024 * 1024


class BrokerOffsetsLog:
    """`kopfka_broker.groups.OffsetsLog` over the logs of one broker; `create_topic(name, partitions, config)`."""

    def __init__(
        self, logs: LogManager, config: BrokerConfig, create_topic: Callable[[str, int, dict[str, str]], Topic]
    ) -> None:
        self._logs = logs
        self._config = config
        self._create_topic = create_topic

    @property
    def partition_count(self) -> int:
        """What the topic has, or is to have."""
        topic = self._logs.topics.get(NAME)
        return len(topic.partitions) if topic else self._config.number("offsets.topic.num.partitions")

    def append(self, partition: int, records: Sequence[OffsetsRecord], timestamp_ms: int) -> int:
        """Append all records as one batch; return the offset after the last one."""
        batch = encode_batch([Record(index, timestamp_ms, each.key, each.value) for index, each in enumerate(records)])
        return self._log(partition).append(batch, timestamp_ms).last_offset + 1

    async def flushed(self, partition: int, offset: int) -> None:
        """Return once everything below `offset` is on disk."""
        await self._log(partition).flushed(offset)

    def read_all(self, partition: int) -> Iterator[OffsetsRecord]:
        """Give every data record, oldest first."""
        topic = self._logs.topics.get(NAME)
        if topic is None or partition >= len(topic.partitions):
            return
        log = topic.partitions[partition]
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            data = log.read(offset, _READ_BYTES)
            if not data:
                return
            for position, header in split_batches(data):
                offset = header.next_offset
                if header.is_control:
                    continue
                for record in decode_batch(data, position):
                    if record.key is not None:
                        yield OffsetsRecord(record.key, record.value)

    def trim(self, partition: int, before_offset: int) -> None:
        """Move the log start offset up, as DeleteRecords does."""
        self._log(partition).delete_records(before_offset)

    def _log(self, partition: int) -> PartitionLog:
        topic = self._logs.topics.get(NAME)
        if topic is None:
            config = self._config
            topic = self._create_topic(
                NAME,
                config.number("offsets.topic.num.partitions"),
                {
                    "cleanup.policy": "compact",
                    "compression.type": "producer",
                    "segment.bytes": str(config.number("offsets.topic.segment.bytes")),
                },
            )
        return topic.partitions[partition]

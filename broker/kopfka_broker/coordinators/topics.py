"""Internal topics over the broker's logs: `coordinators.ports.TransactionalLog` for any of them."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

from kopfka_broker.coordinators.ports import StateRecord, TransactionalRecord, TransactionEnd
from kopfka_broker.storage import CorruptMessageError
from kopfka_wire.batches import split_batches
from kopfka_wire.records import Record, decode_batch, encode_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kopfka_broker.coordinators.ports import ReplayEntry
    from kopfka_broker.storage import LogManager, PartitionLog, Topic

GROUPS = "__consumer_offsets"
TRANSACTIONS = "__transaction_state"

_READ_BYTES = 1024 * 1024
_MARKER_KEY = struct.Struct(">hh")  # version, type
_COMMIT = 1


class InternalTopic:
    """One internal topic of one broker, made with its `partitions` and `config` when it is first written to."""

    def __init__(
        self,
        logs: LogManager,
        create_topic: Callable[[str, int, dict[str, str]], Topic],
        name: str,
        partitions: int,
        config: Mapping[str, str],
    ) -> None:
        self.name = name
        self._logs = logs
        self._create_topic = create_topic
        self._partitions = partitions
        self._config = dict(config)

    @property
    def partition_count(self) -> int:
        """What the topic has, or is to have."""
        topic = self._logs.topics.get(self.name)
        return len(topic.partitions) if topic else self._partitions

    def append(self, partition: int, records: Sequence[StateRecord], timestamp_ms: int) -> int:
        """Append all records as one batch; return the offset after the last one."""
        batch = encode_batch([Record(index, timestamp_ms, each.key, each.value) for index, each in enumerate(records)])
        return self._log(partition).append(batch, timestamp_ms).last_offset + 1

    def append_transactional(
        self, partition: int, records: Sequence[StateRecord], timestamp_ms: int, producer_id: int, producer_epoch: int
    ) -> int:
        """Append all records as one batch of a producer's transaction; return the offset after the last one."""
        batch = encode_batch(
            [Record(index, timestamp_ms, each.key, each.value) for index, each in enumerate(records)],
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            transactional=True,
        )
        return self._log(partition).append(batch, timestamp_ms, coordinator=True).last_offset + 1

    def append_marker(
        self,
        partition: int,
        producer_id: int,
        producer_epoch: int,
        timestamp_ms: int,
        *,
        commit: bool,
        coordinator_epoch: int,
        transaction_version: int,
    ) -> int:
        """Append the marker that ends a producer's transaction; return the offset after it."""
        appended = self._log(partition).append_marker(
            producer_id,
            producer_epoch,
            commit=commit,
            coordinator_epoch=coordinator_epoch,
            transaction_version=transaction_version,
            now_ms=timestamp_ms,
        )
        return appended.last_offset + 1

    async def flushed(self, partition: int, offset: int) -> None:
        """Return once everything below `offset` is on disk."""
        await self._log(partition).flushed(offset)

    def read_all(self, partition: int) -> Iterator[StateRecord]:
        """Give every data record that no transaction has a say in, oldest first."""
        for entry in self.replay(partition):
            if isinstance(entry, StateRecord):
                yield entry

    def replay(self, partition: int) -> Iterator[ReplayEntry]:
        """Give everything, oldest first: records, those of transactions, and what ended the transactions."""
        topic = self._logs.topics.get(self.name)
        if topic is None or partition >= len(topic.partitions):
            return
        log = topic.partitions[partition]
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            try:
                data = log.read(offset, _READ_BYTES)
            except CorruptMessageError:  # damage is said in the process's log; what is around it still counts
                offset = _behind_damage(log, offset)
                continue
            if not data:
                return
            for position, header in split_batches(data):
                start, offset = offset, header.next_offset
                for record in decode_batch(data, position):
                    if record.offset < start or record.key is None:
                        continue  # below the log start offset, in a batch that reaches above it
                    if header.is_control:
                        yield TransactionEnd(header.producer_id, _MARKER_KEY.unpack_from(record.key)[1] == _COMMIT)
                    elif header.is_transactional:
                        yield TransactionalRecord(record.key, record.value, header.producer_id)
                    else:
                        yield StateRecord(record.key, record.value)

    def leader_epoch(self, partition: int) -> int:
        """Return the leader epoch of a partition."""
        return self._log(partition).leader_epoch

    def trim(self, partition: int, before_offset: int) -> None:
        """Move the log start offset up, as DeleteRecords does."""
        self._log(partition).delete_records(before_offset)

    def _log(self, partition: int) -> PartitionLog:
        topic = self._logs.topics.get(self.name)
        if topic is None:
            topic = self._create_topic(self.name, self._partitions, self._config)
        return topic.partitions[partition]


def _behind_damage(log: PartitionLog, offset: int) -> int:
    """Return the first offset above that can be read again."""
    while (offset := offset + 1) < log.log_end_offset:
        with contextlib.suppress(CorruptMessageError):
            log.read(offset, 1)
            break
    return offset

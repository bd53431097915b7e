"""The records of `__transaction_state`: TransactionLogKey version 0, TransactionLogValue versions 0 (read) and 1."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kopfka_broker.coordinators.binary import Reader, Writer
from kopfka_broker.coordinators.errors import MalformedRecordError
from kopfka_broker.transactions.state import NO_PRODUCER_ID, State, Transaction

if TYPE_CHECKING:
    from kopfka_broker.transactions.state import TopicPartition

_KEY_VERSION = 0
_VALUE_VERSION = 1
_PREVIOUS_PRODUCER_ID, _NEXT_PRODUCER_ID, _CLIENT_VERSION = 0, 1, 2
"""Tags. Tag 3, the epoch of the next producer id, is of two-phase commit, which Kafka 4.3 does not do yet."""
_INT16, _INT64 = struct.Struct(">h"), struct.Struct(">q")
_NULL = b"\0"


def encode_key(transactional_id: str) -> bytes:
    """Write a TransactionLogKey."""
    return Writer().int16(_KEY_VERSION).string(transactional_id).finish()


def encode_value(transaction: Transaction) -> bytes:
    """Write a TransactionLogValue."""
    writer = Writer().int16(_VALUE_VERSION).int64(transaction.producer_id).int16(transaction.producer_epoch)
    writer.int32(transaction.timeout_ms).raw(bytes((transaction.state,)))
    if transaction.state is State.EMPTY:
        writer.raw(_NULL)
    else:
        topics: dict[str, list[int]] = {}
        for topic, partition in sorted(transaction.partitions):
            topics.setdefault(topic, []).append(partition)
        writer.varint(len(topics) + 1)
        for topic, partitions in topics.items():
            writer.compact_string(topic).varint(len(partitions) + 1)
            for partition in partitions:
                writer.int32(partition)
            writer.varint(0)
    writer.int64(transaction.updated_ms).int64(transaction.start_ms)
    tags: list[tuple[int, bytes]] = []
    if transaction.previous_producer_id != NO_PRODUCER_ID:
        tags.append((_PREVIOUS_PRODUCER_ID, _INT64.pack(transaction.previous_producer_id)))
    if transaction.next_producer_id != NO_PRODUCER_ID:
        tags.append((_NEXT_PRODUCER_ID, _INT64.pack(transaction.next_producer_id)))
    if transaction.client_version:
        tags.append((_CLIENT_VERSION, _INT16.pack(transaction.client_version)))
    writer.varint(len(tags))
    for tag, data in tags:
        writer.varint(tag).varint(len(data)).raw(data)
    return writer.finish()


def decode_key(key: bytes) -> str | None:
    """Return the transactional id of a record; None where it is a key of a version nobody knows yet.

    Raises:
        MalformedRecordError: it ends too early, or is no text.
    """
    try:
        reader = Reader(key)
        return reader.string() if reader.int16() == _KEY_VERSION else None
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed key in __transaction_state: {error}") from error


def decode_value(value: bytes) -> Transaction:
    """Read a TransactionLogValue.

    Raises:
        MalformedRecordError: it ends too early, or is of a version newer than 1.
    """
    try:
        reader = Reader(value)
        version = reader.int16()
        if not 0 <= version <= _VALUE_VERSION:
            raise ValueError(f"version {version}")
        reader.flexible = version >= 1
        producer_id, epoch, timeout_ms = reader.int64(), reader.int16(), reader.int32()
        state = State(reader.raw(1)[0])
        partitions = _read_partitions(reader)
        updated_ms, start_ms = reader.int64(), reader.int64()
        tags = reader.tagged_fields() if reader.flexible else {}
        return Transaction(
            producer_id, epoch, timeout_ms, state, partitions, start_ms, updated_ms,
            previous_producer_id=_number(tags, _PREVIOUS_PRODUCER_ID, _INT64, NO_PRODUCER_ID),
            next_producer_id=_number(tags, _NEXT_PRODUCER_ID, _INT64, NO_PRODUCER_ID),
            client_version=_number(tags, _CLIENT_VERSION, _INT16, 0),
        )  # fmt: skip
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed value in __transaction_state: {error}") from error


def _read_partitions(reader: Reader) -> frozenset[TopicPartition]:
    count = reader.varint() - 1 if reader.flexible else reader.int32()
    partitions: set[TopicPartition] = set()
    for _ in range(count):
        topic = reader.string()
        partitions.update((topic, reader.int32()) for _ in range(reader.count()))
        if reader.flexible:
            reader.tagged_fields()
    return frozenset(partitions)


def _number(tags: dict[int, bytes], tag: int, form: struct.Struct, default: int) -> int:
    return int(form.unpack(tags[tag])[0]) if tag in tags else default

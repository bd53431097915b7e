"""What is on its way to a partition: calls, the batches they are put into, and the Produce request of one batch.

A batch's bytes are made once; what changes from attempt to attempt (producer, epoch, sequence, checksum) is in its
header, which goes before them as a piece of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    DELETE_HORIZON_MASK,
    HEADER,
    HEADER_SIZE,
    TRANSACTIONAL_MASK,
    BatchHeader,
    CorruptBatchError,
    read_header,
)
from kopfka_wire.checksum import crc32c
from kopfka_wire.records import encode_batch
from kopfka_wire.writing import compact_text, legacy_text, unsigned_varint

if TYPE_CHECKING:
    import asyncio
    from collections import deque
    from collections.abc import Sequence

    from kio.schema.errors import ErrorCode

    from kopfka_wire.client.metadata import Leader
    from kopfka_wire.codec import Codec
    from kopfka_wire.records import Record

    Buffer = bytes | bytearray | memoryview

RECORD_OVERHEAD: Final = 21
"""The most bytes that a record takes beside its key, value and headers."""
_HEADER_OVERHEAD: Final = 10
_FIRST_FLEXIBLE: Final = 9
_FIRST_WITH_IDS: Final = 13
_REQUEST: Final = struct.Struct(">hhih")
_ACKS_TIMEOUT: Final = struct.Struct(">hi")
_ALL: Final = -1
_INT32: Final = struct.Struct(">i")
_PARTITION_AND_SIZE: Final = struct.Struct(">ii")
_ONE: Final = _INT32.pack(1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a record is now: its offset, and the timestamp the log has for it."""

    offset: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Identity:
    """A producer id and epoch."""

    producer_id: int
    epoch: int


@dataclass(eq=False, slots=True)
class Call:
    """One call of a writer: its records, or a ready-made batch, and who waits."""

    done: asyncio.Future[Sent]
    size: int
    records: Sequence[Record] = ()
    raw: Buffer | None = None
    on_its_way: bool = False
    """Whether it was ever part of a request."""


def call_of_records(records: Sequence[Record], done: asyncio.Future[Sent]) -> Call:
    """Return the call that writes records."""
    size = 0
    for record in records:
        size += RECORD_OVERHEAD + len(record.key or b"") + len(record.value or b"")
        for name, content in record.headers:
            size += _HEADER_OVERHEAD + len(name.encode()) + len(content or b"")
    return Call(done, size, records)


def call_of_batch(raw: Buffer, done: asyncio.Future[Sent]) -> Call:
    """Return the call that writes a ready-made batch.

    Raises:
        CorruptBatchError: it is no batch, more than one, or one of a transaction's markers.
    """
    header = read_header(raw)
    if header.size != len(raw) or not header.record_count:
        raise CorruptBatchError(f"{len(raw)} bytes are not one batch with records: its header says {header.size}")
    if header.is_control:
        raise CorruptBatchError("a marker of a transaction is the broker's to write")
    return Call(done, len(raw), raw=raw)


def next_calls(queue: deque[Call], most_bytes: int) -> list[Call]:
    """Take the calls of the next batch from a queue: records as many as fit, or one ready-made batch."""
    calls: list[Call] = []
    size = 0
    while queue:
        call = queue[0]
        if call.done.done():  # who sent it has given up
            queue.popleft()
            continue
        if calls and (call.raw is not None or size + call.size > most_bytes):
            break
        calls.append(queue.popleft())
        call.on_its_way = True
        size += call.size
        if call.raw is not None:
            break
    return calls


@dataclass(eq=False, slots=True)
class Outgoing:
    """A batch that is not answered for good."""

    calls: list[Call]
    header: BatchHeader
    body: memoryview
    sequence: int = -1
    number: int = -1
    """Its place among its writer's batches."""
    in_flight: bool = False
    unsure: bool = False
    """Whether an attempt had no answer, so that it may have been written."""
    verdict: ErrorCode | None = None
    """What the last attempt was refused with."""
    refusal: str | None = None
    bad_records: dict[int, str] = field(default_factory=dict)
    """Index and reason of records at fault, where the broker named some."""

    @property
    def count(self) -> int:
        """How many sequence numbers it takes."""
        return self.header.last_offset_delta + 1

    def wanted(self) -> bool:
        """Tell whether anyone still waits for it."""
        return any(not call.done.done() for call in self.calls)

    def stamped(self, identity: Identity) -> tuple[bytes, memoryview]:
        """Return the batch in two pieces, with a producer's id and epoch and its own sequence in the header."""
        packed = HEADER.pack(
            *self.header._replace(
                producer_id=identity.producer_id, producer_epoch=identity.epoch, base_sequence=self.sequence
            )
        )
        crc = crc32c(self.body, crc32c(packed[ATTRIBUTES_OFFSET:]))
        return packed[:17] + crc.to_bytes(4, "big") + packed[ATTRIBUTES_OFFSET:], self.body

    def succeed(self, base_offset: int, log_append_time: int) -> None:
        """Tell who waits where their records are."""
        at = base_offset
        for call in self.calls:
            first = call.records[0].timestamp if call.records else self.header.base_timestamp
            if not call.done.done():
                call.done.set_result(Sent(at, first if log_append_time < 0 else log_append_time))
            at += len(call.records) if base_offset >= 0 else 0

    def fail(self, error: Exception) -> None:
        """Tell who waits that nothing comes of it."""
        for call in self.calls:
            if not call.done.done():
                call.done.set_exception(error)


def pack(calls: list[Call], compression: int) -> Outgoing:
    """Return the batch for calls: several with records, or one with a ready-made batch."""
    raw = calls[0].raw
    if raw is None:
        raw = encode_batch([record for call in calls for record in call.records], compression=compression)
    header = read_header(raw)
    attributes = header.attributes & ~(TRANSACTIONAL_MASK | DELETE_HORIZON_MASK)  # those were another log's
    header = header._replace(base_offset=0, partition_leader_epoch=-1, attributes=attributes)
    return Outgoing(calls, header, memoryview(raw)[HEADER_SIZE:])


def produce_request(
    form: Codec, number: int, client_id: str, leader: Leader, *, batch: tuple[bytes, memoryview], timeout_ms: int
) -> tuple[Buffer, ...]:
    """Return a Produce request with one batch, `acks=all`, in pieces; the batch itself is not copied."""
    name = client_id.encode()
    flexible = form.version >= _FIRST_FLEXIBLE
    head = bytearray(_REQUEST.pack(ApiKey.PRODUCE, form.version, number, len(name)))
    head += name
    size = len(batch[0]) + len(batch[1])
    if flexible:
        head += b"\0\0"  # no tags of the header, no transactional id
        head += _ACKS_TIMEOUT.pack(_ALL, timeout_ms)
        head += b"\2"  # one topic
        if form.version >= _FIRST_WITH_IDS:
            assert leader.topic_id is not None
            head += leader.topic_id.bytes
        else:
            head += compact_text(leader.topic)
        head += b"\2" + _INT32.pack(leader.partition) + unsigned_varint(size + 1)
        return bytes(head), *batch, b"\0\0\0"  # no tags of partition, topic and request
    head += legacy_text(None) + _ACKS_TIMEOUT.pack(_ALL, timeout_ms) + _ONE + legacy_text(leader.topic)
    head += _ONE + _PARTITION_AND_SIZE.pack(leader.partition, size)
    return bytes(head), *batch


def bulk_request(
    form: Codec,
    number: int,
    client_id: str,
    transactional_id: str | None,
    batches: Sequence[tuple[Leader, tuple[bytes, memoryview]]],
    *,
    timeout_ms: int,
) -> tuple[Buffer, ...]:
    """As `produce_request`, with a batch for each of several partitions, which may be a transaction's."""
    name = client_id.encode()
    flexible = form.version >= _FIRST_FLEXIBLE
    topics: dict[str, list[tuple[Leader, tuple[bytes, memoryview]]]] = {}
    for each in batches:
        topics.setdefault(each[0].topic, []).append(each)
    part = bytearray(_REQUEST.pack(ApiKey.PRODUCE, form.version, number, len(name)))
    part += name
    if flexible:
        part += b"\0" + compact_text(transactional_id)
    else:
        part += legacy_text(transactional_id)
    part += _ACKS_TIMEOUT.pack(_ALL, timeout_ms)
    part += unsigned_varint(len(topics) + 1) if flexible else _INT32.pack(len(topics))
    pieces: list[Buffer] = []
    for topic, parts in topics.items():
        if form.version >= _FIRST_WITH_IDS:
            topic_id = parts[0][0].topic_id
            assert topic_id is not None
            part += topic_id.bytes
        else:
            part += compact_text(topic) if flexible else legacy_text(topic)
        part += unsigned_varint(len(parts) + 1) if flexible else _INT32.pack(len(parts))
        for leader, (header, body) in parts:
            size = len(header) + len(body)
            if flexible:
                part += _INT32.pack(leader.partition) + unsigned_varint(size + 1)
            else:
                part += _PARTITION_AND_SIZE.pack(leader.partition, size)
            part += header
            pieces += (part, body)
            part = bytearray(b"\0" if flexible else b"")
        if flexible:
            part += b"\0"
    if flexible:
        part += b"\0"
    pieces.append(part)
    return tuple(pieces)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a Produce answer says of its one partition."""

    code: ErrorCode
    base_offset: int
    log_append_time: int
    message: str | None
    bad_records: dict[int, str]


def read_produce_answer(answer: Any) -> Answer:
    """Read an answer to `produce_request`."""
    part = answer.responses[0].partition_responses[0]
    at: datetime | None = getattr(part, "log_append_time", None)
    errors = getattr(part, "record_errors", ())
    return Answer(
        part.error_code,
        part.base_offset,
        -1 if at is None else (at - _EPOCH) // _MILLISECOND,
        getattr(part, "error_message", None),
        {each.batch_index: each.batch_index_error_message or "" for each in errors},
    )

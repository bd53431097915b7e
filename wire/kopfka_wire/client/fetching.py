"""One Fetch request, for as many partitions of one broker as wanted, and what is made of the answer: whole batches.

Batches are views of the answer's own bytes; nothing is copied between the socket and who takes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import HEADER_SIZE, BatchHeader, CorruptBatchError, read_header, verify_crc
from kopfka_wire.records import Record, decode_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from kopfka_wire.client.connection import Connection
    from kopfka_wire.client.metadata import Leader
    from kopfka_wire.client.offsets import Isolation
    from kopfka_wire.codec import Codec

BY_ID: Final = 13
"""The first version with topic ids in place of names."""
_NO_SESSION: Final = 0, -1
"""Session id and epoch of who wants no session (KIP-227)."""
_ABORT: Final = b"\0\0\0\0"
"""The key of the marker that aborts a transaction: version 0, type 0."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it came: `data` is a view of the answer it came in, header and checksum included."""

    header: BatchHeader
    data: memoryview
    wanted_from: int
    """Records with lower offsets are in the batch, but were not asked for."""

    def records(self) -> Iterator[Record]:
        """Decode the records that were asked for.

        Raises:
            CorruptBatchError: the batch contradicts itself.
        """
        records = decode_batch(self.data)
        if self.header.base_offset >= self.wanted_from:
            return records
        return (record for record in records if record.offset >= self.wanted_from)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one partition."""

    leader: Leader
    offset: int
    last_epoch: int = -1
    """The leader epoch of the batch before `offset`, where that was read: the broker tells if its log has another."""
    max_bytes: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the answer says of one partition."""

    code: ErrorCode
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    diverges_at: int | None
    """Up to where the log is the one that was read, if it is not so up to the offset that was asked for."""
    aborted: tuple[tuple[int, int], ...]
    """Producer id and first offset of aborted transactions in these records."""
    records: memoryview


async def fetch(
    connection: Connection,
    wanted: Sequence[Wanted],
    *,
    max_wait: float,
    min_bytes: int,
    max_bytes: int,
    isolation: Isolation,
) -> tuple[ErrorCode, dict[tuple[str, int], Fetched]]:
    """Ask one broker; return the error of the whole answer, and what it has by topic and partition.

    Partitions may be missing in the answer (a throttled client gets none). The connection is busy for up to
    `max_wait` seconds.
    """
    known = all(each.leader.topic_id is not None for each in wanted)
    form = connection.form(ApiKey.FETCH, most=None if known else BY_ID - 1)
    topics: dict[str, list[Wanted]] = {}
    for each in wanted:
        topics.setdefault(each.leader.topic, []).append(each)
    request = form.make_request(
        replica_id=-1,
        max_wait=timedelta(seconds=max_wait),
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        isolation_level=int(isolation),
        session_id=_NO_SESSION[0],
        session_epoch=_NO_SESSION[1],
        topics=tuple(_topic(form, name, parts) for name, parts in topics.items()),
        forgotten_topics_data=(),
        rack_id="",
    )
    answer = await connection.call(form, request, connection.request_timeout + max_wait)
    names = {each.leader.topic_id: each.leader.topic for each in wanted}
    found = {}
    for topic in answer.responses:
        name = names.get(topic.topic_id) if form.version >= BY_ID else topic.topic
        if name is not None:
            for part in topic.partitions:
                found[name, part.partition_index] = _fetched(part)
    return getattr(answer, "error_code", ErrorCode.none), found


def _topic(form: Codec, name: str, wanted: list[Wanted]) -> Any:
    topic_id: UUID | None = wanted[0].leader.topic_id
    partitions = tuple(
        form.make_part(
            "FetchPartition",
            partition=each.leader.partition,
            current_leader_epoch=each.leader.epoch,
            fetch_offset=each.offset,
            last_fetched_epoch=each.last_epoch,
            log_start_offset=-1,
            partition_max_bytes=each.max_bytes,
        )
        for each in wanted
    )
    return form.make_part("FetchTopic", topic=name, topic_id=topic_id, partitions=partitions)


def _fetched(part: Any) -> Fetched:
    diverging = getattr(part, "diverging_epoch", None)
    return Fetched(
        code=part.error_code,
        high_watermark=part.high_watermark,
        last_stable_offset=part.last_stable_offset,
        log_start_offset=getattr(part, "log_start_offset", -1),
        diverges_at=diverging.end_offset if diverging is not None and diverging.end_offset >= 0 else None,
        aborted=tuple((each.producer_id, each.first_offset) for each in part.aborted_transactions or ()),
        records=memoryview(b"") if part.records is None else memoryview(part.records),
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """The whole batches of an answer."""

    batches: tuple[Batch, ...]
    """Those that are for the reader: no markers, and nothing of transactions that were aborted."""
    position: int
    """The offset after the last one, passed over or not."""
    last_epoch: int


def cut(fetched: Fetched, wanted: Wanted, *, committed: bool, check_crcs: bool) -> Cut:
    """Cut the records of a partition into batches.

    Raises:
        CorruptBatchError: a batch is damaged, or not one whole batch came.
    """
    records, position, last_epoch = fetched.records, wanted.offset, wanted.last_epoch
    batches: list[Batch] = []
    aborts = _Aborts(fetched.aborted if committed else ())
    at, end = 0, len(records)
    while end - at >= HEADER_SIZE:
        header = read_header(records, at)
        stop = at + header.size
        if stop > end:
            break  # the answer is cut where its size is used up
        if check_crcs:
            verify_crc(records, at, header)
        data, at = records[at:stop], stop
        if header.next_offset <= wanted.offset:
            continue
        if not aborts.leaves_out(header, data) and not header.is_control:
            batches.append(Batch(header, data, wanted.offset))
        position, last_epoch = header.next_offset, header.partition_leader_epoch
    if end and not at:
        raise CorruptBatchError(f"{end} bytes came for {wanted.leader.topic}-{wanted.leader.partition}: no whole batch")
    return Cut(tuple(batches), position, last_epoch)


class _Aborts:
    """Which batches are of aborted transactions, told from the answer's list as the batches are walked."""

    def __init__(self, aborted: tuple[tuple[int, int], ...]) -> None:
        self._ahead = sorted(aborted, key=lambda each: -each[1])
        self._open: set[int] = set()

    def leaves_out(self, header: BatchHeader, data: memoryview) -> bool:
        """Tell whether the next batch is of an aborted transaction."""
        while self._ahead and self._ahead[-1][1] <= header.last_offset:
            self._open.add(self._ahead.pop()[0])
        if not self._open or not header.is_transactional or header.producer_id not in self._open:
            return False
        if header.is_control and next(decode_batch(data)).key == _ABORT:
            self._open.discard(header.producer_id)
        return True

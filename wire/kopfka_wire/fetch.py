"""Fetch, the other busy request: its answer is written by hand, in every version, around batches that are never copied.

Writes what `Codec` would write (tests hold them against each other). Requests are read in `fetch_request.py`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from uuid import UUID

from kopfka_wire.writing import compact_text, legacy_text, unsigned_varint

FIRST_WITH_IDS = 13
_FIRST_FLEXIBLE = 12
_FIRST_WITH_SESSIONS = 7
_INT32 = struct.Struct(">i")
_SESSION = struct.Struct(">ihi")
_UNTIL_LAST_STABLE = struct.Struct(">ihqq")
_UNTIL_LOG_START = struct.Struct(">ihqqq")
_ABORTED = struct.Struct(">qq")
_ZERO_UUID = bytes(16)
_NOT_READ = (3, 29, 100)
"""UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_ID: Kafka found out without asking the log."""

TopicKey = str | UUID | None
"""How a request names a topic: by name before version 13, by id from there on (None: the zero id)."""
Buffers = list[bytes | bytearray | memoryview]


class FetchedPartition(NamedTuple):
    """What one partition answers."""

    partition: int
    code: int
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    records: bytes | memoryview = b""
    diverging: tuple[int, int] | None = None
    """Epoch and end offset, for a reader that followed another history than the log's."""
    aborted: list[tuple[int, int]] | None = None
    """Producer id and first offset of each aborted transaction among the records, where only committed ones count."""


def write_fetch_response(
    version: int,
    topics: list[tuple[TopicKey, list[FetchedPartition]]],
    *,
    code: int = 0,
    session_id: int = 0,
    committed: bool = False,
    throttle_ms: int = 0,
) -> Buffers:
    """Return the body of the answer, in the version of the request.

    Args:
        version: of the request.
        topics: in the order of the answer.
        code: the error of the whole request.
        session_id: of the fetch session this answer belongs to, 0 for none.
        committed: the reader wants committed records only, so a list of no aborted transactions is empty and not
            null (so it is also beside a partition that is not hosted, and not beside one that cannot be read).
        throttle_ms: how long the client has to wait before it asks again.
    """
    flexible = version >= _FIRST_FLEXIBLE
    out: Buffers = []
    with_session = version >= _FIRST_WITH_SESSIONS
    part = bytearray(_SESSION.pack(throttle_ms, code, session_id) if with_session else _INT32.pack(throttle_ms))
    part += unsigned_varint(len(topics) + 1) if flexible else _INT32.pack(len(topics))
    for topic, partitions in topics:
        if version >= FIRST_WITH_IDS:
            part += topic.bytes if isinstance(topic, UUID) else _ZERO_UUID
        else:
            name = topic if isinstance(topic, str) else ""
            part += compact_text(name) if flexible else legacy_text(name)
        part += unsigned_varint(len(partitions) + 1) if flexible else _INT32.pack(len(partitions))
        part = _write_partitions(out, part, version, partitions, committed=committed)
        if flexible:
            part += b"\0"
    if flexible:
        part += b"\0"
    out.append(part)
    return out


def _write_partitions(
    out: Buffers, part: bytearray, version: int, partitions: list[FetchedPartition], *, committed: bool
) -> bytearray:
    """Write to `part`; where records come it goes to `out` with them, and the one to go on with is returned."""
    flexible = version >= _FIRST_FLEXIBLE
    none_aborted = b"\1" if flexible else _INT32.pack(0)
    not_asked = b"\0" if flexible else _INT32.pack(-1)
    for partition, error, high_watermark, stable, log_start, records, diverging, aborted in partitions:
        if version >= 5:
            part += _UNTIL_LOG_START.pack(partition, error, high_watermark, stable, log_start)
        else:
            part += _UNTIL_LAST_STABLE.pack(partition, error, high_watermark, stable)
        if aborted:
            part += _aborted_transactions(aborted, flexible=flexible)
        else:
            readable = committed and not error and diverging is None
            part += none_aborted if readable or error in _NOT_READ else not_asked
        if version >= 11:
            part += b"\xff\xff\xff\xff"  # preferred_read_replica: none
        size = len(records)
        part += unsigned_varint(size + 1) if flexible else _INT32.pack(size)
        if size:
            out += (part, records)
            part = bytearray()
        if flexible:
            part += b"\0" if diverging is None else _diverging_tag(diverging)
    return part


def _aborted_transactions(aborted: list[tuple[int, int]], *, flexible: bool) -> bytes:
    if not flexible:
        return _INT32.pack(len(aborted)) + b"".join([_ABORTED.pack(*each) for each in aborted])
    return unsigned_varint(len(aborted) + 1) + b"".join([_ABORTED.pack(*each) + b"\0" for each in aborted])


def _diverging_tag(diverging: tuple[int, int]) -> bytes:
    body = struct.pack(">iqB", *diverging, 0)
    return b"\1\0" + unsigned_varint(len(body)) + body

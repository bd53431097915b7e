"""ConsumerProtocol: what consumers of the classic protocol put into the metadata and assignments that groups carry.

To a classic group these bytes are opaque. Where members of both protocols meet, the coordinator speaks it too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_broker.coordinators.binary import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NEWEST_ASSIGNMENT = 3


class MalformedProtocolError(ValueError):
    """These bytes are no ConsumerProtocol."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """ConsumerProtocolSubscription."""

    version: int
    topics: frozenset[str]
    owned: Mapping[str, frozenset[int]] = field(default_factory=dict)
    rack_id: str | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """ConsumerProtocolAssignment."""

    partitions: Mapping[str, frozenset[int]] = field(default_factory=dict)
    user_data: bytes = b""
    """What an assignor of the application's own told its members."""


def read_subscription(data: bytes) -> Subscription:
    """Read a subscription of any version; what a newer one adds is left alone.

    Raises:
        MalformedProtocolError: it is none.
    """
    try:
        reader = Reader(data)
        version = reader.int16()
        if version < 0:
            raise ValueError("a negative version")
        topics = frozenset([reader.string() for _ in range(reader.count())])
        _read_bytes(reader)
        owned = _read_partitions(reader) if version >= 1 else {}
        if version >= 2:
            reader.int32()  # the generation of what it owned
        return Subscription(version, topics, owned, reader.nullable_string() if version >= 3 else None)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedProtocolError(f"malformed subscription: {error}") from error


def read_assignment(data: bytes) -> Assignment:
    """Read an assignment of any version; no bytes are an assignment of nothing.

    Raises:
        MalformedProtocolError: it is none.
    """
    if not data:
        return Assignment()
    try:
        reader = Reader(data)
        if reader.int16() < 0:
            raise ValueError("a negative version")
        return Assignment(_read_partitions(reader), _read_bytes(reader))
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedProtocolError(f"malformed assignment: {error}") from error


def write_assignment(version: int, partitions: Iterable[tuple[str, Iterable[int]]]) -> bytes:
    """Write an assignment for a member that subscribed in this version."""
    topics = [(name, sorted(numbers)) for name, numbers in partitions]
    writer = Writer().int16(min(version, _NEWEST_ASSIGNMENT)).int32(len(topics))
    for name, numbers in topics:
        writer.string(name).int32(len(numbers))
        for number in numbers:
            writer.int32(number)
    return writer.int32(-1).finish()


def _read_bytes(reader: Reader) -> bytes:
    length = reader.int32()
    return b"" if length < 0 else reader.raw(length)


def _read_partitions(reader: Reader) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for _ in range(reader.count()):
        topic = reader.string()
        found[topic] = frozenset([reader.int32() for _ in range(reader.count())])
    return found

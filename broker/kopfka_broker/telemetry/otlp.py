"""OpenTelemetry's `MetricsData` as clients send it, read from its protobuf bytes: numbers with names and labels.

Only what clients of Kafka send is understood (KIP-714): gauges and sums. Histograms and summaries are counted and
passed over, unknown fields are skipped as protobuf demands. Field numbers are those of opentelemetry-proto 1.x.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kopfka_wire.errors import MalformedMessageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Labels = tuple[tuple[str, str], ...]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DELTA: Final = 1
_GAUGE, _SUM = 5, 7
_OTHER_KINDS = (9, 10, 11)
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class Point:
    """One number."""

    name: str
    labels: Labels
    """Of its resource, then its own."""
    value: float
    monotonic: bool
    """Whether it only grows: a counter."""
    delta: bool
    """Whether it is what has been added since the number before."""


@dataclass(slots=True)
class Decoded:
    """What a payload holds."""

    points: list[Point] = field(default_factory=list)
    passed_over: int = 0
    """Metrics that are neither gauge nor sum."""


def decode(payload: bytes | memoryview) -> Decoded:
    """Read a payload.

    Raises:
        MalformedMessageError: it is no `MetricsData`.
    """
    try:
        return _metrics_data(memoryview(payload))
    except (IndexError, ValueError, struct.error):
        raise MalformedMessageError("telemetry is not OpenTelemetry's MetricsData") from None


def _metrics_data(data: memoryview) -> Decoded:
    found = Decoded()
    for resource_metrics in _messages(data, 1):
        shared: Labels = ()
        for resource in _messages(resource_metrics, 1):
            shared = tuple(_attribute(each) for each in _messages(resource, 1))
        for scope in _messages(resource_metrics, 2):
            for metric in _messages(scope, 2):
                _metric(metric, shared, found)
    return found


def _metric(data: memoryview, shared: Labels, found: Decoded) -> None:
    name = ""
    for number, value in _fields(data):
        if number == 1:
            name = str(_text(value))
        elif number in (_GAUGE, _SUM):
            part = _part(value)
            flags = {each: got for each, got in _fields(part) if each in (2, 3)} if number == _SUM else {}
            monotonic, delta = bool(flags.get(3)), flags.get(2) == _DELTA
            for point in _messages(part, 1):
                labels, amount = _number(point)
                found.points.append(Point(name, shared + labels, amount, monotonic, delta))
        elif number in _OTHER_KINDS:
            found.passed_over += 1


def _number(data: memoryview) -> tuple[Labels, float]:
    labels: list[tuple[str, str]] = []
    amount = 0.0
    for number, value in _fields(data):
        if number == 7:
            labels.append(_attribute(_part(value)))
        elif number == 4 and isinstance(value, bytes):
            amount = struct.unpack("<d", value)[0]
        elif number == 6 and isinstance(value, bytes):
            amount = float(struct.unpack("<q", value)[0])
    return tuple(labels), amount


def _attribute(data: memoryview) -> tuple[str, str]:
    key, text = "", ""
    for number, value in _fields(data):
        if number == 1:
            key = _text(value)
        elif number == 2:
            text = _any_value(_part(value))
    return key, text


def _any_value(data: memoryview) -> str:
    for number, value in _fields(data):
        if number == 1:
            return _text(value)
        if number == 2:
            return "true" if value else "false"
        if number == 3 and isinstance(value, int):
            return str(value - (1 << 64) if value >> 63 else value)
        if number == 4 and isinstance(value, bytes):
            return str(struct.unpack("<d", value)[0])
    return ""


# -- protobuf ---------------------------------------------------------------------------------------------------------


def _fields(data: memoryview) -> Iterator[tuple[int, int | bytes | memoryview]]:
    """Give each field of a message: an int, eight or four bytes, or a view of what a length stood before."""
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        kind = key & 7
        value: int | bytes | memoryview
        if kind == _VARINT:
            value, position = _varint(data, position)
        else:
            if kind == _BYTES:
                size, position = _varint(data, position)
            elif kind in (_FIXED64, _FIXED32):
                size = 8 if kind == _FIXED64 else 4
            else:
                raise ValueError(kind)
            if position + size > end:
                raise ValueError(size)
            value = data[position : position + size]
            position += size
            if kind != _BYTES:
                value = bytes(value)
        yield key >> 3, value


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(data):
        if number == wanted:
            yield _part(value)


def _part(value: int | bytes | memoryview) -> memoryview:
    if isinstance(value, memoryview):
        return value
    raise ValueError(value)


def _text(value: int | bytes | memoryview) -> str:
    return str(_part(value), "utf-8")


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for count in range(_LONGEST_VARINT):
        byte = data[position + count]
        result |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, position + count + 1
    raise ValueError(position)

"""Kafka requests of any version by hand, over a plain socket, and their answers as plain data: to compare two brokers.

A request is named by its API and given as nested dicts and lists of the fields of `kio`'s schemas; fields its version
does not have are left out, fields that are not given are neutral. So one case can be sent in every version.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import io
import socket
import struct
import types
import typing
import uuid
from typing import TYPE_CHECKING, Any

import crc32c
import kio.index
from kio.schema.index import schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.serial.errors import OutOfBoundValue
from kio.static.constants import EntityType

import kopfka_wire.reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CLOSED = "connection closed"
_NEUTRAL: dict[str, Any] = {"string": "", "bytes": b"", "records": b"", "bool": False, "uuid": None}
_KINDS_OF_TIME = {"timedelta_i32", "timedelta_i64"}


class RawConnection:
    """One connection to a broker."""

    def __init__(self, bootstrap: str, seconds: float = 10.0) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=seconds)
        self._correlation = 0

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def call(self, api: str, version: int, **fields: Any) -> Any:
        """Send a request and return its answer as plain data, or `CLOSED` when the broker closes the connection."""
        self._correlation += 1
        answer = self.exchange(encode(api, version, fields, self._correlation))
        if answer is None:
            return CLOSED
        correlation, entity = decode(api, version, answer)
        assert correlation == self._correlation
        return entity

    def log_in(self, user: str, password: str) -> Any:
        """Authenticate by SASL/PLAIN; return the answer to it."""
        self.call("sasl_handshake", 1, mechanism="PLAIN")
        return self.call("sasl_authenticate", 2, auth_bytes=f"\0{user}\0{password}".encode())

    def exchange(self, request: bytes) -> bytes | None:
        """Send one frame and return the frame that comes back, None where the connection is closed instead."""
        try:
            self._socket.sendall(struct.pack(">i", len(request)) + request)
            return self.receive()
        except ConnectionError:
            return None

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def receive(self) -> bytes | None:
        """Return the next frame that comes, None where the connection ends before."""
        size = self.read(4)
        return None if size is None else self.read(struct.unpack(">i", size)[0])

    def read(self, size: int) -> bytes | None:
        """Read that many bytes; None where the connection ends before."""
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                return None
            data += part
        return bytes(data)


def encode(api: str, version: int, fields: Mapping[str, Any], correlation: int = 0) -> bytes:
    """Return a request with its header, without the size that goes before it on the wire."""
    schema = _schema(api, version, EntityType.request)
    body = io.BytesIO()
    header = schema.__header_schema__
    head = {"request_api_key": schema.__api_key__, "request_api_version": version, "client_id": "raw"}
    _writer(header)(body, build(header, head | {"correlation_id": correlation}))
    _writer(schema)(body, build(schema, fields))
    return body.getvalue()


def decode(api: str, version: int, answer: bytes) -> tuple[int, Any]:
    """Return the correlation id of an answer, and the answer as plain data."""
    response = _schema(api, version, EntityType.response)
    header, used = _reader(response.__header_schema__)(answer, 0)
    try:
        entity, _ = _reader(response)(answer, used)
    except OutOfBoundValue:  # kio knows no time before 1970, and Kafka says -1 where there is none
        entity, _ = kopfka_wire.reading.reader(response)(answer, used)
    return header.correlation_id, plain(entity)


def prepare(api: str, version: int) -> None:
    """Load what a call of that version needs, so that the first call takes no longer than the next."""
    for kind in (EntityType.request, EntityType.response):
        schema = _schema(api, version, kind)
        for message in (schema, schema.__header_schema__):
            _writer(message)
            _reader(message)
    _hints(_schema(api, version, EntityType.request))


def _schema(api: str, version: int, kind: EntityType) -> Any:
    return kio.index.load_entity_schema(
        api, version, typing.cast("Any", kind)
    )  # its type tells nothing of what messages have beside


@functools.cache
def _writer(schema: type) -> Any:
    return entity_writer(schema)


@functools.cache
def _reader(schema: type) -> Any:
    return entity_reader(schema)


@functools.cache
def known_versions(api: str) -> tuple[int, ...]:
    """Return the versions of an API whose messages can be built here."""
    return tuple(sorted(schema_name_map[api]))


def api_names() -> dict[int, str]:
    """Return the name of each API by its key."""
    names = {}
    for name in schema_name_map:
        try:
            names[_schema(name, known_versions(name)[-1], EntityType.request).__api_key__] = name
        except kio.index.UnknownEntity:
            continue
    return names


def build(schema: type, fields: Mapping[str, Any]) -> Any:
    """Make an entity of a schema from plain data; unknown names are ignored, missing ones neutral or their default."""
    hints = _hints(schema)
    values = {}
    for field in dataclasses.fields(schema):
        if field.name in fields:
            values[field.name] = _convert(hints[field.name], field.metadata.get("kafka_type"), fields[field.name])
        elif field.default is dataclasses.MISSING:
            values[field.name] = _neutral(hints[field.name], field.metadata.get("kafka_type"))
    return schema(**values)


@functools.cache
def _hints(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def _inner(hint: Any) -> tuple[Any, bool]:
    """Return the type without its None, and whether it may be None."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        return rest[0], len(rest) < len(typing.get_args(hint))
    return hint, False


def _convert(hint: Any, kind: str | None, value: Any) -> Any:
    hint, _ = _inner(hint)
    if value is None:
        return None
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, kind, part) for part in value)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type", hint), value)
    if kind in _KINDS_OF_TIME:
        return datetime.timedelta(milliseconds=value)
    return uuid.UUID(value) if kind == "uuid" else value


def _neutral(hint: Any, kind: str | None) -> Any:
    hint, optional = _inner(hint)
    if optional:
        return None
    if typing.get_origin(hint) is tuple:
        return ()
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type", hint), {})
    if kind in _KINDS_OF_TIME:
        return datetime.timedelta()
    return _NEUTRAL.get(str(kind), 0)


def plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    """Turn an answer into dicts, lists and simple values; error codes become their names."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, datetime.timedelta):
        return value // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, uuid.UUID):
        return str(value)
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


def record_batch(
    values: Sequence[bytes],
    *,
    timestamp: int = 1_700_000_000_000,
    producer_id: int = -1,
    producer_epoch: int = -1,
    sequence: int = -1,
    attributes: int = 0,
    magic: int = 2,
) -> bytes:
    """Return an uncompressed record batch with null keys, made by hand: no code under test has a part in it."""
    records = b""
    for number, value in enumerate(values):
        body = b"\0" + _varint(0) + _varint(number) + _varint(-1) + _varint(len(value)) + value + _varint(0)
        records += _varint(len(body)) + body
    last = len(values) - 1
    checked = struct.pack(
        ">hiqqqhii", attributes, last, timestamp, timestamp, producer_id, producer_epoch, sequence, len(values)
    )  # fmt: skip
    checked += records
    head = struct.pack(">iBI", 0, magic, crc32c.crc32c(checked))
    return struct.pack(">qi", 0, len(head) + len(checked)) + head + checked


def _varint(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)

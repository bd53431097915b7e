"""Bodies in Kubernetes' protobuf, as typed clients send them, read into the same objects as JSON.

Only reading: answers are JSON, which every such client accepts too. The table of field numbers is a data file made from
Kubernetes' sources; a field it does not know is skipped, as protobuf has it.
"""

from __future__ import annotations

import base64
import functools
import gzip
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api.errors import bad_request
from kopfka_local.api.schemas import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 64
#: Kinds that every group uses under its own name.
_SHARED = frozenset({"DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions"})
_OMIT = object()

Field = tuple[int, str, str, str]


@functools.cache
def _messages() -> dict[str, list[Field]]:
    messages: dict[str, list[Field]] = orjson.loads(gzip.decompress((DATA / "protobuf.json.gz").read_bytes()))
    return messages


@functools.cache
def _fields(message: str) -> dict[int, Field]:
    return {field[0]: field for field in _messages()[message]}


def decode(body: bytes) -> dict[str, Any]:
    """Read an object.

    Raises:
        ApiError: 400, it is malformed, or of a kind whose field numbers are not known here.
    """
    try:
        return _object(body)
    except (ValueError, IndexError, struct.error, OverflowError, RecursionError) as error:
        raise bad_request(f"error decoding the body as protobuf: {error}") from None


def _object(body: bytes) -> dict[str, Any]:
    if not body.startswith(_MAGIC):
        raise ValueError("it does not start with k8s\\0")
    envelope = {number: value for number, _, value in _wire(body[len(_MAGIC) :])}
    names = {number: _text(value) for number, _, value in _wire(_some_bytes(envelope.get(1, b"")))}
    api_version, kind = names.get(1, ""), names.get(2, "")
    package = api_version.partition("/")[0].partition(".")[0] if "/" in api_version else "core"
    message = f"meta.{kind}" if kind in _SHARED else f"{package}.{kind}"
    if message not in _messages():
        raise ValueError(f"{kind or 'no kind'} of {api_version or 'no version'} is not known here: send JSON")
    decoded: dict[str, Any] = _message(message, _some_bytes(envelope.get(2, b"")), 0)
    return {"apiVersion": api_version, "kind": kind, **decoded}


def _wire(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield the fields of a message: number, wire type, and a number or bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, position = _varint(data, position)
        elif kind in (_FIXED64, _FIXED32):
            width = 8 if kind == _FIXED64 else 4
            value, position = data[position : position + width], position + width
            if position > len(data):
                raise ValueError("it ends inside a number")
        elif kind == _BYTES:
            length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
            if position > len(data):
                raise ValueError("it ends inside a field")
        else:
            raise ValueError(f"wire type {kind} is not used here")
        yield number, kind, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _message(name: str, data: bytes, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deep")
    fields = _fields(name)
    result: dict[str, Any] = {}
    for number, _, raw in _wire(data):
        field = fields.get(number)
        if field is None:
            continue
        _, key, kind, flags = field
        if kind.startswith("map:"):
            entry = {n: value for n, _, value in _wire(_some_bytes(raw))}
            value = _value(kind[4:], entry.get(2, b"" if kind[4:] not in ("int", "bool") else 0), depth)
            result.setdefault(key, {})[_text(entry.get(1, b""))] = value
            continue
        value = _value(kind, raw, depth)
        if "i" in flags:
            result.update(value)
        elif "r" in flags:
            result.setdefault(key, []).append(value)
        elif value is _OMIT or ("o" in flags and "p" not in flags and value in ("", 0, {}, [])):
            continue
        else:
            result[key] = value
    return result


def _value(kind: str, raw: int | bytes, depth: int) -> Any:  # noqa: PLR0911
    match kind:
        case "string":
            return _text(raw)
        case "int":
            number = _some_int(raw)
            return number - (1 << 64) if number >= 1 << 63 else number
        case "bool":
            return bool(_some_int(raw))
        case "double":
            return struct.unpack("<d", _some_bytes(raw))[0]
        case "bytes":
            return base64.b64encode(_some_bytes(raw)).decode()
        case "list":
            return [_text(value) for number, _, value in _wire(_some_bytes(raw)) if number == 1]
        case "quantity":
            return "".join(_text(value) for number, _, value in _wire(_some_bytes(raw)) if number == 1) or "0"
        case "raw" | "fields":
            inner = b"".join(_some_bytes(value) for number, _, value in _wire(_some_bytes(raw)) if number == 1)
            return orjson.loads(inner) if inner else _OMIT
        case "intstr" | "time" | "duration":
            return _small(kind, {number: value for number, _, value in _wire(_some_bytes(raw))})
    return _message(kind, _some_bytes(raw), depth + 1)


def _small(kind: str, parts: dict[int, int | bytes]) -> Any:
    if kind == "intstr":
        if parts.get(1):
            return _text(parts.get(3, b""))
        number = _some_int(parts.get(2, 0))
        return number - (1 << 64) if number >= 1 << 63 else number
    if kind == "duration":
        return f"{_some_int(parts.get(1, 0)) // 1_000_000_000}s"
    if not parts:
        return _OMIT
    seconds, nanos = _some_int(parts.get(1, 0)), _some_int(parts.get(2, 0))
    if seconds >= 1 << 63:
        return _OMIT
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=nanos // 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S") + (f".{time.microsecond:06d}Z" if nanos else "Z")


def _text(raw: int | bytes) -> str:
    return _some_bytes(raw).decode("utf-8")


def _some_bytes(raw: int | bytes) -> bytes:
    if not isinstance(raw, bytes):
        raise ValueError("a number is where bytes are expected")
    return raw


def _some_int(raw: int | bytes) -> int:
    if not isinstance(raw, int):
        raise ValueError("bytes are where a number is expected")
    return raw

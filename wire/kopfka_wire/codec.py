"""One API in one version: reads and writes its requests and responses, headers included. Frames are `framing`'s.

kio has a module for each version of each message. They are imported at the first use of that version and kept, so a
process pays for what it serves; `make` builds an answer of any version from one call, so a handler is written once.
"""

from __future__ import annotations

import functools
import io
import struct
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kopfka_wire.errors import MalformedMessageError, UnsupportedVersionError
from kopfka_wire.reading import read_unsigned_varint, reader

if TYPE_CHECKING:
    from types import ModuleType

    from kopfka_wire.reading import Buffer, Reader

NO_TIME: Final = timedelta(0)
"""What `throttle_time` is in every answer of a server without quotas."""

_HEADER = struct.Struct(">hhih")


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """The fields every request starts with, and where its body does (`body` is -1 until the codec is known)."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    end: int
    """Position after the client id: the body, in versions without tagged fields in the header."""


def read_request_header(buffer: Buffer, position: int = 0) -> RequestHeader:
    """Read what all versions of the request header have in common.

    Raises:
        MalformedMessageError: the bytes end too early or the client id is no text.
    """
    try:
        api_key, version, correlation_id, length = _HEADER.unpack_from(buffer, position)
    except struct.error:
        raise MalformedMessageError("a request header is cut short") from None
    position += _HEADER.size
    if length == -1:
        return RequestHeader(api_key, version, correlation_id, None, position)
    end = position + length
    if length < 0 or end > len(buffer):
        raise MalformedMessageError(f"a client id of {length} bytes does not fit the request")
    try:
        client_id = str(buffer[position:end], "utf-8")
    except UnicodeDecodeError:
        raise MalformedMessageError("a client id is not UTF-8") from None
    return RequestHeader(api_key, version, correlation_id, client_id, end)


class Codec:
    """Requests and responses of one API in one version."""

    __slots__ = ("_fields", "_read_request", "_read_response", "_types", "_write_request", "_write_response",
                 "api_key", "flexible_request", "flexible_response", "request", "response", "version")  # fmt: skip

    def __init__(self, api_key: int, version: int) -> None:
        # kio costs tens of milliseconds to import; a process that only frames bytes does not need it
        from kio.index import KioIndexError, load_payload_module, load_request_schema, load_response_schema  # noqa: PLC0415
        from kio.serial import entity_writer  # noqa: PLC0415
        from kio.static.constants import EntityType  # noqa: PLC0415

        try:
            self.request: type[Any] = load_request_schema(api_key, version)
            self.response: type[Any] = load_response_schema(api_key, version)
            modules: tuple[ModuleType, ...] = (
                load_payload_module(api_key, version, EntityType.request),
                load_payload_module(api_key, version, EntityType.response),
            )
        except KioIndexError:
            raise UnsupportedVersionError(f"there is no version {version} of API {api_key}") from None
        self.api_key = api_key
        self.version = version
        self.flexible_request: bool = self.request.__header_schema__.__flexible__
        self.flexible_response: bool = self.response.__header_schema__.__flexible__
        self._read_request: Reader = reader(self.request)
        self._read_response: Reader = reader(self.response)
        self._write_request = entity_writer(self.request)
        self._write_response = entity_writer(self.response)
        # the response's classes win over the request's of the same name: a server makes answers
        self._types: dict[str, type[Any]] = {
            name: value for module in modules for name, value in vars(module).items() if hasattr(value, "__version__")
        }
        self._fields: dict[str, frozenset[str]] = {}

    def make(self, name: str = "", /, **values: Any) -> Any:
        """Build the entity of this version that kio calls `name`: the response itself where empty, else a part of it.

        Fields this version does not have are dropped, as Kafka drops ignorable ones; `throttle_time` may be left out.
        """
        kind = self._types[name] if name else self.response
        known = self._fields.get(name)
        if known is None:
            known = self._fields[name] = frozenset(kind.__dataclass_fields__)
        if "throttle_time" in known:
            values.setdefault("throttle_time", NO_TIME)
        return kind(**{key: value for key, value in values.items() if key in known})

    def make_request(self, **values: Any) -> Any:
        """Build the request of this version; fields it does not have are dropped."""
        known = self.request.__dataclass_fields__
        return self.request(**{key: value for key, value in values.items() if key in known})

    def make_part(self, name: str, /, **values: Any) -> Any:
        """Build the part of this version's request that kio calls `name`; fields it does not have are dropped."""
        kind = getattr(sys.modules[self.request.__module__], name)
        known = kind.__dataclass_fields__
        return kind(**{key: value for key, value in values.items() if key in known})

    def skip_header_tags(self, buffer: Buffer, position: int) -> int:
        """Return where the body of a request starts whose `RequestHeader.end` is `position`."""
        if not self.flexible_request:
            return position
        return _skip_tags(buffer, position)

    def read_request(self, buffer: Buffer, position: int) -> Any:
        """Read the body of a request at `position` (after the header and its tags).

        Raises:
            MalformedMessageError: these bytes are no such request.
        """
        return self._read_request(buffer, position)[0]

    def read_response(self, buffer: Buffer) -> tuple[int, Any]:
        """Read a whole response, header included: the correlation id, and the body."""
        try:
            (correlation_id,) = struct.unpack_from(">i", buffer)
        except struct.error:
            raise MalformedMessageError("a response header is cut short") from None
        position = _skip_tags(buffer, 4) if self.flexible_response else 4
        return correlation_id, self._read_response(buffer, position)[0]

    def response_header(self, correlation_id: int) -> bytes:
        """Return the header that stands before a response's body."""
        return correlation_id.to_bytes(4, "big", signed=True) + (b"\0" if self.flexible_response else b"")

    def write_response(self, response: Any) -> bytes:
        """Return the bytes of a response's body."""
        out = io.BytesIO()
        self._write_response(out, response)
        return out.getvalue()

    def write_request(self, request: Any, correlation_id: int, client_id: str | None) -> bytes:
        """Return a whole request, header included."""
        name = None if client_id is None else client_id.encode()
        out = io.BytesIO()
        out.write(_HEADER.pack(self.api_key, self.version, correlation_id, -1 if name is None else len(name)))
        out.write(name or b"")
        if self.flexible_request:
            out.write(b"\0")
        self._write_request(out, request)
        return out.getvalue()


@functools.cache
def codec(api_key: int, version: int) -> Codec:
    """Return the codec of one version of one API.

    Raises:
        UnsupportedVersionError: there is none.
    """
    return Codec(api_key, version)


def _skip_tags(buffer: Buffer, position: int) -> int:
    try:
        count, position = read_unsigned_varint(buffer, position)
        for _ in range(min(count, len(buffer))):
            _, position = read_unsigned_varint(buffer, position)
            size, position = read_unsigned_varint(buffer, position)
            position += size
    except (IndexError, ValueError):
        raise MalformedMessageError("the tags of a header are cut short") from None
    if position > len(buffer):
        raise MalformedMessageError("the tags of a header are cut short")
    return position

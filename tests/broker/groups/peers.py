"""The same requests to the bundled broker and to Apache Kafka, and their answers made comparable."""

from __future__ import annotations

import dataclasses
import re
import socket
import struct
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kio.schema.errors import ErrorCode

from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_wire.apis import ApiKey

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMES = ("session_timeout", "rebalance_timeout", "retention_time")


class Wire:
    """One connection that sends requests of any version."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        self._forms: list[Any] = []

    def send(self, api: ApiKey, version: int, /, **fields: Any) -> None:
        """Send a request; its parts are made by `part`, what the version does not have is left out."""
        form = codec(api, version)
        known = form.request.__dataclass_fields__
        values = {name: _built(form, value) for name, value in fields.items() if name in known}
        for name in _TIMES:
            if name in values:
                values[name] = timedelta(milliseconds=values[name])
        frame = form.write_request(form.make_request(**values), len(self._forms), "peer")
        self._socket.sendall(struct.pack(">i", len(frame)) + frame)
        self._forms.append(form)

    def receive(self) -> Any:
        """Return the answer to the oldest request not answered yet."""
        size = struct.unpack(">i", self._exactly(4))[0]
        form = self._forms.pop(0)
        return form.read_response(self._exactly(size))[1]

    def call(self, api: ApiKey, version: int, /, **fields: Any) -> Any:
        """Send a request and return its answer."""
        self.send(api, version, **fields)
        return self.receive()

    def close(self) -> None:
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the broker closed the connection")
            data += more
        return data


def part(kind: str, /, **fields: Any) -> Callable[[Any], Any]:
    """Describe a nested entity of a request, to be built in the version it is sent in."""
    return lambda form: form.make(kind, **{key: _built(form, value) for key, value in fields.items()})


def _built(form: Any, value: Any) -> Any:
    if callable(value):
        return value(form)
    if isinstance(value, tuple | list):
        return tuple(_built(form, each) for each in value)
    return value


class Transcript:
    """Answers as plain values in which member ids, hosts and topic ids have the same names on every broker."""

    def __init__(self, topic_ids: dict[str, UUID]) -> None:
        self._names: dict[str, str] = defaultdict(lambda: f"uuid-{len(self._names) + 1}")
        self._topics = {topic_id: name for name, topic_id in topic_ids.items()}
        self.entries: list[tuple[str, Any]] = []

    def note(self, what: str, answer: Any) -> Any:
        """Add an answer under a name, and return it."""
        self.entries.append((what, self._plain(answer)))
        return answer

    def _plain(self, value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            fields = {field.name: self._plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
            if "port" in fields and fields["port"] > 0:
                fields |= {"host": "its host", "port": "its port"}
            if fields.get("error_code") == ErrorCode.invalid_request and fields.get("error_message"):
                fields["error_message"] = "a sentence"  # each has its own
            return fields
        if isinstance(value, tuple):
            return sorted((self._plain(each) for each in value), key=repr)
        if isinstance(value, UUID):
            return self._topics.get(value, value)
        if isinstance(value, bytes):
            return self._named(value.decode("latin-1"))
        if isinstance(value, str) and not hasattr(value, "name"):
            return self._named(value)
        return value

    def _named(self, text: str) -> str:
        return _UUID.sub(lambda match: self._names[match.group()], text)

"""The same requests to the bundled broker and to Apache Kafka, and their answers made comparable."""

from __future__ import annotations

import dataclasses
import re
import socket
import struct
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic
from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMES = ("session_timeout", "rebalance_timeout", "retention_time")


TOPICS = {"orders": 4, "bills": 2}
TRANSIENT = {14, 15, 16}  # loading, not available, not coordinator: what a broker answers that has just started


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


@dataclass
class Peer:
    """One of the two brokers."""

    bootstrap: str
    topic_ids: dict[str, UUID]
    wires: list[Wire] = field(default_factory=list)

    def wire(self) -> Wire:
        self.wires.append(Wire(self.bootstrap))
        return self.wires[-1]


def prepare(bootstrap: str) -> Peer:
    """Create the topics, and wait until the coordinator answers."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.create_topics([NewTopic(name, count, 1) for name, count in TOPICS.items()]).values():
        future.result(30)
    described = admin.describe_topics(TopicCollection(list(TOPICS)))
    ids = {}
    for name, future in described.items():
        given = future.result(30).topic_id
        high, low = given.get_most_significant_bits(), given.get_least_significant_bits()
        ids[name] = UUID(int=(high % 2**64) << 64 | (low % 2**64))
    peer = Peer(bootstrap, ids)
    wire = peer.wire()
    while True:  # the first request for a coordinator makes Apache Kafka create its topic
        answer = wire.call(
            ApiKey.OFFSET_COMMIT, 2, group_id="warm up", member_id="", topics=commits({"orders": {0: 1}})
        )
        if answer.topics[0].partitions[0].error_code not in TRANSIENT:
            return peer
        wire.call(ApiKey.FIND_COORDINATOR, 4, key_type=0, coordinator_keys=("warm up",))


def commits(offsets: dict[str, dict[int, Any]], ids: dict[str, UUID] | None = None) -> list[Any]:
    """Topics of an OffsetCommit request; a value is an offset or a pair with metadata."""
    topics = []
    for name, partitions in offsets.items():
        made = []
        for index, value in partitions.items():
            offset, metadata = value if isinstance(value, tuple) else (value, None)
            made.append(
                part(
                    "OffsetCommitRequestPartition",
                    partition_index=index,
                    committed_offset=offset,
                    committed_leader_epoch=-1,
                    committed_metadata=metadata,
                )
            )
        topics.append(part("OffsetCommitRequestTopic", name=name, topic_id=(ids or {}).get(name), partitions=made))
    return topics


def join(
    version: int, group: str, member_id: str = "", *, protocols: tuple[str, ...] = ("range",), **fields: Any
) -> dict[str, Any]:
    """Fields of a JoinGroup request."""
    values = {
        "group_id": group,
        "session_timeout": 10_000,
        "rebalance_timeout": 10_000,
        "member_id": member_id,
        "protocol_type": "consumer",
        "protocols": [part("JoinGroupRequestProtocol", name=name, metadata=subscription(name)) for name in protocols],
    }
    return values | fields


def subscription(user_data: str, topic: str = "orders") -> bytes:
    """Metadata of a consumer (ConsumerProtocolSubscription version 0)."""
    name, data = topic.encode(), user_data.encode()
    return struct.pack(f">hih{len(name)}si{len(data)}s", 0, 1, len(name), name, len(data), data)


def sync(group: str, joined: Any, assignment: dict[str, bytes] | None = None, **fields: Any) -> dict[str, Any]:
    """Fields of a SyncGroup request."""
    values = {
        "group_id": group,
        "generation_id": joined.generation_id,
        "member_id": joined.member_id,
        "protocol_type": "consumer",
        "protocol_name": joined.protocol_name,
        "assignments": [
            part("SyncGroupRequestAssignment", member_id=member, assignment=data)
            for member, data in (assignment or {}).items()
        ],
    }
    return values | fields


def enter(wire: Wire, note: Any, group: str, version: int = 9, **fields: Any) -> Any:
    """Join as a new member whatever the version asks for, and return the last answer."""
    answer = note(f"join v{version}", wire.call(ApiKey.JOIN_GROUP, version, **join(version, group, **fields)))
    if answer.error_code == 79:
        again = join(version, group, answer.member_id, **fields)
        answer = note(f"join v{version} again", wire.call(ApiKey.JOIN_GROUP, version, **again))
    return answer

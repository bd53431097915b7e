"""A group coordinator with a log in memory and a clock that only tests move; requests go through the real codecs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from kio.schema.errors import ErrorCode

from kopfka_broker.context import RequestContext
from kopfka_broker.groups import GroupCoordinator, GroupSettings, Node, OffsetsRecord
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kopfka_broker.security.authorizer import Operation, ResourceType

NEWEST = {key: KAFKA_VERSIONS[key].high for key in KAFKA_VERSIONS}
OK = ErrorCode.none


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def wall_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> int:
        return self.now


class Log:
    """`__consumer_offsets` in memory; `sync` makes it durable, at once unless `held`."""

    def __init__(self, partition_count: int = 50) -> None:
        self.partition_count = partition_count
        self.partitions: dict[int, list[OffsetsRecord]] = {}
        self.durable: dict[int, int] = {}
        self.starts: dict[int, int] = {}
        self.batches: list[int] = []
        self.held = False
        self.broken: Exception | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    def append(self, partition: int, records: Sequence[OffsetsRecord], timestamp_ms: int) -> int:
        if self.broken:
            raise self.broken
        log = self.partitions.setdefault(partition, [])
        log.extend(records)
        self.batches.append(len(records))
        return len(log)

    async def flushed(self, partition: int, offset: int) -> None:
        if self.held:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((partition, offset, future))
            await future
        self.durable[partition] = max(self.durable.get(partition, 0), offset)

    def sync(self, error: Exception | None = None) -> None:
        """Make everything durable that waits for it, or let it fail."""
        waiting, self._waiting = self._waiting, []
        for _, _, future in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def crash(self) -> Log:
        """Return what a restart finds where nothing more than the durable records survived."""
        after = type(self)(self.partition_count)
        after.starts = dict(self.starts)
        after.partitions = {number: log[: self.durable.get(number, 0)] for number, log in self.partitions.items()}
        after.durable = {number: len(log) for number, log in after.partitions.items()}
        return after

    def read_all(self, partition: int) -> Iterator[OffsetsRecord]:
        yield from self.partitions.get(partition, [])[self.starts.get(partition, 0) :]

    def replay(self, partition: int) -> Iterator[OffsetsRecord]:
        yield from self.read_all(partition)


class TrimmedLog(Log):
    """A log that lets go of its oldest records, as the broker's does."""

    def trim(self, partition: int, before_offset: int) -> None:
        assert before_offset <= self.durable[partition], "what stands for the records trimmed is not durable"
        self.starts[partition] = before_offset


_GROUP_CONFIGS = {
    "consumer.session.timeout.ms": 45_000,
    "consumer.heartbeat.interval.ms": 5_000,
    "consumer.assignment.interval.ms": 0,
    "streams.session.timeout.ms": 45_000,
    "streams.heartbeat.interval.ms": 5_000,
    "streams.assignment.interval.ms": 0,
    "streams.initial.rebalance.delay.ms": 0,
    "streams.num.standby.replicas": 0,
}


class Cluster:
    """Topics by name with a number of partitions."""

    def __init__(self, topics: dict[str, int]) -> None:
        self.topics = dict(topics)
        self.versions: dict[str, int] = {}
        self.group_configs: dict[tuple[str, str], Any] = {}
        self.denied: set[tuple[Operation, ResourceType, str]] = set()

    def id_of(self, name: str) -> UUID:
        return uuid5(UUID(int=1 + self.versions.get(name, 0)), name)

    def topic_names(self) -> Iterable[str]:
        return list(self.topics)

    def group_config(self, group: str, name: str) -> Any:
        return self.group_configs.get((group, name), _GROUP_CONFIGS[name])

    def allows(
        self,
        context: RequestContext,
        operation: Operation,
        resource: ResourceType,
        name: str,
        *,
        log_denied: bool = True,
    ) -> bool:
        return (operation, resource, name) not in self.denied

    def topic_name(self, topic_id: UUID) -> str | None:
        return next((name for name in self.topics if self.id_of(name) == topic_id), None)

    def topic_id(self, name: str) -> UUID | None:
        return self.id_of(name) if name in self.topics else None

    def partition_count(self, name: str) -> int:
        return self.topics.get(name, 0)

    def broker(self, listener: str) -> Node:
        return Node(1, f"{listener.lower()}.example", 9092)


class Coordination:
    """One coordinator and what it stands on."""

    def __init__(self, log: Log | None = None, *, clock: Clock | None = None, **settings: Any) -> None:
        settings.setdefault("initial_rebalance_delay_ms", 0)
        self.log = log or Log()
        self.clock = clock or Clock()
        self.cluster = Cluster({"orders": 4, "bills": 2})
        self.settings = settings
        self.coordinator = GroupCoordinator(self.log, GroupSettings(**settings), self.clock, cluster=self.cluster)
        self.handlers = self.coordinator.handlers()
        self.core = self.coordinator._core
        self.core.timers.on_earlier = None  # only `pass_time` moves time on

    @classmethod
    async def started(cls, log: Log | None = None, **settings: Any) -> Coordination:
        made = cls(log, **settings)
        await made.coordinator.load()
        return made

    async def restarted(self) -> Coordination:
        """Return a coordinator over what a `kill -9` left."""
        made = Coordination(self.log.crash(), clock=self.clock, **self.settings)
        made.cluster.topics = self.cluster.topics
        await made.coordinator.load()
        return made

    async def call(self, key: ApiKey, version: int | None = None, *, client: str | None = "c", **fields: Any) -> Any:
        """Send a request through the codec of its version and return the answer, read back through it too."""
        version = NEWEST[key] if version is None else version
        form = codec(key, version)
        request = _read_back(form, form.make_request(**_timeouts(fields)))
        context = RequestContext(key, version, client, "127.0.0.1", "PLAIN")
        answer = await self.handlers[key](request, context)
        body = form.response_header(7) + form.write_response(answer)
        correlation_id, response = form.read_response(body)
        assert correlation_id == 7
        return response

    def begin(self, key: ApiKey, version: int | None = None, **fields: Any) -> asyncio.Task[Any]:
        """Send a request whose answer may take long."""
        return asyncio.ensure_future(self.call(key, version, **fields))

    async def settle(self) -> None:
        """Let everything run that can run now."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def pass_time(self, milliseconds: int) -> None:
        """Move the clock on, stopping at each timeout on the way."""
        end = self.clock.now + milliseconds
        await self.settle()
        while (due := self.core.timers.next_due()) is not None and due <= end:
            self.clock.now = max(self.clock.now, due)
            self.core.timers.advance()
            await self.settle()
        self.clock.now = end

    # ---- members

    def join(self, member_id: str = "", *, group: str = "g", version: int = 9, **fields: Any) -> asyncio.Task[Any]:
        """Send JoinGroup."""
        form = codec(ApiKey.JOIN_GROUP, version)
        protocols = fields.pop("protocols", [("range", b"meta")])
        values: dict[str, Any] = {
            "group_id": group,
            "member_id": member_id,
            "session_timeout": 10_000,
            "rebalance_timeout": 30_000,
            "protocol_type": "consumer",
            "protocols": tuple(
                form.make("JoinGroupRequestProtocol", name=name, metadata=metadata) for name, metadata in protocols
            ),
        }
        return self.begin(ApiKey.JOIN_GROUP, version, **(values | fields))

    async def member_id(self, *, group: str = "g", **fields: Any) -> str:
        """Let a dynamic member ask for its id."""
        answer = await self.join(group=group, **fields)
        assert answer.error_code is ErrorCode.member_id_required
        return str(answer.member_id)

    def sync(
        self,
        joined: Any,
        assignment: dict[str, bytes] | None = None,
        *,
        group: str = "g",
        version: int = 5,
        **fields: Any,
    ) -> asyncio.Task[Any]:
        """Send SyncGroup of the generation that an answer to JoinGroup told of."""
        form = codec(ApiKey.SYNC_GROUP, version)
        values: dict[str, Any] = {
            "group_id": group,
            "generation_id": joined.generation_id,
            "member_id": joined.member_id,
            "protocol_type": "consumer",
            "protocol_name": joined.protocol_name,
            "assignments": tuple(
                form.make("SyncGroupRequestAssignment", member_id=member_id, assignment=part)
                for member_id, part in (assignment or {}).items()
            ),
        }
        return self.begin(ApiKey.SYNC_GROUP, version, **(values | fields))

    async def stable(self, members: int = 1, *, group: str = "g", **fields: Any) -> list[Any]:
        """Bring up a stable group of dynamic members and return their answers to JoinGroup, the leader's first."""
        ids = [await self.member_id(group=group, **fields) for _ in range(members)]
        joins = [self.join(member_id, group=group, **fields) for member_id in ids]
        await self.pass_time(0)
        joined = [await join for join in joins]
        assert [answer.error_code for answer in joined] == [OK] * members
        joined.sort(key=lambda answer: answer.member_id != answer.leader)
        assignment = {answer.member_id: b"part of " + answer.member_id.encode() for answer in joined}
        kind = fields.get("protocol_type", "consumer")
        syncs = [
            self.sync(answer, assignment if answer is joined[0] else None, group=group, protocol_type=kind)
            for answer in joined
        ]
        assert [(await sync).assignment for sync in syncs] == list(assignment.values())
        return joined

    async def heartbeat(self, joined: Any, *, group: str = "g", version: int = 4, **fields: Any) -> ErrorCode:
        """Send Heartbeat, return its error."""
        values = {"group_id": group, "generation_id": joined.generation_id, "member_id": joined.member_id}
        return (await self.call(ApiKey.HEARTBEAT, version, **(values | fields))).error_code

    async def leave(self, *members: Any, group: str = "g", version: int = 5) -> Any:
        """Send LeaveGroup for members, each a member id or a pair of member id and instance id."""
        form = codec(ApiKey.LEAVE_GROUP, version)
        if version < 3:
            return await self.call(ApiKey.LEAVE_GROUP, version, group_id=group, member_id=members[0])
        pairs = [member if isinstance(member, tuple) else (member, None) for member in members]
        identities = tuple(form.make("MemberIdentity", member_id=m, group_instance_id=i) for m, i in pairs)
        return await self.call(ApiKey.LEAVE_GROUP, version, group_id=group, members=identities)

    # ---- offsets

    def commit(
        self,
        offsets: dict[tuple[str, int], Any],
        *,
        joined: Any = None,
        group: str = "g",
        version: int = 9,
        **fields: Any,
    ) -> asyncio.Task[Any]:
        """Send OffsetCommit; a value is an offset, or a pair of offset and metadata."""
        form = codec(ApiKey.OFFSET_COMMIT, version)
        topics: dict[str, list[Any]] = {}
        for (topic, index), value in offsets.items():
            offset, metadata = value if isinstance(value, tuple) else (value, "")
            topics.setdefault(topic, []).append(
                form.make(
                    "OffsetCommitRequestPartition",
                    partition_index=index,
                    committed_offset=offset,
                    committed_leader_epoch=5,
                    committed_metadata=metadata,
                )
            )
        values: dict[str, Any] = {
            "group_id": group,
            "generation_id_or_member_epoch": -1 if joined is None else joined.generation_id,
            "member_id": "" if joined is None else joined.member_id,
            "topics": tuple(
                form.make(
                    "OffsetCommitRequestTopic",
                    name=name,
                    topic_id=self.cluster.id_of(name),
                    partitions=tuple(partitions),
                )
                for name, partitions in topics.items()
            ),
        }
        return self.begin(ApiKey.OFFSET_COMMIT, version, **(values | fields))

    async def committed(self, group: str = "g") -> dict[tuple[str, int], int]:
        """Return all offsets a group committed."""
        form = codec(ApiKey.OFFSET_FETCH, 9)
        wanted = form.make("OffsetFetchRequestGroup", group_id=group, topics=None)
        answer = await self.call(ApiKey.OFFSET_FETCH, 9, groups=(wanted,), require_stable=False)
        (found,) = answer.groups
        assert found.error_code is OK
        return {(t.name, p.partition_index): p.committed_offset for t in found.topics for p in t.partitions}


def errors(answer: Any) -> list[ErrorCode]:
    """Return the error of each partition of an answer about offsets."""
    return [partition.error_code for topic in answer.topics for partition in topic.partitions]


class DiskError(KopfkaError):
    """An error as the storage raises it."""

    code = ErrorCode.kafka_storage_error


def storage_error() -> DiskError:
    """Return what an append or a flush fails with."""
    return DiskError("the disk is gone")


def _timeouts(fields: dict[str, Any]) -> dict[str, Any]:
    times = ("session_timeout", "rebalance_timeout", "retention_time")
    return {key: timedelta(milliseconds=value) if key in times else value for key, value in fields.items()}


def _read_back(form: Any, request: Any) -> Any:
    frame = form.write_request(request, 7, "c")
    from kopfka_wire.codec import read_request_header

    position = form.skip_header_tags(frame, read_request_header(frame).end)
    return form.read_request(frame, position)

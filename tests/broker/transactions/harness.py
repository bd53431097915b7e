"""Both coordinators over logs in memory, user partitions in memory, and a clock and an event loop that only tests move.

Requests go through the real codecs. `World.crashed` is what a restart finds where only what was durable survived.
"""

from __future__ import annotations

import asyncio
import selectors
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from kio.schema.errors import ErrorCode

from broker.groups import harness as groups_harness
from broker.groups.harness import OK, Clock, TrimmedLog
from kopfka_broker.context import RequestContext
from kopfka_broker.coordinators.ports import StateRecord, TransactionalRecord, TransactionEnd
from kopfka_broker.groups import GroupCoordinator, GroupSettings
from kopfka_broker.security.authorizer import AllowAll
from kopfka_broker.storage import InvalidProducerEpochError
from kopfka_broker.transactions import TransactionCoordinator, TransactionSettings
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import codec, read_request_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOPIC = "written"
PARTITIONS = 3
GROUPS = "__consumer_offsets"


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time: when nothing can run, its clock jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now = 0.0
        self._select = self._selector.select  # type: ignore[attr-defined]
        self._selector.select = self._jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now

    def _jump(self, timeout: float | None) -> Any:
        assert timeout is not None, "everything waits for something that never happens"
        self.now += timeout
        return self._select(0)


class InternalLog(TrimmedLog):
    """An internal topic that transactions write to as well."""

    def leader_epoch(self, partition: int) -> int:
        return 0

    def append_transactional(
        self, partition: int, records: Sequence[StateRecord], timestamp_ms: int, producer_id: int, producer_epoch: int
    ) -> int:
        entries: list[Any] = [TransactionalRecord(each.key, each.value, producer_id) for each in records]
        return self.append(partition, entries, timestamp_ms)

    def append_marker(
        self, partition: int, producer_id: int, producer_epoch: int, timestamp_ms: int, *, commit: bool, **_: Any
    ) -> int:
        entries: list[Any] = [TransactionEnd(producer_id, commit)]
        return self.append(partition, entries, timestamp_ms)

    def replay(self, partition: int) -> Iterator[Any]:
        yield from self.partitions.get(partition, [])[self.starts.get(partition, 0) :]

    def read_all(self, partition: int) -> Iterator[StateRecord]:
        yield from (entry for entry in self.replay(partition) if isinstance(entry, StateRecord))


class Written(NamedTuple):
    """What is in a user partition: a value of a transaction, or (`commit` not None) a marker."""

    producer_id: int
    epoch: int
    value: Any = None
    commit: bool | None = None


class Placed(NamedTuple):
    last_offset: int


class UserPartition:
    """A partition of a user's topic, by the rules of storage: old epochs are refused."""

    def __init__(self, log: TrimmedLog, number: int) -> None:
        self.log = log
        self.number = number

    @property
    def entries(self) -> list[Written]:
        return self.log.partitions.get(self.number, [])  # type: ignore[return-value]

    def _append(self, entry: Written) -> int:
        written = [each.epoch for each in self.entries if each.producer_id == entry.producer_id]
        if written and entry.epoch < max(written):
            raise InvalidProducerEpochError(f"{entry.epoch} after {max(written)}")
        return self.log.append(self.number, [entry], 0)  # type: ignore[list-item]

    def append(self, producer_id: int, epoch: int, value: Any) -> int:
        return self._append(Written(producer_id, epoch, value))

    def append_marker(
        self,
        producer_id: int,
        producer_epoch: int,
        *,
        commit: bool,
        coordinator_epoch: int,
        now_ms: int,
        transaction_version: int = 0,
    ) -> Placed:
        opened = [each.epoch for each in self.open() if each.producer_id == producer_id]
        if opened and transaction_version >= 2 and producer_epoch <= max(opened):
            raise InvalidProducerEpochError("a marker of transaction version 2 has a newer epoch")
        return Placed(self._append(Written(producer_id, producer_epoch, commit=commit)) - 1)

    async def flushed(self, offset: int) -> None:
        await self.log.flushed(self.number, offset)

    def open(self) -> list[Written]:
        """Return the values no marker has decided about."""
        waiting: list[Written] = []
        for entry in self.entries:
            if entry.commit is None:
                waiting.append(entry)
            else:
                waiting = [each for each in waiting if each.producer_id != entry.producer_id]
        return waiting

    def decided(self) -> dict[bool, list[Any]]:
        """Return the committed and the aborted values."""
        found: dict[bool, list[Any]] = {True: [], False: []}
        waiting: dict[int, list[Any]] = {}
        for entry in self.entries:
            if entry.commit is None:
                waiting.setdefault(entry.producer_id, []).append(entry.value)
            else:
                found[entry.commit] += waiting.pop(entry.producer_id, [])
        return found


class WorldCluster(groups_harness.Cluster):
    """The cluster as both coordinators know it."""

    def __init__(self, users: TrimmedLog, offsets: InternalLog) -> None:
        super().__init__({TOPIC: PARTITIONS})
        self.users = [UserPartition(users, number) for number in range(PARTITIONS)]
        self.offsets = offsets
        self.authorizer = AllowAll()
        self.groups: Any = None
        self.transactions: Any = None
        self.transaction_version = 2

    def partition(self, topic: str, index: int) -> Any:
        if topic == GROUPS:
            return self.offsets if 0 <= index < self.offsets.partition_count else None
        return self.users[index] if topic in self.topics and 0 <= index < PARTITIONS else None


class Ids:
    """Producer ids that never repeat, not even after a crash."""

    def __init__(self) -> None:
        self.next = 0

    def skip(self, used: int) -> None:
        self.next = max(self.next, used)

    def take(self) -> int:
        self.next += 1
        return self.next


class World:
    """A broker's coordinators and what they stand on."""

    def __init__(self, logs: tuple[InternalLog, InternalLog, TrimmedLog] | None = None, **settings: Any) -> None:
        self.state, self.offsets, self.users = logs or (InternalLog(2), InternalLog(2), TrimmedLog(PARTITIONS))
        self.settings = settings
        self.clock = Clock()
        self.ids = Ids()
        self._start()

    def _start(self) -> None:
        self.cluster = WorldCluster(self.users, self.offsets)
        self.groups = GroupCoordinator(
            self.offsets, GroupSettings(initial_rebalance_delay_ms=0), self.clock, cluster=self.cluster
        )
        self.groups._core.timers.on_earlier = None
        self.transactions = TransactionCoordinator(
            self.state,
            TransactionSettings(**self.settings),
            self.clock,
            cluster=self.cluster,
            producer_ids=self.ids,
        )
        self.cluster.groups, self.cluster.transactions = self.groups, self.transactions
        self.handlers = self.groups.handlers() | self.transactions.handlers()

    @classmethod
    async def started(cls, **settings: Any) -> World:
        made = cls(**settings)
        await made.load()
        return made

    async def load(self) -> None:
        await self.groups.load()
        await self.transactions.load()

    @property
    def logs(self) -> tuple[InternalLog, InternalLog, TrimmedLog]:
        return self.state, self.offsets, self.users

    async def crashed(self) -> None:
        """End everything as `kill -9` does, and start again over what was durable."""
        least = self.transactions._core.compaction.least
        self.transactions.close()
        self.state, self.offsets, self.users = (log.crash() for log in self.logs)  # type: ignore[assignment]
        self._start()
        self.transactions._core.compaction.least = self.groups._core.compaction.least = least
        await self.load()

    async def settle(self) -> None:
        """Let everything run that can run now."""
        for _ in range(40):
            await asyncio.sleep(0)

    async def call(self, key: ApiKey, version: int | None = None, **fields: Any) -> Any:
        """Send a request through the codec of its version and return the answer, read back through it too."""
        version = KAFKA_VERSIONS[key].high if version is None else version
        form = codec(key, version)
        frame = form.write_request(form.make_request(**fields), 7, "c")
        request = form.read_request(frame, form.skip_header_tags(frame, read_request_header(frame).end))
        context = RequestContext(key, version, "c", "127.0.0.1", "PLAIN")
        answer = await self.handlers[key](request, context)
        return form.read_response(form.response_header(7) + form.write_response(answer))[1]

    # ---- requests

    async def init(
        self, name: str | None, *, timeout: int = 60_000, given: tuple[int, int] = (-1, -1), version: int = 5
    ) -> Any:
        return await self.call(
            ApiKey.INIT_PRODUCER_ID,
            version,
            transactional_id=name,
            transaction_timeout=timedelta(milliseconds=timeout),
            producer_id=given[0],
            producer_epoch=given[1],
        )

    async def producer(self, name: str, **fields: Any) -> tuple[str, int, int]:
        answer = await self.init(name, **fields)
        assert answer.error_code is OK, answer
        return name, answer.producer_id, answer.producer_epoch

    async def add(self, who: tuple[str, int, int], *partitions: int, version: int = 3) -> ErrorCode:
        form = codec(ApiKey.ADD_PARTITIONS_TO_TXN, version)
        topic = form.make("AddPartitionsToTxnTopic", name=TOPIC, partitions=tuple(partitions))
        answer = await self.call(
            ApiKey.ADD_PARTITIONS_TO_TXN,
            version,
            v3_and_below_transactional_id=who[0],
            v3_and_below_producer_id=who[1],
            v3_and_below_producer_epoch=who[2],
            v3_and_below_topics=(topic,),
        )
        return answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code

    async def add_offsets(self, who: tuple[str, int, int], group: str = "g") -> ErrorCode:
        answer = await self.call(
            ApiKey.ADD_OFFSETS_TO_TXN,
            3,
            transactional_id=who[0],
            producer_id=who[1],
            producer_epoch=who[2],
            group_id=group,
        )
        return answer.error_code

    async def commit_offset(
        self, who: tuple[str, int, int], offset: int, *, group: str = "g", version: int = 5
    ) -> ErrorCode:
        form = codec(ApiKey.TXN_OFFSET_COMMIT, version)
        part = form.make(
            "TxnOffsetCommitRequestPartition",
            partition_index=0,
            committed_offset=offset,
            committed_leader_epoch=-1,
            committed_metadata="",
        )
        answer = await self.call(
            ApiKey.TXN_OFFSET_COMMIT,
            version,
            transactional_id=who[0],
            group_id=group,
            producer_id=who[1],
            producer_epoch=who[2],
            topics=(form.make("TxnOffsetCommitRequestTopic", name=TOPIC, partitions=(part,)),),
        )
        return answer.topics[0].partitions[0].error_code

    async def end(self, who: tuple[str, int, int], commit: bool, *, version: int = 5) -> Any:
        return await self.call(
            ApiKey.END_TXN,
            version,
            transactional_id=who[0],
            producer_id=who[1],
            producer_epoch=who[2],
            committed=commit,
        )

    async def write(self, who: tuple[str, int, int], partition: int, value: Any, *, add: bool) -> ErrorCode:
        """Write as Produce does: ask the coordinator, append, wait until it is durable."""
        users = self.cluster.users[partition]
        name, producer_id, epoch = who
        if not any((each.producer_id, each.epoch) == (producer_id, epoch) for each in users.open()):
            place = (TOPIC, partition)
            codes = await self.transactions.verify(name, producer_id, epoch, [place], add=add)
            if codes[place]:
                return ErrorCode(codes[place])
        try:
            end = users.append(producer_id, epoch, value)
        except InvalidProducerEpochError:
            return ErrorCode.invalid_producer_epoch
        await users.flushed(end)
        return OK

    async def committed(self, group: str = "g", *, stable: bool = False) -> tuple[int, ErrorCode]:
        """Return what OffsetFetch says of partition 0."""
        form = codec(ApiKey.OFFSET_FETCH, 8)
        topic = form.make("OffsetFetchRequestTopics", name=TOPIC, partition_indexes=(0,))
        wanted = form.make("OffsetFetchRequestGroup", group_id=group, topics=(topic,))
        answer = await self.call(ApiKey.OFFSET_FETCH, 8, groups=(wanted,), require_stable=stable)
        part = answer.groups[0].topics[0].partitions[0]
        return part.committed_offset, part.error_code

    def described(self, name: str) -> Any:
        return self.transactions._core.ids[name].current

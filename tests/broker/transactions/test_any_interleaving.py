"""Any interleaving of producers, timeouts, failing disks and crashes keeps what a transaction promises.

Producers of two transactional ids, of both versions of the protocol, take turns in whatever order hypothesis thinks of;
so do the disks. The model remembers what producers were told. At the end everything is brought to rest, and what is in
the logs has to agree with it: all of a transaction or nothing, what was acknowledged as committed is committed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, DiskError, storage_error
from broker.transactions.harness import PARTITIONS, VirtualLoop, World
from kopfka_broker.coordinators.ports import TransactionEnd
from kopfka_broker.transactions.state import IDLE

NAMES = ("t1", "t2")
TIMEOUT_MS = 60_000
_AGAIN = {
    ErrorCode.concurrent_transactions, ErrorCode.coordinator_load_in_progress, ErrorCode.coordinator_not_available,
    ErrorCode.not_coordinator, ErrorCode.kafka_storage_error,
}  # fmt: skip
_FENCED = {ErrorCode.producer_fenced, ErrorCode.invalid_producer_epoch, ErrorCode.invalid_producer_id_mapping}

Tag = tuple[int, int]
"""A transaction: number of the producer, and its count."""


@dataclass(eq=False)
class Producer:
    """A producer as it sees itself."""

    number: int
    name: str
    bumps: bool
    who: tuple[str, int, int] | None = None
    dead: bool = False
    must_abort: bool = False
    added: set[int] = field(default_factory=set)
    ending: bool | None = None
    """How it asked for the end of its transaction, where it does not know yet what came of it."""
    count: int = 0
    task: asyncio.Task[Any] | None = None

    @property
    def tag(self) -> Tag:
        return self.number, self.count


class Interleaving(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.world = self.run(World.started())
        self.world.transactions._core.compaction.least = self.world.groups._core.compaction.least = 2
        self.producers: list[Producer] = []
        self.owner: dict[str, int] = {}
        """The producer that was initialised last, by transactional id."""
        self.writes: dict[Tag, list[tuple[int, Any]]] = defaultdict(list)
        """Acknowledged writes: partition and value."""
        self.offsets: dict[Tag, list[int]] = defaultdict(list)
        self.outcome: dict[Tag, bool] = {}
        """How a transaction ended, where its producer was told."""
        self.values = 0

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def step(self) -> None:
        self.run(self.world.settle())
        for producer in self.producers:
            if producer.task is not None and producer.task.done():
                task, producer.task = producer.task, None
                task.result()

    # ---- producers

    @rule(name=st.sampled_from(NAMES), bumps=st.booleans())
    def begin(self, name: str, bumps: bool) -> None:
        if sum(not each.dead for each in self.producers) < 4:
            producer = Producer(len(self.producers), name, bumps)
            self.producers.append(producer)
            self.act(producer, self.init(producer))

    def act(self, producer: Producer, work: Any) -> None:
        producer.task = self.loop.create_task(work)
        self.step()

    def ready(self, number: int) -> Producer | None:
        idle = [each for each in self.producers if each.task is None and not each.dead]
        return idle[number % len(idle)] if idle else None

    @precondition(lambda self: self.producers)
    @rule(
        number=st.integers(0, 3),
        partitions=st.lists(st.integers(0, PARTITIONS - 1), max_size=3),
        offsets=st.booleans(),
        commit=st.sampled_from([True, True, True, False]),
    )
    def transact(self, number: int, partitions: list[int], offsets: bool, commit: bool) -> None:
        producer = self.ready(number)
        if producer is not None and producer.who is not None and producer.ending is None:
            self.act(producer, self.whole(producer, partitions, offsets, commit))

    async def whole(self, producer: Producer, partitions: list[int], offsets: bool, commit: bool) -> None:
        """Do a transaction from its beginning, or from where it is, to its end."""
        steps = [lambda each=each: self.write(producer, each) for each in partitions]
        steps += [lambda: self.commit_offset(producer)] if offsets else []
        for step in steps:
            if not producer.must_abort and not producer.dead:
                await step()
        if not producer.dead:
            await self.end(producer, commit and not producer.must_abort)

    @precondition(lambda self: self.producers)
    @rule(
        number=st.integers(0, 3),
        what=st.sampled_from(["write", "write", "write", "offsets", "commit", "commit", "abort", "init"]),
        partition=st.integers(0, PARTITIONS - 1),
    )
    def go_on(self, number: int, what: str, partition: int) -> None:
        producer = self.ready(number)
        if producer is None:
            return
        if producer.who is None:
            self.act(producer, self.init(producer))
        elif producer.ending is not None:
            self.act(producer, self.end(producer, producer.ending))
        elif what == "init":
            if producer.must_abort:
                self.act(producer, self.init(producer))
        elif what in {"commit", "abort"}:
            commit = what == "commit" and not producer.must_abort
            self.act(producer, self.end(producer, commit))
        elif not producer.must_abort:
            work = self.write(producer, partition) if what == "write" else self.commit_offset(producer)
            self.act(producer, work)

    async def init(self, producer: Producer) -> None:
        given = (-1, -1) if producer.who is None else producer.who[1:]
        answer = await self.world.init(producer.name, timeout=TIMEOUT_MS, given=given)
        if answer.error_code is OK:
            assert self.owner.get(producer.name, -1) <= producer.number or producer.who is None
            if producer.who is None:
                self.owner[producer.name] = producer.number
            self.forget(producer)
            producer.who = (producer.name, answer.producer_id, answer.producer_epoch)
        else:
            self.refused(producer, answer.error_code)

    def forget(self, producer: Producer) -> None:
        """Begin the next transaction."""
        producer.added.clear()
        producer.must_abort, producer.ending = False, None
        producer.count += 1

    def refused(self, producer: Producer, code: ErrorCode) -> None:
        event(f"refused: {code.name}")
        if code in _AGAIN:
            return
        if code in _FENCED:
            producer.dead = True
            return
        assert code in {ErrorCode.transaction_abortable, ErrorCode.invalid_txn_state}, code
        producer.must_abort = True

    async def write(self, producer: Producer, partition: int) -> None:
        assert producer.who is not None
        tag, who = producer.tag, producer.who
        if not producer.bumps and partition not in producer.added:
            code = await self.world.add(who, partition)
            if code is not OK:
                return self.refused(producer, code)
            producer.added.add(partition)
        self.values += 1
        value = (*tag, self.values)
        before = len(self.world.cluster.users[partition].entries)
        try:
            code = await self.world.write(who, partition, value, add=producer.bumps)
        except DiskError:
            code = ErrorCode.kafka_storage_error
            producer.must_abort = True  # nobody knows whether it is there
        if code is OK:
            assert len(self.world.cluster.users[partition].entries) > before
            self.writes[tag].append((partition, value))
        else:
            self.refused(producer, code)
        return None

    async def commit_offset(self, producer: Producer) -> None:
        assert producer.who is not None
        tag, who = producer.tag, producer.who
        if not producer.bumps:
            code = await self.world.add_offsets(who)
            if code is not OK:
                return self.refused(producer, code)
        self.values += 1
        offset = self.values
        code = await self.world.commit_offset(who, offset, version=5 if producer.bumps else 4)
        if code is OK:
            self.offsets[tag].append(offset)
        else:
            if code in {ErrorCode.not_coordinator, ErrorCode.kafka_storage_error}:
                producer.must_abort = True
            self.refused(producer, code)
        return None

    async def end(self, producer: Producer, commit: bool) -> None:
        assert producer.who is not None
        if not producer.bumps and not producer.added and not self.offsets[producer.tag]:
            producer.must_abort = False  # nothing to end, as clients see it
            return
        tag, producer.ending = producer.tag, commit
        answer = await self.world.end(producer.who, commit, version=5 if producer.bumps else 4)
        if answer.error_code is OK:
            assert self.outcome.setdefault(tag, commit) is commit
            event("committed" if commit else "aborted")
            self.forget(producer)
            if producer.bumps:
                producer.who = (producer.name, answer.producer_id, answer.producer_epoch)
        elif answer.error_code is ErrorCode.invalid_txn_state:
            # nothing was open, or it ended otherwise: a client takes it for fatal
            producer.dead = True
        else:
            self.refused(producer, answer.error_code)

    # ---- the rest of the world

    @rule(number=st.integers(0, 2))
    def hold(self, number: int) -> None:
        self.world.logs[number].held = True

    @rule(
        numbers=st.sampled_from([(0,), (1,), (2,), (0, 1, 2), (0, 1, 2)]),
        fails=st.sampled_from([False, False, False, True]),
        keep=st.sampled_from([False, False, True]),
    )
    def sync(self, numbers: tuple[int, ...], fails: bool, keep: bool) -> None:
        for number in numbers:
            log = self.world.logs[number]
            log.held = keep and log.held
            log.sync(storage_error() if fails else None)
        self.step()

    @rule(number=st.integers(0, 2), full=st.sampled_from([False, False, True]))
    def disk(self, number: int, full: bool) -> None:
        self.world.logs[number].broken = storage_error() if full else None

    @rule(seconds=st.sampled_from([1, 1, 1, 30, 61]))
    def wait(self, seconds: int) -> None:
        self.world.clock.now += seconds * 1000
        self.run(self.time_out(seconds))
        self.step()

    async def time_out(self, seconds: int) -> None:
        await asyncio.sleep(seconds)
        self.world.transactions.abort_timed_out()

    @precondition(lambda self: self.owner)
    @rule(number=st.integers(0, 3), held=st.integers(0, 2), steps=st.integers(0, 3), commit=st.booleans())
    def crash_in_the_middle(self, number: int, held: int, steps: int, commit: bool) -> None:
        """End a transaction while one of the disks writes nothing down, and crash."""
        producer = self.ready(number)
        if producer is None or producer.who is None or producer.ending is not None:
            return
        if not producer.must_abort:
            for partition in range(steps):
                if self.ready(number) is producer and not producer.must_abort:
                    self.act(producer, self.write(producer, partition))
        if self.ready(number) is producer:
            self.hold(held)
            self.act(producer, self.end(producer, commit and not producer.must_abort))
            self.crash()

    @precondition(lambda self: self.world.transactions._core.ids)
    @rule()
    def crash(self) -> None:
        for producer in self.producers:
            if producer.task is not None:
                producer.task.cancel()  # its connection is gone: it does not know what became of its request
                producer.task = None
                if producer.ending is None and producer.who is not None:
                    producer.must_abort = True
        self.run(self.world.settle())
        self.run(self.world.crashed())

    @invariant()
    def nobody_writes_who_is_fenced(self) -> None:
        for known in self.world.transactions._core.ids.values():
            current = known.current
            for users in self.world.cluster.users:
                for each in users.open():
                    if each.producer_id == current.producer_id:
                        assert each.epoch <= current.producer_epoch

    @invariant()
    def what_is_open_is_known_to_the_coordinator(self) -> None:
        busy = {
            known.current.producer_id
            for known in self.world.transactions._core.ids.values()
            if known.current.state not in IDLE or known.pending is not None
        }
        for users in self.world.cluster.users:
            assert {each.producer_id for each in users.open()} <= busy, "a transaction hangs"

    def teardown(self) -> None:
        try:
            self.rest()
            self.check()
            for log in self.world.logs:
                log.sync()
            before = self.run(self.world.committed())
            self.run(self.world.crashed())
            self.rest()
            self.check()
            assert self.run(self.world.committed()) == before
        finally:
            self.world.transactions.close()
            self.run(self.world.settle())
            asyncio.set_event_loop(None)
            self.loop.close()

    def rest(self) -> None:
        """Let the disks work, and every transaction come to its end."""
        for _ in range(3):
            for log in self.world.logs:
                log.held, log.broken = False, None
                log.sync()
            self.wait(61)
            self.run(asyncio.sleep(30))
            self.step()

    def check(self) -> None:
        states = {known.current.state for known in self.world.transactions._core.ids.values()}
        assert states <= IDLE, states
        committed: dict[Tag, set[Any]] = defaultdict(set)
        aborted: dict[Tag, set[Any]] = defaultdict(set)
        for number, users in enumerate(self.world.cluster.users):
            assert not users.open(), f"the last stable offset of partition {number} stands still"
            decided = users.decided()
            for found, values in ((committed, decided[True]), (aborted, decided[False])):
                for value in values:
                    found[value[:2]].add((number, value))
        last = -1
        for number in range(self.world.offsets.partition_count):
            waiting: dict[int, list[Any]] = defaultdict(list)
            for entry in self.world.offsets.partitions.get(number, []):
                if isinstance(entry, TransactionEnd):
                    last = max([last, *waiting.pop(entry.producer_id, [])] if entry.commit else [last])
                    waiting.pop(entry.producer_id, None)
                elif hasattr(entry, "producer_id"):
                    waiting[entry.producer_id].append(int.from_bytes(entry.value[2:10], "big"))
            assert not waiting, "offsets wait for a transaction that is over"
        assert self.run(self.world.committed(stable=True)) == (last, OK)
        for tag in committed.keys() | aborted.keys():
            assert not (committed[tag] and aborted[tag]), f"{tag} is torn"
        for tag, outcome in self.outcome.items():
            written, lost = set(self.writes[tag]), aborted[tag] if outcome else committed[tag]
            assert not lost, f"{tag} ended otherwise than its producer was told"
            if outcome:
                assert committed[tag] >= written, f"{tag} lost what was acknowledged"
                assert last >= max(self.offsets[tag], default=-1), f"{tag} lost offsets"


Interleaving.TestCase.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyInterleaving = Interleaving.TestCase

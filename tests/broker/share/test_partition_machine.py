"""Any interleaving of fetches, acknowledgements, timeouts, failing writes and crashes keeps a share group's promises.

The machine drives the state machine as the broker does, against a model that knows for each offset only who has it,
how often it was given out, and what is durable of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kopfka_broker.share.acquiring import Read, Wish, acquire, withdraw
from kopfka_broker.share.partition import SharePartition, Transition
from kopfka_broker.share.records import ShareState, ShareUpdate, combine
from kopfka_broker.share.runs import Span
from kopfka_broker.share.states import (
    Acknowledgement,
    AcknowledgeType,
    AcquireMode,
    DeliveryState,
    Limits,
    ShareError,
)

MEMBERS = ("a", "b")
LIMITS = Limits(lock_duration_ms=100, delivery_count=3, record_locks=20)
ABORTED = 7
"""Every batch whose base offset this divides belongs to an aborted transaction."""


@dataclass
class Model:
    """What is true of each offset, by the rules of KIP-932 alone."""

    holder: dict[int, str] = field(default_factory=dict)
    locked_until: dict[int, int] = field(default_factory=dict)
    deliveries: dict[int, int] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    """Acknowledged, rejected, archived or gone from the log: never to be delivered again."""
    deciding: dict[int, Transition] = field(default_factory=dict)


class ShareMachine(RuleBasedStateMachine):
    """The rules."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.batches: list[Span] = []
        self.log_start = 0
        self.partition = SharePartition(0)
        self.model = Model()
        self.stored = ShareState(0, 0, 0, 0, 0)
        self.durable_finished: set[int] = set()
        self.writing: list[tuple[Transition, ShareUpdate]] = []

    # -- what happens -------------------------------------------------------------------------------------------------

    @property
    def end(self) -> int:
        return self.batches[-1].last + 1 if self.batches else 0

    @rule(size=st.integers(1, 6), gap=st.sampled_from([0, 0, 0, 2]))
    def produce(self, size: int, gap: int) -> None:
        first = self.end + gap
        self.batches.append(Span(first, first + size - 1))

    @precondition(lambda self: self.batches)
    @rule(
        member=st.sampled_from(MEMBERS),
        records=st.integers(1, 12),
        batch_size=st.integers(1, 6),
        most=st.integers(1, 5),
        mode=st.sampled_from(AcquireMode),
        committed=st.booleans(),
    )
    def fetch(self, member: str, records: int, batch_size: int, most: int, mode: AcquireMode, committed: bool) -> None:
        offset = self.partition.next_fetch_offset()
        if offset < self.log_start:
            self.partition.log_start_moved(self.log_start)
            return
        spans = [span for span in self.batches if span.last >= offset][:most]
        if not spans or not self.partition.can_acquire(LIMITS):
            return
        had_room = max(0, LIMITS.record_locks - self.partition.in_flight)
        end_before = self.partition.end_offset
        wish = Wish(member, records, batch_size, mode)
        acquired = acquire(self.partition, wish, Read(offset, spans), LIMITS, self.now)
        aborted = [span for span in spans if committed and span.first and span.first % ABORTED == 0]
        if acquired:
            given = {each for part in acquired for each in range(part.first, part.last + 1)}
            assert not given & (self.model.finished | self.model.holder.keys() | self.model.deciding.keys())
            acquired = withdraw(self.partition, acquired, aborted)
            self.model.finished |= given & {each for span in aborted for each in range(span.first, span.last + 1)}
        offsets = [offset for part in acquired for offset in range(part.first, part.last + 1)]
        assert len(offsets) == len(set(offsets))
        assert all(spans[0].first <= offset <= spans[-1].last for offset in offsets)
        if mode is AcquireMode.RECORD_LIMIT:
            assert len(offsets) <= records
        if any(offset >= end_before for offset in offsets):
            # what exceeds the limit does so by less than a batch
            assert len([o for o in offsets if o >= end_before]) < had_room + 6
        for part in acquired:
            for offset in range(part.first, part.last + 1):
                assert offset not in self.model.holder, "two consumers have one record"
                assert offset not in self.model.finished, "what was done with is delivered again"
                assert offset not in self.model.deciding
                assert offset >= self.log_start
                self.model.deliveries[offset] = self.model.deliveries.get(offset, 0) + 1
                assert part.count == self.model.deliveries[offset] <= LIMITS.delivery_count
                self.model.holder[offset] = member
                self.model.locked_until[offset] = self.now + LIMITS.lock_duration_ms

    @precondition(lambda self: self.model.holder)
    @rule(
        member=st.sampled_from(MEMBERS),
        data=st.data(),
        kinds=st.lists(st.sampled_from(AcknowledgeType), min_size=1, max_size=8),
        per_offset=st.booleans(),
    )
    def acknowledge(self, member: str, data: st.DataObject, kinds: list[AcknowledgeType], per_offset: bool) -> None:
        mine = sorted(offset for offset, holder in self.model.holder.items() if holder == member)
        if not mine:
            return
        first = data.draw(st.sampled_from(mine))
        last = first
        while last + 1 in self.model.holder and self.model.holder[last + 1] == member and last - first < 7:
            last += 1
        types = [kinds[index % len(kinds)] for index in range(last - first + 1)] if per_offset else kinds[:1]
        transition = self.partition.acknowledge(member, [Acknowledgement(first, last, types)], LIMITS, self.now)
        for index, offset in enumerate(range(first, last + 1)):
            if offset < self.partition.start_offset:
                continue
            kind = types[index] if len(types) > 1 else types[0]
            if kind is AcknowledgeType.RENEW:
                self.model.locked_until[offset] = self.now + LIMITS.lock_duration_ms
            else:
                assert transition is not None
                self.model.deciding[offset] = transition
        self._write(transition)

    @rule(member=st.sampled_from(MEMBERS), first=st.integers(0, 60), size=st.integers(1, 8))
    def acknowledge_anything(self, member: str, first: int, size: int) -> None:
        """Say something about records that may be anyone's: it is refused as a whole, or all of it was the member's."""
        wanted = range(first, first + size)
        before = [(run.first, run.last, run.state, run.count, run.member) for run in self.partition.runs]
        said = Acknowledgement(first, first + size - 1, [AcknowledgeType.ACCEPT])
        try:
            transition = self.partition.acknowledge(member, [said], LIMITS, self.now)
        except ShareError:
            assert _offsets(before) == _offsets(
                [(run.first, run.last, run.state, run.count, run.member) for run in self.partition.runs]
            )
            return
        for offset in wanted:
            if offset >= self.partition.start_offset and offset in self.model.holder:
                assert self.model.holder[offset] == member
                assert transition is not None
                self.model.deciding[offset] = transition
        self._write(transition)

    def _write(self, transition: Transition | None) -> None:
        if transition is None:
            return
        update = ShareUpdate(0, 0, self.partition.start_offset, self.partition.completed, tuple(transition.batches))
        self.writing.append((transition, update))
        for offset in self._of(transition):
            self.model.holder.pop(offset, None)

    def _of(self, transition: Transition) -> list[int]:
        return [offset for offset, each in self.model.deciding.items() if each is transition]

    @precondition(lambda self: self.writing)
    @rule()
    def durable(self) -> None:
        transition, update = self.writing.pop(0)
        self.stored = combine(self.stored, update)
        self.partition.commit(transition)
        states = _states(transition.batches)
        for offset in self._of(transition):
            del self.model.deciding[offset]
            if states[offset].final:
                self.model.finished.add(offset)
                self.durable_finished.add(offset)
        self._forget_locks()

    @precondition(lambda self: self.writing)
    @rule()
    def write_fails(self) -> None:
        transition, _ = self.writing.pop()
        holders = {run.first: run.before for run in self.partition.runs if run.change is transition}
        by_offset = {
            offset: run.before.member
            for run in self.partition.runs
            if run.change is transition and run.before is not None
            for offset in range(run.first, run.last + 1)
        }
        assert holders or not self._of(transition)
        self.partition.roll_back(transition, LIMITS)
        held = {
            offset
            for run in self.partition.runs
            if run.state is DeliveryState.ACQUIRED
            for offset in range(run.first, run.last + 1)
        }
        for offset in self._of(transition):
            del self.model.deciding[offset]
            if offset in held:
                self.model.holder[offset] = by_offset[offset]
            else:
                assert offset < self.partition.start_offset, "only what the log has lost is not given back"
                self.model.finished.add(offset)

    @precondition(lambda self: self.model.holder)
    @rule(member=st.sampled_from(MEMBERS))
    def session_ends(self, member: str) -> None:
        transition = self.partition.release(member, LIMITS)
        if transition is None:
            return
        for batch in transition.batches:
            for offset in range(batch.first, batch.last + 1):
                if self.model.holder.get(offset) == member:
                    self.model.deciding[offset] = transition
        self._write(transition)

    @rule(ms=st.sampled_from([40, 70, 110]))
    def time_passes(self, ms: int) -> None:
        self.now += ms
        due = self.partition.next_expiry()
        batches = self.partition.expire(LIMITS, self.now)
        if batches:
            assert due is not None
            assert due <= self.now
            update = ShareUpdate(0, 0, self.partition.start_offset, self.partition.completed, tuple(batches))
            self.stored = combine(self.stored, update)
            self.partition.advance()
        states = _states(batches)
        for offset in [o for o, until in self.model.locked_until.items() if until <= self.now]:
            if offset in self.model.holder:
                assert offset in states, "a lock is over and the record is not given back"
                del self.model.holder[offset]
                if states[offset].final:
                    self.model.finished.add(offset)
                    self.durable_finished.add(offset)
                del self.model.locked_until[offset]

    @precondition(lambda self: self.log_start < self.end)
    @rule(by=st.integers(1, 5))
    def retention(self, by: int) -> None:
        self.log_start = min(self.log_start + by, self.end)
        if self.partition.next_fetch_offset() < self.log_start:
            self.partition.log_start_moved(self.log_start)
            self.model.finished |= {
                offset
                for offset in range(self.partition.start_offset)
                if offset not in self.model.holder and offset not in self.model.deciding
            }

    @precondition(lambda self: self.stored.batches)
    @rule()
    def crash(self) -> None:
        self.writing.clear()
        finished = set(self.durable_finished) | set(range(self.stored.start_offset))
        before = self.model
        self.model = Model(finished=finished)
        self.partition = SharePartition(self.stored.start_offset, self.stored.batches)
        for batch in self.stored.batches:
            for offset in range(batch.first, batch.last + 1):
                self.model.deliveries[offset] = batch.count
                if batch.state.final:
                    assert offset in finished
        lost = {o for o in before.finished if o >= self.stored.start_offset and o not in finished}
        assert not lost & self.durable_finished

    # -- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def runs_are_in_order(self) -> None:
        position = -1
        for run in self.partition.runs:
            assert run.first > position
            assert run.last >= run.first
            assert run.span.first <= run.first
            assert run.last <= run.span.last
            position = run.last
        assert position < self.partition.end_offset

    @invariant()
    def start_passes_nothing_open(self) -> None:
        for offset in {*self.model.holder, *self.model.deciding}:
            assert offset >= self.partition.start_offset or offset < self.log_start
        for offset in range(self.log_start, self.partition.start_offset):
            produced = any(span.first <= offset <= span.last for span in self.batches)
            assert not produced or offset in self.model.finished or offset in self.durable_finished, offset

    @invariant()
    def holders_agree(self) -> None:
        held = {
            offset: run.member
            for run in self.partition.runs
            if run.state is DeliveryState.ACQUIRED
            for offset in range(run.first, run.last + 1)
        }
        assert held == self.model.holder

    def _forget_locks(self) -> None:
        # a lock stays where a change is still undecided: should it fail, the record is its holder's again until then
        open_ = {*self.model.holder, *self.model.deciding}
        self.model.locked_until = {o: t for o, t in self.model.locked_until.items() if o in open_}


def _states(batches: object) -> dict[int, DeliveryState]:
    return {
        offset: batch.state
        for batch in batches  # type: ignore[attr-defined]
        for offset in range(batch.first, batch.last + 1)
    }


def _offsets(runs: list[tuple[int, int, DeliveryState, int, str]]) -> dict[int, tuple[DeliveryState, int, str]]:
    return {offset: run[2:] for run in runs for offset in range(run[0], run[1] + 1)}


TestShareMachine = ShareMachine.TestCase
TestShareMachine.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)

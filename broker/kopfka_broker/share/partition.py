"""One share partition: which of its records are available, acquired, acknowledged or archived. No I/O, no clock.

Between the start offset (SPSO), below which everything is done with, and the end offset (SPEO), at which nothing was
given to anyone yet, each record has a state. What a consumer says about its records is a `Transition`: the states are
taken at once, so that nobody else can, but stay undecided until the caller says that they are durable (`commit`) or
could not be made so (`roll_back`). Apache Kafka's `SharePartition` is what this answers like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_broker.share.runs import Change, Held, Run, Runs, Span
from kopfka_broker.share.states import (
    STATE_AFTER,
    AcknowledgeType,
    DeliveryState,
    StateBatch,
    invalid_request,
    invalid_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kopfka_broker.share.states import Acknowledgement, Limits

_NOT_ACQUIRED_BATCH: Final = "The batch cannot be acknowledged. The batch is not in the acquired state."
_NOT_ACQUIRED_OFFSET: Final = "The offset cannot be acknowledged. The offset is not acquired."


class Transition(Change):
    """States that were changed and are to be stored; what `commit` and `roll_back` take."""

    __slots__ = ("batches",)

    def __init__(self) -> None:
        self.batches: list[StateBatch] = []
        """What is to be stored, in the order it came about."""


class SharePartition:
    """The state machine of one share partition; times are milliseconds of one monotonic clock."""

    def __init__(self, start_offset: int, batches: Sequence[StateBatch] = ()) -> None:
        """Begin with what was stored: the start offset, and the states of records after it.

        Raises:
            ValueError: a stored state is of a record before the start offset.
        """
        self.start_offset = start_offset
        """SPSO: the first offset that is not done with."""
        self.end_offset = start_offset
        """SPEO: the offset after the last one that has a state."""
        self.runs = Runs()
        for batch in batches:
            if batch.first < self.end_offset:
                raise ValueError(f"the stored state of {batch.first} to {batch.last} is out of order")
            self.runs.add(Run(batch.first, batch.last, Span(batch.first, batch.last), batch.state, batch.count))
            self.end_offset = batch.last + 1
        self.may_have_free = bool(batches)
        """False where it is certain that nothing before the end offset can be acquired."""
        self.advance()

    # -- what there is ------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """How many offsets are between the start and the end."""
        return self.end_offset - self.start_offset if self.runs else 0

    @property
    def completed(self) -> int:
        """How many records at or after the start offset are done with."""
        return sum(run.last - max(run.first, self.start_offset) + 1 for run in self._completed_runs())

    def _completed_runs(self) -> Iterator[Run]:
        # a run nobody was ever given is a gap of the log, not a record
        return (run for run in self.runs if run.state.final and run.count and run.last >= self.start_offset)

    def next_fetch_offset(self) -> int:
        """Return the first offset that a consumer may be given: one that came back, else the end offset."""
        if not self.may_have_free:
            return self.end_offset
        position = self.start_offset
        for run in self.runs:
            if run.last < position:
                continue
            if run.first > position:
                return position
            if run.free:
                return position
            position = run.last + 1
        self.may_have_free = False
        return self.end_offset

    def can_acquire(self, limits: Limits) -> bool:
        """Tell whether a fetch makes sense: something came back, or there is room for more records in flight."""
        return self.next_fetch_offset() != self.end_offset or self.in_flight < limits.record_locks

    def next_expiry(self) -> int | None:
        """Return when the first of the acquired records is to be taken back, None where none is acquired."""
        locked = [run.locked_until for run in self.runs if run.state is DeliveryState.ACQUIRED]
        return min(locked, default=None)

    # -- what consumers and the clock do ------------------------------------------------------------------------------

    def acknowledge(
        self, member: str, acknowledgements: Iterable[Acknowledgement], limits: Limits, now: int
    ) -> Transition | None:
        """Take what a member says of its records; all of it or nothing.

        Returns:
            What is to be made durable, None where nothing is.

        Raises:
            ShareError: it does not hold these records, or they are none.
        """
        transition = Transition()
        try:
            for said in acknowledgements:
                if said.last < self.start_offset:
                    continue  # done with, by whomever: the answer is the same
                for run in self._acknowledged_runs(said):
                    self._check_owner(run, member)
                    for first, last, kind in _pieces(said, max(run.first, self.start_offset), run.last):
                        piece = self._piece(first, last)
                        if kind is AcknowledgeType.RENEW:
                            if not limits.renew:
                                raise invalid_state("Renewing acquisition locks is not enabled for the group.")
                            piece.locked_until = now + limits.lock_duration_ms
                        else:
                            self._begin(transition, piece, STATE_AFTER[kind], limits)
        except Exception:
            self.roll_back(transition, limits)
            raise
        return transition if transition.batches else None

    def release(self, member: str, limits: Limits) -> Transition | None:
        """Take back everything a member holds, as its session is over; it counts as delivered."""
        transition = Transition()
        for run in [run for run in self.runs if run.member == member and run.state is DeliveryState.ACQUIRED]:
            for piece in self._at_start(run):
                gone = piece.last < self.start_offset
                self._begin(transition, piece, DeliveryState.ARCHIVED if gone else DeliveryState.AVAILABLE, limits)
        return transition if transition.batches else None

    def expire(self, limits: Limits, now: int) -> list[StateBatch]:
        """Take back what was not acknowledged in time; it counts as delivered.

        Returns:
            What is to be stored. It holds at once: should storing it fail, a restart would give these records back too.
        """
        batches = []
        for run in [run for run in self.runs if run.state is DeliveryState.ACQUIRED and run.locked_until <= now]:
            for piece in self._at_start(run):
                archived = piece.last < self.start_offset or piece.count >= limits.delivery_count
                piece.state = DeliveryState.ARCHIVED if archived else DeliveryState.AVAILABLE
                piece.member = ""
                self.may_have_free = self.may_have_free or not archived
                batches.append(StateBatch(piece.first, piece.last, piece.state, piece.count))
        return batches

    def log_start_moved(self, offset: int) -> None:
        """Follow the log, whose records below `offset` are gone.

        What is acquired stays so until its holder or the clock ends it; of the states nothing is stored, as the start
        offset goes with the next write.
        """
        if offset <= self.start_offset:
            return
        self.archive(self.start_offset, offset - 1, DeliveryState.AVAILABLE)
        self.start_offset = offset
        self.end_offset = max(self.end_offset, offset)
        self.advance()

    # -- how a change ends --------------------------------------------------------------------------------------------

    def commit(self, transition: Transition) -> None:
        """Settle states that are durable now, and move the start offset past what is done with."""
        for run in self._changed(transition):
            run.change = run.before = None
            self.may_have_free = self.may_have_free or run.state is DeliveryState.AVAILABLE
        self.advance()

    def roll_back(self, transition: Transition, limits: Limits) -> None:
        """Take states back that could not be stored: the records are their holders' again, for as long as they were."""
        for run in self._changed(transition):
            assert run.before is not None
            if not (run.state is DeliveryState.ARCHIVED and run.last < self.start_offset):
                run.state, run.member = run.before.state, run.before.member
            run.change = run.before = None
        self.advance()

    def _changed(self, transition: Transition) -> list[Run]:
        batches = transition.batches
        if not batches:
            return []
        near = self.runs.within(min(each.first for each in batches), max(each.last for each in batches))
        return [run for run in near if run.change is transition]

    def advance(self) -> None:
        """Move the start offset past records that are done with, and forget them."""
        position, passed = self.start_offset, 0
        held = []
        for run in self.runs:
            done = run.state.final and run.settled
            if run.last < self.start_offset:
                if not done:
                    held.append(run)  # the log's start has passed it, but its holder may still answer
            elif done and run.first <= position:
                position = run.last + 1
            else:
                break
            passed += 1
        if passed > len(held):
            self.runs.replace_head(passed, held)
        self.start_offset = position
        self.end_offset = max(self.end_offset, position)

    def archive(self, first: int, last: int, only: DeliveryState) -> None:
        """Archive the records of one state from `first` to `last`: they are not, or no longer, there for consumers."""
        for run in self.runs.within(first, last):
            if run.state is only:
                piece = self.runs.cut(run, first, last)
                piece.state, piece.member = DeliveryState.ARCHIVED, ""

    # -- parts of the above -------------------------------------------------------------------------------------------

    def _begin(self, transition: Transition, run: Run, state: DeliveryState, limits: Limits) -> None:
        """Change a run's state, to be settled later; what was delivered too often is archived."""
        run.before = Held(run.state, run.member)
        if state is DeliveryState.AVAILABLE and run.count >= limits.delivery_count:
            state = DeliveryState.ARCHIVED
        run.change = transition
        run.state, run.member = state, ""
        transition.batches.append(StateBatch(run.first, run.last, state, run.count))

    def _at_start(self, run: Run) -> list[Run]:
        """Return a run, in two parts where the start offset is inside it."""
        if not run.first < self.start_offset <= run.last:
            return [run]
        below = self.runs.cut(run, run.first, self.start_offset - 1)
        return [below, *self.runs.within(self.start_offset, self.start_offset)]

    def _piece(self, first: int, last: int) -> Run:
        (run,) = self.runs.within(first, first)
        return self.runs.cut(run, first, last)

    def _acknowledged_runs(self, said: Acknowledgement) -> list[Run]:
        place = self.runs.floor(said.first)
        if place < 0 and said.first < self.start_offset <= said.last:
            place = self.runs.floor(self.start_offset)
        if place < 0:
            raise invalid_state("Batch record not found. The request batch offsets are not found in the cache.")
        found = self.runs.starting_at(place, said.last)
        if found[-1].last < said.first:
            raise invalid_request("Batch record not found. The first offset in request is past acquired records.")
        if found[-1].last < said.last:
            raise invalid_request("Batch record not found. The last offset in request is past acquired records.")
        return [run for run in found if run.last >= max(said.first, self.start_offset)]

    @staticmethod
    def _check_owner(run: Run, member: str) -> None:
        if run.state is not DeliveryState.ACQUIRED:
            raise invalid_state(_NOT_ACQUIRED_BATCH if run.whole else _NOT_ACQUIRED_OFFSET)
        if run.member != member:
            raise invalid_state(f"Member is not the owner of {'batch record' if run.whole else 'offset'}")


def _pieces(said: Acknowledgement, first: int, last: int) -> Iterator[tuple[int, int, AcknowledgeType]]:
    """Give the ranges from `first` to `last` that an acknowledgement says one thing about."""
    first, last = max(first, said.first), min(last, said.last)
    if len(said.types) == 1:
        yield first, last, AcknowledgeType(said.types[0])
        return
    begin = first
    for offset in range(first, last + 1):
        kind = said.types[offset - said.first]
        if offset == last or said.types[offset + 1 - said.first] != kind:
            yield begin, offset, AcknowledgeType(kind)
            begin = offset + 1

"""What must never be in a history, whatever was killed, cut or full meanwhile. Pure: a history and the final log in,
anomalies out.

The final log is read twice when everything is over: with read_committed and with read_uncommitted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faults.checker.history import Commit, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from faults.checker.history import Found, History, Place, Poll


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One broken promise."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class FinalLog:
    """Every record of the topics, in the order of offsets."""

    committed: Sequence[Found]
    everything: Sequence[Found]
    offsets: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    """By group, topic and partition: the offset that is committed; of the groups that were looked at."""


def find_anomalies(history: History, log: FinalLog) -> list[Anomaly]:
    """Return everything that is wrong with a history."""
    found: list[Anomaly] = []
    for rule in (
        _lost_writes,
        _duplicates,
        _aborted_reads,
        _torn_transactions,
        _offsets_back,
        _rewritten,
        _unseen,
        _precommitted_reads,
        _lost_commits,
        _order,
    ):
        found.extend(rule(history, log))
    return found


def _lost_writes(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """An acknowledged record, or one of a transaction whose commit was acknowledged, is not there."""
    values = {each.value: each.place for each in log.committed}
    for value, place in history.acknowledged.items():
        if value not in values:
            yield Anomaly("lost acknowledged write", f"{value} was acknowledged at {place}")
        elif values[value] != place:
            yield Anomaly("lost acknowledged write", f"{value} was acknowledged at {place}, and is at {values[value]}")
    for transaction in history.transactions:
        if transaction.outcome is Outcome.COMMITTED:
            for value in transaction.sent:
                if value not in values:
                    yield Anomaly("lost acknowledged write", f"{value} of {transaction.name}, which was committed")


def _duplicates(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """Every producer is idempotent: no value may be in the log twice, committed or not."""
    for value, count in Counter(each.value for each in log.everything).items():
        if count > 1:
            yield Anomaly("duplicate under idempotence", f"{value} is there {count} times")
    for value in history.doubly_acknowledged:
        yield Anomaly("duplicate under idempotence", f"{value} was acknowledged twice")


def _aborted_reads(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """A consumer of read_committed got a record of a transaction that was aborted."""
    aborted = {
        value: each.name for each in history.transactions if each.outcome is Outcome.ABORTED for value in each.sent
    }
    for poll in history.polls:
        if poll.committed_only and poll.value in aborted:
            yield Anomaly("aborted read", f"{poll.reader} got {poll.value} of {aborted[poll.value]} at {poll.place}")
    for each in log.committed:
        if each.value in aborted:
            yield Anomaly("aborted read", f"{each.value} of {aborted[each.value]} is read as committed at {each.place}")


def _torn_transactions(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """Of a transaction whose end nobody knows, either everything is there or nothing."""
    values = {each.value for each in log.committed}
    for transaction in history.transactions:
        there = sum(value in values for value in transaction.sent)
        if transaction.outcome is not Outcome.COMMITTED and 0 < there < len(transaction.sent):
            yield Anomaly("torn transaction", f"{there} of {len(transaction.sent)} records of {transaction.name}")


def _offsets_back(history: History, _: FinalLog) -> Iterator[Anomaly]:
    """Within one position of one consumer offsets only grow."""
    last: dict[tuple[str, str, int], int] = {}
    for poll in history.polls:
        topic, partition, offset = poll.place
        key = (poll.reader, topic, partition)
        if offset <= last.get(key, -1):
            yield Anomaly("non-monotonic offset", f"{poll.reader} got {poll.place} after offset {last[key]}")
        last[key] = offset


def _rewritten(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """What was once read at a place is what is there for ever."""
    there = {each.place: each.value for each in log.everything}
    committed_places = {each.place for each in log.committed}
    for poll in history.polls:
        # what nobody was promised may go with a crash: a record that was never acknowledged and never read as committed
        promised = poll.committed_only or poll.place in committed_places
        if promised and there.get(poll.place) != poll.value:
            now = there.get(poll.place, "nothing")
            yield Anomaly(
                "lost acknowledged write", f"{poll.reader} read {poll.value} at {poll.place}, now it is {now}"
            )


def _unseen(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """A consumer of read_committed that goes on in a partition passes no committed record by."""
    offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
    for each in log.committed:
        offsets[each.place[0], each.place[1]].append(each.place[2])
    index = {key: {offset: at for at, offset in enumerate(values)} for key, values in offsets.items()}
    last: dict[tuple[str, str, int], Poll] = {}
    for poll in history.polls:
        if not poll.committed_only:
            continue
        topic, partition, offset = poll.place
        before = last.get((poll.reader, topic, partition))
        last[poll.reader, topic, partition] = poll
        places = index.get((topic, partition), {})
        if before is None or offset not in places or before.place[2] not in places:
            continue
        missed = places[offset] - places[before.place[2]] - 1
        if missed > 0:
            yield Anomaly(
                "unseen committed record", f"{poll.reader} passed {missed} by between {before.place} and {poll.place}"
            )


def _precommitted_reads(history: History, _: FinalLog) -> Iterator[Anomaly]:
    """A consumer of read_committed got a record before anyone asked for the commit of its transaction."""
    began = {value: each.commit_began for each in history.transactions for value in each.sent}
    for poll in history.polls:
        if poll.committed_only and poll.value in began:
            at = began[poll.value]
            if at is None or poll.at < at:
                yield Anomaly("precommitted read", f"{poll.reader} got {poll.value} at {poll.place}")


def _lost_commits(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """An acknowledged offset commit is gone, at the end or for the member that begins where it left off.

    A member of a new generation asks for the committed offset once no one of the old one can commit any more. Clients
    here commit nothing that they got before they were given other partitions.
    """
    highest: dict[tuple[str, str, int], Commit] = {}
    begun: set[tuple[str, str, int]] = set()
    events: list[Commit | Poll] = [*history.commits, *(poll for poll in history.polls if poll.group is not None)]
    for event in sorted(events, key=lambda each: each.at):
        if isinstance(event, Commit):
            key = (event.group, event.topic, event.partition)
            if key not in highest or event.offset > highest[key].offset:
                highest[key] = event
            continue
        topic, partition, offset = event.place
        position = (event.reader, topic, partition)
        commit = highest.get((event.group or "", topic, partition))
        if position not in begun and commit is not None and offset < commit.offset:
            yield Anomaly("lost offset commit", f"{event.reader} began at {event.place}, {commit.offset} was committed")
        begun.add(position)
    groups = {group for group, _, _ in log.offsets}
    for key, commit in highest.items():
        if commit.group in groups and log.offsets.get(key, -1) < commit.offset:
            yield Anomaly(
                "lost offset commit", f"{commit.offset} of {key} was committed, now it is {log.offsets.get(key)}"
            )


def _order(history: History, log: FinalLog) -> Iterator[Anomaly]:
    """Records of one producer stand in each partition in the order in which it sent them."""
    number: dict[str, tuple[str, int]] = {}
    counts: Counter[str] = Counter()
    for producer, value in _sent(history):
        number[value] = (producer, counts[producer])
        counts[producer] += 1
    last: dict[tuple[str, int, str], tuple[int, Place]] = {}
    for each in log.everything:
        if each.value not in number:
            yield Anomaly("record from nowhere", f"{each.value} at {each.place} was sent by nobody")
            continue
        producer, sent = number[each.value]
        key = (each.place[0], each.place[1], producer)
        if key in last and sent < last[key][0]:
            yield Anomaly("reordered write", f"{each.value} at {each.place} was sent before what is at {last[key][1]}")
        last[key] = (sent, each.place)


def _sent(history: History) -> Iterator[tuple[str, str]]:
    yield from history.sent
    for transaction in history.transactions:
        for value in transaction.sent:
            yield transaction.producer, value


def exactly_once(inputs: Iterable[Found], outputs: Iterable[Found], made_from: Mapping[str, str]) -> Iterator[Anomaly]:
    """Check consume-transform-produce: of each input record exactly one committed output, and none of anything else.

    `made_from` says of each output value which input value it was made from.
    """
    made = Counter(made_from.get(each.value, f"an unknown input of {each.value}") for each in outputs)
    for each in inputs:
        count = made.pop(each.value, 0)
        if count != 1:
            kind = "lost acknowledged write" if not count else "duplicate under idempotence"
            yield Anomaly(kind, f"{each.value} at {each.place} was processed {count} times")
    for value, count in made.items():
        yield Anomaly("record from nowhere", f"{value} was processed {count} times and is no input")

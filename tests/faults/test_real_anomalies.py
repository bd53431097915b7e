"""The checker over a broker whose files are falsified behind its back: what is really lost or torn is noticed.

`test_checker` shows each rule on a made-up history. Here clients, history and final log are those of `test_promises`,
and only the damage is made by hand: so a harness that no longer looks at anything would be found out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from faults.checker.anomalies import FinalLog, find_anomalies
from faults.checker.clients import PlainProducer, Reader, TransactionalProducer
from faults.checker.history import History, Outcome
from kopfka_broker.storage.transactions import decode_marker, encode_marker
from kopfka_wire.batches import split_batches
from support.processes import BrokerProcess, running_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOPIC = "t"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    config = "offsets.topic.num.partitions=1\ntransaction.state.log.num.partitions=1\n"
    with running_broker(tmp_path / "data", config) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(20)
        yield broker


@pytest.fixture
def history(broker: BrokerProcess) -> History:
    """What happened: plain records, one transaction aborted and one committed, all read and the position committed."""
    history = History()
    plain = PlainProducer(history, broker.bootstrap, "plain")
    for number in range(20):
        plain.send(TOPIC, 0, f"plain.{number}")
    assert plain.flush(30) == 0
    producer = TransactionalProducer(history, broker.bootstrap, "transactional", lambda: False)
    assert not producer.run("aborted", [(TOPIC, 0, f"aborted.{number}") for number in range(3)], abort=True)
    assert producer.run("committed", [(TOPIC, 0, f"committed.{number}") for number in range(3)])
    assert [each.outcome for each in history.transactions] == [Outcome.ABORTED, Outcome.COMMITTED]
    return history


def kinds(broker: BrokerProcess, history: History) -> set[str]:
    logs = []
    for committed_only in (True, False):
        reader = Reader(History(), broker.bootstrap, "final", committed_only=committed_only)
        logs.append(reader.read_everything(TOPIC, 1, 60))
        reader.close()
    return {each.kind for each in find_anomalies(history, FinalLog(*logs))}


def falsify(broker: BrokerProcess, change: Callable[[bytes], bytes]) -> None:
    """Kill the broker, change its segment, and start it again."""
    broker.kill()
    [segment] = (broker.data / f"{TOPIC}-0").glob("*.log")
    segment.write_bytes(change(segment.read_bytes()))
    broker.start()


def test_nothing_is_found_where_nothing_was_done(broker: BrokerProcess, history: History) -> None:
    falsify(broker, bytes)
    assert kinds(broker, history) == set()


def test_a_tail_that_is_gone(broker: BrokerProcess, history: History) -> None:
    """The last marker and what is before it: the records of the transaction that was committed."""

    def cut(data: bytes) -> bytes:
        starts = [position for position, _ in split_batches(data)]
        return data[: starts[-2]]

    falsify(broker, cut)
    assert "lost acknowledged write" in kinds(broker, history)


def test_a_marker_that_says_the_contrary(broker: BrokerProcess, history: History) -> None:
    [aborted] = (broker.data / f"{TOPIC}-0").glob("*.txnindex")

    def committed(data: bytes) -> bytes:
        aborted.unlink()  # it says the same as the marker did
        return _turned(data, was_commit=False)

    falsify(broker, committed)
    assert "aborted read" in kinds(broker, history)


def test_a_record_that_is_there_twice(broker: BrokerProcess, history: History) -> None:
    def doubled(data: bytes) -> bytes:
        batches = list(split_batches(data))
        position, header = batches[0]
        again = bytearray(data[position : position + header.size])
        struct.pack_into(">q", again, 0, batches[-1][1].next_offset)
        return data + bytes(again)

    falsify(broker, doubled)
    assert "duplicate under idempotence" in kinds(broker, history)


def test_an_offset_commit_that_is_gone(broker: BrokerProcess, history: History) -> None:
    reader = Reader(history, broker.bootstrap, "member", group="g")
    reader.subscribe(TOPIC)
    seen = 0
    while seen < 23:
        messages = reader.poll(5, 1)
        seen += len(messages)
        if messages:
            reader.commit(messages)
    reader.close()
    assert history.commits

    def committed() -> set[str]:
        asking = Reader(History(), broker.bootstrap, "asking", group="g")
        [place] = asking.consumer.committed([TopicPartition(TOPIC, 0)], timeout=30)
        asking.close()
        found = find_anomalies(history, FinalLog([], [], {("g", TOPIC, 0): place.offset}))
        return {each.kind for each in found} & {"lost offset commit"}

    assert committed() == set()
    broker.kill()
    for segment in (broker.data / "__consumer_offsets-0").glob("*.log"):
        segment.write_bytes(b"")
    broker.start()
    assert committed() == {"lost offset commit"}


def _turned(data: bytes, *, was_commit: bool) -> bytes:
    """Make the markers of one kind those of the other."""
    changed = bytearray(data)
    for position, header in split_batches(data):
        batch = data[position : position + header.size]
        marker = decode_marker(header, batch) if header.is_control else None
        if marker is not None and marker.commit is was_commit:
            other = bytearray(encode_marker(marker._replace(commit=not was_commit), header.base_timestamp))
            struct.pack_into(">q", other, 0, header.base_offset)
            assert len(other) == header.size
            changed[position : position + header.size] = other
    assert changed != data
    return bytes(changed)

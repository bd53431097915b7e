"""The broker process under a real client: killed again and again while records flow, and with its disk full.

`KOPFKA_SOAK_SECONDS` says how long the kills go on (`make soak`); without it, a few rounds.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from support.disks import fill, small_disk
from support.ledger import Ledger, produce, read_by_group
from support.processes import BrokerProcess, running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from confluent_kafka import Message

_SECONDS = float(os.environ.get("KOPFKA_SOAK_SECONDS", "12"))
_CONFIG = "group.initial.rebalance.delay.ms=0\nlog.segment.bytes=4194304\n"


def create(broker: BrokerProcess, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(timeout=20)


def test_killed_again_and_again_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ended = threading.Event()
    kills = 0

    def lines() -> Iterator[tuple[bytes, bytes]]:
        number = 0
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline or kills < 3:
            yield b"key-%d" % (number % 97), b"line %d " % number * 10
            number += 1

    with running_broker(tmp_path / "data", _CONFIG) as broker:
        create(broker, "lines", 5)
        ledger = Ledger()

        def kill_and_start() -> None:
            nonlocal kills
            enough = 2000
            while not ended.is_set():
                eventually(lambda wanted=enough: ended.is_set() or len(ledger.acknowledged) >= wanted, seconds=60)
                broker.kill()
                broker.start()
                kills += 1
                enough = len(ledger.acknowledged) + 2000

        killer = threading.Thread(target=kill_and_start)
        killer.start()
        try:
            produce(broker.bootstrap, "lines", lines(), ledger)
        finally:
            ended.set()
            killer.join()
        assert kills >= 3
        read_by_group(broker.bootstrap, "lines", "readers", ledger)
        ledger.check()
        assert ledger.committed.keys() == ledger.acknowledged.keys(), "records nobody was told of"


@pytest.mark.root
def test_on_a_full_disk_readers_go_on_and_writers_resume_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk, running_broker(disk / "data", _CONFIG) as broker:
        create(broker, "lines", 1)
        process = broker.process
        acknowledged: dict[int, bytes] = {}
        errors: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                acknowledged[message.offset()] = message.value()
            else:
                errors.append(error)

        def send(numbers: range, **config: object) -> None:
            producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", **config})
            for number in numbers:
                producer.produce("lines", b"%d " % number * 500, on_delivery=on_delivery)
            producer.flush(60)

        send(range(1000))
        assert len(acknowledged) == 1000
        ballast = fill(disk)
        send(range(1000, 1200), retries=0)
        assert errors
        assert {error.code() for error in errors} == {KafkaError.KAFKA_STORAGE_ERROR}
        assert values(broker) == acknowledged

        ballast.unlink()
        errors.clear()
        send(range(2000, 2500))
        assert not errors
        assert values(broker) == acknowledged
        assert broker.process is process, "it was the same process all the time"
        assert process is not None
        assert process.poll() is None


def values(broker: BrokerProcess) -> dict[int, bytes]:
    """Return every record of partition 0 by its offset."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.partition.eof": True})
    partition = TopicPartition("lines", 0, 0)
    consumer.assign([partition])
    found: dict[int, bytes] = {}
    while True:
        for message in consumer.consume(1000, timeout=10):
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                consumer.close()
                return found
            found[message.offset()] = message.value()

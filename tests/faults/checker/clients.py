"""librdkafka's clients, told what a careful application tells them, noting everything in a history."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from faults.checker.history import Found, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from confluent_kafka import Message

    from faults.checker.history import History, Transaction

_COMMON: dict[str, object] = {
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 300,
    "socket.timeout.ms": 8_000,
    "socket.connection.setup.timeout.ms": 4_000,
    "log_level": 0,
}
_HUNG_SECONDS = 25.0
_GROUP = ("state", "join_state", "rebalance_cnt", "assignment_size")
_PARTITION = ("fetch_state", "fetchq_cnt", "app_offset", "next_offset", "query_offset", "committed_offset", "hi_offset")
"""What of librdkafka's statistics tells why a consumer stands still."""
_incarnations = itertools.count(1)
log = logging.getLogger(__name__)


class ProducerLostError(Exception):
    """This producer can do nothing any more: another one is to be made in its place."""


class TransactionalProducer:
    """Runs transactions, one at a time."""

    def __init__(self, history: History, bootstrap: str, transactional_id: str, over: Callable[[], bool]) -> None:
        self._history = history
        self._over = over
        self._id = transactional_id
        self.name = f"{transactional_id}#{next(_incarnations)}"
        self.producer = Producer(
            {
                **_COMMON,
                "bootstrap.servers": bootstrap,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": 20_000,
                "linger.ms": 2,
            },
            logger=logging.getLogger("librdkafka"),
        )
        self._retried(self.producer.init_transactions)

    def run(
        self,
        name: str,
        records: Iterable[tuple[str, int, str]],
        *,
        abort: bool = False,
        before_commit: Callable[[], None] | None = None,
    ) -> bool:
        """Write topic, partition and value of each record in one transaction; True where it was committed.

        Raises:
            ProducerLostError: make another one.
        """
        transaction = self._history.begin(name, self.name)
        try:
            self.producer.begin_transaction()
            for topic, partition, value in records:
                self._history.send_in(transaction, value)
                self.producer.produce(topic, value.encode(), partition=partition)
            if before_commit is not None:
                self._answered(before_commit)
            if abort:  # librdkafka would throw away what it has not sent, and nothing would be there to be hidden
                self._answered(lambda: self.producer.flush(5))
            else:
                self._history.committing(transaction)
                self._retried(self.producer.commit_transaction)
                self._history.ended(transaction, Outcome.COMMITTED)
                return True
        except KafkaException as failure:
            error = failure.args[0]
            if error.fatal():
                self._lost(transaction, error)
            log.info("%s is aborted: %s", name, error)
        self._abort(transaction)
        return False

    def _abort(self, transaction: Transaction) -> None:
        try:
            self._retried(self.producer.abort_transaction)
        except KafkaException as failure:
            self._lost(transaction, failure.args[0])
        # librdkafka lets abort follow a commit only where the coordinator cannot have been asked for the commit
        self._history.ended(transaction, Outcome.ABORTED)

    def _lost(self, transaction: Transaction, error: KafkaError) -> None:
        if transaction.commit_began is None:
            # its successor aborts what is open before it does anything else
            self._history.ended(transaction, Outcome.ABORTED)
        else:
            self._history.ended(transaction, Outcome.UNKNOWN)
        raise ProducerLostError(str(error))

    def _answered(self, call: Callable[[], None]) -> None:
        """Call librdkafka, and leave it alone where it does not come back by far after its timeout, which happens."""
        failures: list[Exception] = []

        def run() -> None:
            try:
                call()
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=run, name=f"{self.name} calls librdkafka", daemon=True)
        thread.start()
        thread.join(_HUNG_SECONDS)
        if thread.is_alive():
            self._history.counts["calls hung"] += 1
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "a call of librdkafka hangs", fatal=True))
        if failures:
            raise failures[0]

    def _retried(self, call: Callable[[float], None]) -> None:
        while True:
            try:
                self._answered(lambda: call(5))
                return
            except KafkaException as failure:
                error = failure.args[0]
                if error.fatal() or error.txn_requires_abort() or not error.retriable():
                    raise
                if self._over():
                    raise


class PlainProducer:
    """An idempotent producer that never gives up."""

    def __init__(self, history: History, bootstrap: str, name: str) -> None:
        self._history = history
        self.name = f"{name}#{next(_incarnations)}"
        self.lost: str | None = None
        """Why another producer is to be made in its place."""
        self._producer = Producer(
            {
                **_COMMON,
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "delivery.timeout.ms": 2_000_000,
                "linger.ms": 2,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def send(self, topic: str, partition: int, value: str) -> None:
        """Send; the acknowledgement is noted when it comes."""
        self._history.send(self.name, value)
        self._producer.produce(topic, value.encode(), partition=partition, on_delivery=self._delivered)
        self._producer.poll(0)

    def flush(self, seconds: float) -> int:
        """Wait for acknowledgements; return how many are missing."""
        return int(self._producer.flush(seconds))

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.lost = str(error)
            return
        place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        self._history.acknowledge((message.value() or b"").decode(), place)


class Reader:
    """A consumer, of a group or of partitions of its own."""

    def __init__(
        self, history: History, bootstrap: str, name: str, *, group: str | None = None, committed_only: bool = True
    ) -> None:
        self._history = history
        self._base = name
        self._committed_only = committed_only
        self._statistics = "{}"
        self._polled_as = ""
        self.group = group
        self.name = self._next_name()
        self.consumer = Consumer(
            {
                **_COMMON,
                "bootstrap.servers": bootstrap,
                "group.id": group or f"none-{name}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed" if committed_only else "read_uncommitted",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 1_000,
                "fetch.wait.max.ms": 100,
                "enable.partition.eof": group is None,
                "statistics.interval.ms": 5_000,
                "stats_cb": self._measured,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def subscribe(self, topic: str) -> None:
        """Join the group."""
        self.consumer.subscribe([topic], on_assign=self._moved, on_revoke=self._moved, on_lost=self._moved)

    def poll(self, most: int, seconds: float) -> list[Message]:
        """Return the next records, noted; raises KafkaException where the consumer is of no more use."""
        messages = []
        self._polled_as = self.name
        for message in self.consumer.consume(most, timeout=seconds):
            error = message.error()
            if error is None:
                value = (message.value() or b"").decode()
                place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
                self._history.poll(self.name, place, value, committed_only=self._committed_only, group=self.group)
                messages.append(message)
            elif error.fatal():
                raise KafkaException(error)
        return messages

    def commit(self, messages: Sequence[Message]) -> None:
        """Commit the positions after what the last poll returned, where the group lets it.

        Nothing where partitions were given and taken meanwhile: a member may commit for partitions that are another's.
        """
        if self._polled_as != self.name:
            return
        offsets = positions(messages)
        try:
            self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException:
            return  # told by the next poll whose the partitions are now
        for each in offsets:
            self._history.commit_offset(self.group or "", each.topic, each.partition, each.offset)

    def rewind(self) -> None:
        """Go back to what is committed; raises KafkaException where that cannot be found out."""
        self.name = self._next_name()
        assigned = self.consumer.assignment()
        for each in self.consumer.committed(assigned, timeout=10) if assigned else []:
            if each.error is not None:
                raise KafkaException(each.error)
            self.consumer.seek(TopicPartition(each.topic, each.partition, max(0, each.offset)))

    def read_everything(self, topic: str, partitions: int, seconds: float) -> list[Found]:
        """Read partitions from their beginning to their end."""
        self.consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        found: list[Found] = []
        ended: set[int] = set()
        deadline = time.monotonic() + seconds
        while len(ended) < partitions:
            assert time.monotonic() < deadline, f"{topic} was not read to its end in {seconds} s, only {sorted(ended)}"
            for message in self.consumer.consume(1000, timeout=0.2):
                error = message.error()
                partition = message.partition() or 0
                if error is None:
                    found.append(Found((topic, partition, message.offset() or 0), (message.value() or b"").decode()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(partition)
                else:
                    raise KafkaException(error)
        return sorted(found, key=lambda each: each.place)

    def close(self) -> None:
        """Leave."""
        self.consumer.close()

    def standing(self) -> str:
        """Say what librdkafka last told of each partition assigned: where it stands, and why it does not go on."""
        statistics = json.loads(self._statistics)
        lines = [f"{self.name}: {json.dumps({key: statistics.get('cgrp', {}).get(key) for key in _GROUP})}"]
        for topic in statistics.get("topics", {}).values():
            lines += [
                f"  {number}: {json.dumps({key: partition.get(key) for key in _PARTITION})}"
                for number, partition in topic["partitions"].items()
                if partition["fetch_state"] != "none"
            ]
        return "\n".join(lines)

    def _measured(self, statistics: str) -> None:
        self._statistics = statistics

    def _moved(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.name = self._next_name()

    def _next_name(self) -> str:
        return f"{self._base}#{next(_incarnations)}"


def positions(messages: Sequence[Message]) -> list[TopicPartition]:
    """Return where a consumer stands after these records."""
    ends: dict[tuple[str, int], int] = {}
    for message in messages:
        ends[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]

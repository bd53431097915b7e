"""The check of one Produce request: which of its batches may be appended, and what is said of the others.

A batch is appended as a whole or not at all. Where the registry has to be asked, the request waits, with those behind
it on its connection, and nobody else. No batch passes without an answer: where there is none, its producer is told to
try again.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

from kopfka_broker.apis.produce import batch_fault
from kopfka_broker.apis.record_errors import refused_batch
from kopfka_broker.schemas.records import judge
from kopfka_broker.schemas.registry import RegistryUnavailableError
from kopfka_broker.schemas.settings import parts_to_check
from kopfka_broker.storage import InvalidRecordError, StorageError
from kopfka_broker.storage.manager import wall_clock_ms
from kopfka_broker.storage.validation import validate
from kopfka_wire.produce import PartitionResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.apis.verification import Key
    from kopfka_broker.schemas.answers import Answer, Question
    from kopfka_broker.schemas.room import SchemaRoom
    from kopfka_broker.schemas.settings import Part
    from kopfka_broker.storage import PartitionLog, Topic
    from kopfka_wire.produce import ProduceRequest

_TRY_AGAIN: Final = 19
"""NOT_ENOUGH_REPLICAS: of the errors that Produce has, the one that says that nothing was written, that trying again
helps, and that nothing about the partition is to be asked for anew. Java's client (RetriableException) and librdkafka
try again until `delivery.timeout.ms` is over, the latter knowing that the batch was not appended. Kafka itself uses it
where a coordinator cannot be asked (KIP-890)."""

_MOST_QUESTIONS: Final = 64
"""Questions that are asked together; and after as many, no more are asked about a batch that is refused anyway, whose
faults may then not all be named. Who makes ids up does not keep the registry busy."""


class Check:
    """One request. `settled` first where anything is `open`, then `refused` and `passed` say what to do, at once."""

    def __init__(
        self, room: SchemaRoom, request: ProduceRequest, version: int, denied: Mapping[Key, PartitionResult]
    ) -> None:
        self._room = room
        self._cluster = room.cluster
        self._request = request
        self._version = version
        self._denied = denied
        self._told: dict[Question, Answer | RegistryUnavailableError] = {}
        self.open: set[Question] = set()
        """What the registry is to be asked."""
        self.refused: dict[Key, PartitionResult] = {}
        """Answers for the partitions whose batch may not be appended, those denied before included."""
        self.passed: set[PartitionLog] = set()
        """The logs that may take theirs."""
        self._at_fault: dict[str, int] = {}
        self._judge()

    async def settled(self) -> None:
        """Return once nothing is open any more."""
        while self.open:
            await asyncio.gather(*map(self._ask, itertools.islice(self.open, _MOST_QUESTIONS)))
            # from the beginning: what topics ask for may have changed meanwhile
            self._judge()

    async def _ask(self, question: Question) -> None:
        try:
            self._told[question] = await self._room.answers.ask(question)
        except RegistryUnavailableError as error:
            self._told[question] = error

    def _known(self, question: Question) -> Answer | None:
        """Return what this request was told, which does not grow old for it, or what is known anyway.

        Raises:
            RegistryUnavailableError: this request was told that there is no answer.
        """
        found = self._told.get(question)
        if found is None:
            return self._room.answers.known(question)
        if isinstance(found, RegistryUnavailableError):
            raise found
        return found

    def _judge(self) -> None:
        self.open, self.refused, self.passed, self._at_fault = set(), dict(self._denied), set(), {}
        checked = self._cluster.checked_topics
        for topic_key, partitions in self._request.topics:
            topic = self._cluster.topic(topic_key) if topic_key in checked else None
            if topic is None:
                continue
            parts = parts_to_check(topic.name, topic.config)
            for index, records in partitions:
                # what else may be wrong is said by those who append
                if (
                    (topic_key, index) not in self._denied
                    and records is not None
                    and 0 <= index < len(topic.partitions)
                    and not batch_fault(records, self._version)
                ):
                    self._judge_batch((topic_key, index), topic, parts, records)
        if not self.open:
            self._count()

    def _judge_batch(self, key: Key, topic: Topic, parts: tuple[Part, ...], records: memoryview) -> None:
        log, now_ms = topic.partitions[key[1]], wall_clock_ms()
        try:
            validate(records, log.config, now_ms)
            faults, unknown = judge(records, parts, self._known)
            if not faults or len(self._told) < _MOST_QUESTIONS:
                self.open |= unknown
            if faults:
                self._at_fault[topic.name] = self._at_fault.get(topic.name, 0) + len(faults)
                raise InvalidRecordError("schemas are not registered", faults)
        except StorageError as error:
            self.refused[key] = refused_batch(key[1], error, log, records, now_ms)
        except RegistryUnavailableError as error:
            self.refused[key] = PartitionResult(
                key[1],
                _TRY_AGAIN,
                log_start_offset=log.log_start_offset,
                error_message=f"Nothing was written, as the schema registry gives no answer: {error}",
            )
        else:
            self.passed.add(log)

    def _count(self) -> None:
        for key, result in self.refused.items():
            topic = self._cluster.topic(key[0]) if key not in self._denied else None
            if topic is not None:
                traffic = self._cluster.metrics.topic(topic.name)
                traffic.produce_requests += 1
                traffic.failed_produce_requests += 1
                self._room.counts.untold += result.code == _TRY_AGAIN
        self._room.counts.passed += len(self.passed)
        for name, records in self._at_fault.items():
            self._room.counts.rejected[name] += records

"""What one producer writes to one partition: accumulation, sequence numbers, retries in order.

One task per partition. It sends while all is well, up to five batches at a time; after any trouble it waits until no
request is on its way, decides what became of each batch, and goes on with those that are left, in their order. So
there is one place where sequence numbers are decided, and it never has to guess what is still in flight.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import logging
import time
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import increment_sequence
from kopfka_wire.client.errors import ClientError, ClosedError, DeliveryTimeoutError, NotKafkaError
from kopfka_wire.client.producing import (
    Call,
    Outgoing,
    Sent,
    call_of_batch,
    call_of_records,
    next_calls,
    pack,
    produce_request,
    read_produce_answer,
)
from kopfka_wire.client.sorting import NOT_WRITTEN, sort_out
from kopfka_wire.error_codes import FencedError, StaleMetadataError, UnknownTopicError, broker_error
from kopfka_wire.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.connection import Connection
    from kopfka_wire.client.producing import Buffer, Identity
    from kopfka_wire.client.session import Session
    from kopfka_wire.codec import Codec

WINDOW: Final = 5
"""Brokers know the last five batches of a producer again, and no more (KIP-98)."""
_PAUSE: Final = 3600.0
"""After so many seconds without a batch the broker may have forgotten this producer (`producer.id.expiration.ms`)."""
_BY_ID: Final = 13
_WRITTEN: Final = frozenset({ErrorCode.none, ErrorCode.duplicate_sequence_number})

log = logging.getLogger(__name__)


class PartitionWriter:
    """What one producer writes to one partition. Calls that run at the same time share batches; order is that of calls.

    Every call returns once the records are on all in-sync replicas, or raises:

    - FencedError: a newer producer with this transactional id has taken over. Nothing was written by this call, unless
      an earlier attempt of it was and the answer got lost.
    - DeliveryTimeoutError: no answer within the delivery timeout; whether the records were written is not known
      (`sent` tells whether they were ever on their way).
    - BrokerError (by its class: RecordTooLargeError, InvalidRecordError, AuthorizationError…): refused, not written.
    - ClosedError: the producer was closed.

    A cancelled call withdraws its records if they are not on their way yet.
    """

    def __init__(
        self,
        cluster: Cluster,
        session: Session,
        topic: str,
        partition: int,
        *,
        lane: str,
        compression: int,
        max_batch_bytes: int,
        delivery_timeout: float,
    ) -> None:
        self._cluster = cluster
        self._session = session
        self._topic = topic
        self._partition = partition
        self._lane = lane
        self._compression = compression
        self._max_batch_bytes = max_batch_bytes
        self._delivery_timeout = delivery_timeout
        self._queue: collections.deque[Call] = collections.deque()
        self._unresolved: list[Outgoing] = []
        self._identity: Identity | None = None
        self._sequence = 0
        self._next_number = 0
        self._proved_at: float | None = None
        self._uncertain = False
        self._trouble: ClientError | None = None
        self._fatal: Exception | None = None
        self._last_trouble: ClientError | None = None
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        session.watch(self._news.set)

    # -- calls ------------------------------------------------------------------------------------------------------

    async def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        headers: tuple[tuple[str, bytes | None], ...] = (),
        timestamp: int | None = None,
    ) -> Sent:
        """Write one record; `timestamp` in milliseconds, now where it is None."""
        moment = time.time_ns() // 1_000_000 if timestamp is None else timestamp
        record = Record(0, moment, key, value, headers)
        return await self._write(lambda done: call_of_records((record,), done))

    async def send_records(self, records: Sequence[Record]) -> Sent:
        """Write records in one batch, all or none; return where the first one is.

        Their `offset` is not looked at; a timestamp of -1 means now.

        Raises:
            ValueError: there are none.
        """
        if not records:
            raise ValueError("a batch holds at least one record")
        now = time.time_ns() // 1_000_000
        made = [
            record if record.timestamp >= 0 else Record(0, now, record.key, record.value, record.headers)
            for record in records
        ]
        return await self._write(lambda done: call_of_records(made, done))

    async def send_batch(self, batch: Buffer) -> Sent:
        """Write a ready-made batch (format version 2), records and compression as they are; return its first offset.

        Producer id, epoch, sequence and checksum in its header are replaced, and it is no part of a transaction
        afterwards. The buffer is not copied and must not change until the call returns.

        Raises:
            CorruptBatchError: these bytes are not one batch of records.
        """
        return await self._write(lambda done: call_of_batch(batch, done))

    async def flush(self) -> None:
        """Wait until no call is without its answer."""
        await self._idle.wait()

    async def close(self) -> None:
        """End at once: calls without an answer raise `ClosedError`."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._fail_all(ClosedError("the producer was closed"))

    async def _write(self, call_of: Callable[[asyncio.Future[Sent]], Call]) -> Sent:
        if self._session.failure is not None:
            raise self._session.failure
        if self._closed:
            raise ClosedError("the producer was closed")
        call = call_of(asyncio.get_running_loop().create_future())
        self._queue.append(call)
        self._idle.clear()
        self._news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"writer of {self._topic}-{self._partition}")
        try:
            async with asyncio.timeout(self._delivery_timeout):
                return await call.done
        except TimeoutError:
            last = "" if self._last_trouble is None else f"; the last trouble: {self._last_trouble}"
            raise DeliveryTimeoutError(
                f"{self._topic}-{self._partition} did not acknowledge within {self._delivery_timeout:g} s "
                f"(delivery.timeout.ms){last}",
                sent=call.on_its_way,
            ) from None
        finally:
            if not call.on_its_way:
                with contextlib.suppress(ValueError):
                    self._queue.remove(call)
            self._news.set()

    # -- the task ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        waits = self._cluster.backoff()
        try:
            while not self._done():
                await self._send_while_well()
                await self._quiet()
                if self._fatal is not None:
                    self._fail_all(self._fatal)
                    self._fatal = None
                elif self._trouble is not None:
                    self._last_trouble = self._trouble
                    log.info("%s-%d: %s", self._topic, self._partition, self._trouble)
                    if await self._sort_out():
                        waits.reset()  # there is something else to send than what just failed
                    else:
                        await asyncio.sleep(waits.next())
                self._trouble = None
        except Exception as error:  # a mistake in here must not leave callers waiting for ever
            log.exception("the writer of %s-%d failed", self._topic, self._partition)
            self._fail_all(error)

    def _done(self) -> bool:
        """Tell whether there is nothing to do; the task ends then, and the next call starts another one."""
        if self._queue or self._unresolved:
            return False
        self._idle.set()
        return True

    async def _send_while_well(self) -> None:
        """Send until there is trouble, or nothing is left."""
        while self._trouble is None and not self._done():
            self._news.clear()
            self._fatal = self._session.failure
            if self._fatal is not None:
                return
            if not self._may_send():
                await self._news.wait()
                continue
            try:
                await self._send_next()
            except ClientError as error:
                if error.retriable:
                    self._trouble = error
                else:
                    self._fatal = error
                return

    def _may_send(self) -> bool:
        again = next((each for each in self._unresolved if not each.in_flight), None)
        if again is not None:
            return again.number - self._unresolved[0].number < self._window()
        if not self._queue:
            return False
        settled = not self._uncertain and not self._session.is_old and self._session.identity == self._identity
        if self._unresolved and not settled:
            return False  # numbers of a new identity begin when those of the old one are settled
        return not self._unresolved or self._next_number - self._unresolved[0].number < self._window()

    def _window(self) -> int:
        """Return how many batches, counted from the oldest that is not settled, may be written.

        As many as brokers know again: were a sixth one written while the first is not settled, the first would be
        unknown when it is sent again. But one only, until the broker has acknowledged one: a partition takes any first
        number from a producer it does not know, so if the first batch got lost and the second did not, the first
        could never be written any more.
        """
        if self._proved_at is None or time.monotonic() - self._proved_at > _PAUSE:
            return 1
        return WINDOW

    async def _send_next(self) -> None:
        """Send one batch, the first that is not on its way, or a new one."""
        identity = await self._claim()
        leader = await self._cluster.leader(self._topic, self._partition)
        connection = await self._cluster.connection(leader.node_id, self._lane)
        form = connection.form(ApiKey.PRODUCE, least=3, most=None if leader.topic_id is not None else _BY_ID - 1)
        batch = next((each for each in self._unresolved if not each.in_flight), None) or self._gather()
        if batch is None:
            return
        stamped, timeout_ms = batch.stamped(identity), int(connection.request_timeout * 1000)

        def encode(number: int) -> Sequence[Buffer]:
            return produce_request(form, number, connection.client_id, leader, batch=stamped, timeout_ms=timeout_ms)

        batch.in_flight, batch.verdict = True, None
        try:
            answer = await connection.send(encode)
        except BaseException:
            batch.in_flight = False
            raise
        answer.add_done_callback(lambda frame: self._answered(batch, connection, form, frame))

    async def _claim(self) -> Identity:
        """Return what to write with: the identity that unresolved batches have their numbers from, or the newest."""
        if self._identity is not None and self._unresolved:
            return self._identity
        if self._uncertain and self._identity is not None:
            identity = await self._session.renew(self._identity)
        else:
            identity = await self._session.claim()
        self._uncertain = False
        if identity != self._identity:
            self._identity, self._sequence, self._proved_at = identity, 0, None
        return identity

    def _gather(self) -> Outgoing | None:
        """Make a batch of what waits, as much as fits."""
        calls = next_calls(self._queue, self._max_batch_bytes)
        if not calls:
            return None
        batch = self._pack(calls)
        batch.number, batch.sequence = self._next_number, self._sequence
        self._next_number += 1
        self._sequence = increment_sequence(self._sequence, batch.count)
        self._unresolved.append(batch)
        return batch

    def _pack(self, calls: list[Call]) -> Outgoing:
        return pack(calls, self._compression)

    def _answered(self, batch: Outgoing, connection: Connection, form: Codec, frame: asyncio.Future[bytearray]) -> None:
        batch.in_flight = False
        self._news.set()
        try:
            answer = read_produce_answer(connection.read(form, frame.result()))
        except ClientError as error:
            batch.unsure = True
            self._trouble = self._trouble or error
            return
        except LookupError:
            batch.unsure = True
            self._trouble = NotKafkaError(f"{connection.address} answered Produce without its partition")
            connection.fail(self._trouble)
            return
        if answer.code in _WRITTEN:
            self._proved_at, self._last_trouble = time.monotonic(), None
            if batch in self._unresolved:
                self._unresolved.remove(batch)
            batch.succeed(answer.base_offset, answer.log_append_time)
            return
        refusal = broker_error(answer.code, f"writing to {self._topic}-{self._partition}", answer.message)
        if isinstance(refusal, StaleMetadataError):
            self._cluster.forget(self._topic)
        if isinstance(refusal, UnknownTopicError):
            self._proved_at = None  # if it comes back, it is another topic, which does not know this producer
        if isinstance(refusal, FencedError):
            self._session.fail(refusal)
        if answer.code.retriable and answer.code not in NOT_WRITTEN:
            batch.unsure = True
        batch.verdict, batch.refusal, batch.bad_records = answer.code, answer.message, answer.bad_records
        self._trouble = self._trouble or refusal

    async def _quiet(self) -> None:
        """Wait until every request that is on its way has been answered, or its connection is gone."""
        while any(each.in_flight for each in self._unresolved):
            self._news.clear()
            await self._news.wait()

    async def _sort_out(self) -> bool:
        """Decide what becomes of each batch; tell whether there is something else to send now."""
        outcome = sort_out(self._unresolved, self._sequence, self._pack)
        for call, error in outcome.failed:
            if not call.done.done():
                call.done.set_exception(error)
        if outcome.anew and self._identity is not None:
            log.warning(
                "%s-%d: the numbers of producer %d are no longer certain; going on in a new epoch",
                self._topic, self._partition, self._identity.producer_id,
            )  # fmt: skip
            try:
                identity = await self._session.renew(self._identity)
            except ClientError as error:
                if error.retriable:
                    return False  # nothing was changed: it is decided again after the wait
                self._fail_all(error)
                return True
            self._identity, self._proved_at = identity, None
            sequence = 0
            for batch in outcome.kept:
                batch.sequence = sequence
                sequence = increment_sequence(sequence, batch.count)
            self._sequence = sequence
        else:
            self._sequence = outcome.next_sequence
        self._unresolved = list(outcome.kept)
        for before, batch in itertools.pairwise(self._unresolved):
            batch.number = max(batch.number, before.number + 1)
        if self._unresolved:
            self._next_number = max(self._next_number, self._unresolved[-1].number + 1)
        return outcome.decided

    def _fail_all(self, error: Exception) -> None:
        """Fail every call. What may have been written leaves numbers that are not certain."""
        self._uncertain = self._uncertain or bool(self._unresolved)
        for batch in self._unresolved:
            batch.fail(error)
        self._unresolved.clear()
        while self._queue:
            call = self._queue.popleft()
            if not call.done.done():
                call.done.set_exception(error)
        self._idle.set()

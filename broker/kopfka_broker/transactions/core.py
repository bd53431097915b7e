"""What the APIs of the coordinator share: the transactional ids, and the one way to change what is stored of them."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.compaction import Compaction
from kopfka_broker.coordinators.errors import LOG_ERRORS, of_the_log
from kopfka_broker.coordinators.journal import Journal
from kopfka_broker.coordinators.partitions import partition_for
from kopfka_broker.coordinators.ports import StateRecord
from kopfka_broker.coordinators.topics import TRANSACTIONS
from kopfka_broker.transactions import decisions
from kopfka_broker.transactions.errors import TransactionError
from kopfka_broker.transactions.markers import Markers
from kopfka_broker.transactions.records import encode_key, encode_value
from kopfka_broker.transactions.state import ENDING, NO_EPOCH, State, Transaction, TransactionalId

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from kopfka_broker.coordinators.journal import Write
    from kopfka_broker.coordinators.ports import Clock
    from kopfka_broker.transactions.ports import Cluster, ProducerIds, TransactionLog
    from kopfka_broker.transactions.settings import TransactionSettings
    from kopfka_broker.transactions.state import TopicPartition

log = logging.getLogger(__name__)

_LONGEST_STRING = 32_767
"""Bytes of a STRING in a record's key."""
_RETRY_S = 0.5


class Core:
    """Every transactional id of this broker, and the work that goes on without anybody asking."""

    def __init__(
        self, store: TransactionLog, settings: TransactionSettings, clock: Clock, cluster: Cluster, ids: ProducerIds
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.cluster = cluster
        self.journal = Journal(store, clock)
        self.compaction = Compaction(TRANSACTIONS, store, self.journal, self._live, lambda _: False)
        self.journal.on_quiet = self.compaction.consider
        self.ids: dict[str, TransactionalId] = {}
        self.loaded = False
        self.aborted_by_timeout = 0
        """Transactions that were aborted since the start because their time was over."""
        self._producer_ids = ids
        self._store = store
        self.markers = Markers(cluster, clock)
        self._waiting: dict[TransactionalId, list[asyncio.Future[None]]] = {}
        self._working: set[asyncio.Task[None]] = set()

    # ---- looking up

    def find(self, name: str) -> TransactionalId | None:
        """Return what is known of a transactional id.

        Raises:
            TransactionError: it is not known yet what is known.
        """
        if not self.loaded:
            raise TransactionError(ErrorCode.coordinator_load_in_progress)
        return self.ids.get(name)

    def known(self, name: str | None) -> TransactionalId:
        """Return a transactional id that a producer was initialised with.

        Raises:
            TransactionError: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, or it is not known yet what is known.
        """
        if not name:
            raise TransactionError(ErrorCode.invalid_request)
        found = self.find(name)
        if found is None:
            raise TransactionError(ErrorCode.invalid_producer_id_mapping)
        return found

    def partition(self, name: str) -> int:
        """Return the partition of `__transaction_state` that a transactional id's records are in."""
        return partition_for(name, self._store.partition_count)

    def new_producer_id(self) -> int:
        """Return a producer id nobody has had.

        Raises:
            TransactionError: there is none to be had now.
        """
        try:
            return self._producer_ids.take()
        except LOG_ERRORS as error:
            raise TransactionError(ErrorCode.coordinator_not_available) from error

    def restore(self, ids: dict[str, TransactionalId]) -> None:
        """Take up what was stored; transactions whose end was decided are brought to their end from now on."""
        self.ids, self.loaded = ids, True
        for known in ids.values():
            self._producer_ids.skip(max(known.current.producer_id, known.current.next_producer_id))
            if known.current.state in ENDING:
                self._bring_to_end(known)

    # ---- changing

    def create(self, name: str, timeout_ms: int) -> TransactionalId:
        """Take up a transactional id nobody has used yet; it is stored with its first epoch."""
        if len(name) > _LONGEST_STRING // 4 and len(name.encode()) > _LONGEST_STRING:
            raise TransactionError(ErrorCode.unknown_server_error)
        made = TransactionalId(
            name, Transaction(self.new_producer_id(), timeout_ms=timeout_ms, updated_ms=self.clock.wall_ms())
        )
        self.ids[name] = made
        return made

    async def store(self, known: TransactionalId, value: Transaction) -> None:
        """Write what a transactional id becomes; return once it is durable and in effect.

        It goes on where the one who asked is gone: otherwise nobody would ever hear the end of it.

        Raises:
            TransactionError: it could not be stored, and nothing has changed.
        """
        await asyncio.shield(self.begin(known, value))

    def begin(self, known: TransactionalId, value: Transaction) -> asyncio.Task[None]:
        """Write what a transactional id becomes, now; the task is done when it is durable and in effect.

        Raises:
            TransactionError: it could not be written, and nothing has changed.
        """
        assert known.pending is None
        record = StateRecord(encode_key(known.name), None if value.state is State.DEAD else encode_value(value))
        try:
            write = self.journal.append(self.partition(known.name), [record], partial(self._apply, known, value))
        except LOG_ERRORS as error:
            raise _not_stored(known, error) from error
        known.pending = value
        return self.spawn(self._settle(known, write))

    async def _settle(self, known: TransactionalId, write: Write) -> None:
        try:
            await self.journal.settle(write)
        except LOG_ERRORS as error:
            known.pending = None
            self._changed(known)
            raise _not_stored(known, error) from error

    def _apply(self, known: TransactionalId, value: Transaction) -> None:
        known.current, known.pending = value, None
        if value.state is State.DEAD:
            del self.ids[known.name]
        elif value.state in ENDING:
            self._bring_to_end(known)
        self._changed(known)

    def _bring_to_end(self, known: TransactionalId) -> None:
        # pending from now on: whoever asks is told to ask again, before anything else of the request is checked
        known.pending = decisions.completed(known.current, self.clock.wall_ms())
        self.spawn(self.finish(known, known.pending))

    async def finish(self, known: TransactionalId, done: Transaction) -> None:
        """Tell the partitions of a transaction how it ended, and take note that they know."""
        value = known.current
        partition = self.partition(known.name)
        await self.markers.end(known.name, value, self._store.leader_epoch(partition))
        while True:
            record = StateRecord(encode_key(known.name), encode_value(done))
            try:
                self.journal.note(partition, [record])
                break
            except LOG_ERRORS as error:
                self.markers.delayed.add(known.name)
                log.warning("transactional id %s could not be stored: %s", known.name, error)
                await asyncio.sleep(_RETRY_S)
        # in effect without the disk, which has it with the next step of this or another producer: if it is lost, so is
        # all that follows it in this log, and the markers are written once more
        known.current, known.pending = done, None
        self.markers.delayed.discard(known.name)
        self._changed(known)

    async def add_partitions(
        self,
        known: TransactionalId,
        producer_id: int,
        epoch: int,
        partitions: Collection[TopicPartition],
        client_version: int,
    ) -> None:
        """Put partitions into a producer's transaction, which opens it where none is.

        Where the last one is still being brought to its end, that is waited for: it takes a moment, and asking again
        would take the client longer.

        Raises:
            TransactionError: they are not in the transaction.
        """
        deadline = self.clock.monotonic_ms() + self.settings.add_partitions_retry_ms
        while True:
            now = self.clock.wall_ms()
            try:
                value = decisions.with_partitions(
                    known, producer_id, epoch, partitions, now_ms=now, client_version=client_version
                )
            except TransactionError as refused:
                left = deadline - self.clock.monotonic_ms()
                if refused.code is not ErrorCode.concurrent_transactions or left <= 0:
                    raise
                if not await self.change(known, left / 1000):
                    raise
                continue
            if value is not None:
                await self.store(known, value)
            return

    def abort(self, known: TransactionalId) -> asyncio.Task[None]:
        """Abort an open transaction and fence its producer; the task is done when that is sure.

        Raises:
            TransactionError: it could not be written, and nothing has changed.
        """
        now, version = self.clock.wall_ms(), self.cluster.transaction_version
        return self.begin(known, decisions.fenced(known, version, now, self.new_producer_id))

    def _live(self, partition: int) -> list[StateRecord]:
        """Return what of a partition of the log still counts."""
        return [
            StateRecord(encode_key(known.name), encode_value(known.current))
            for known in self.ids.values()
            if self.partition(known.name) == partition and known.current.producer_epoch != NO_EPOCH
        ]

    # ---- waiting

    async def change(self, known: TransactionalId, seconds: float) -> bool:
        """Wait until something of a transactional id has changed; False where nothing did in that time."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(known, []).append(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        return True

    def _changed(self, known: TransactionalId) -> None:
        for future in self._waiting.pop(known, ()):
            if not future.done():
                future.set_result(None)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do something that nobody has to wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, TransactionError):
            log.error("a transaction could not be worked on", exc_info=error)

    def close(self) -> None:
        """Stop what goes on without anybody asking; a restart takes it up again."""
        for task in self._working:
            task.cancel()


def _not_stored(known: TransactionalId, error: Exception) -> TransactionError:
    log.warning("transactional id %s could not be stored: %s", known.name, error)
    return TransactionError(of_the_log(error))

"""The transaction coordinator: the asyncio shell around transactional ids. Its I/O goes through its ports."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.ports import SystemClock
from kopfka_broker.storage.schedule import Schedule
from kopfka_broker.transactions import decisions
from kopfka_broker.transactions.admin_api import AdminApi
from kopfka_broker.transactions.core import Core
from kopfka_broker.transactions.errors import TransactionError
from kopfka_broker.transactions.loading import replay
from kopfka_broker.transactions.producer_api import ProducerApi
from kopfka_broker.transactions.state import IDLE, State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence

    from kopfka_broker.coordinators.ports import Clock
    from kopfka_broker.groups import Handler
    from kopfka_broker.transactions.ports import Cluster, ProducerIds, TransactionLog
    from kopfka_broker.transactions.settings import TransactionSettings
    from kopfka_broker.transactions.state import TopicPartition


class TransactionCoordinator:
    """Answers every API of transactions for this broker, which coordinates all of them.

    Life: construct, serve `handlers()` (they answer COORDINATOR_LOAD_IN_PROGRESS until `load` is done), `await load()`
    when groups are loaded, run `run(stop)` as a task, `close()`.
    """

    def __init__(
        self,
        store: TransactionLog,
        settings: TransactionSettings,
        clock: Clock | None = None,
        *,
        cluster: Cluster,
        producer_ids: ProducerIds,
    ) -> None:
        self._store = store
        self._core = Core(store, settings, clock or SystemClock(), cluster, producer_ids)
        self.load_seconds = 0.0
        """How long `load` took."""

    async def load(self) -> None:
        """Replay `__transaction_state`; transactions whose end was decided are brought to their end meanwhile."""
        began = time.perf_counter()
        core = self._core
        core.restore(await replay(self._store, core.compaction))
        self.load_seconds = time.perf_counter() - began

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key served here."""
        return {**ProducerApi(self._core).handlers(), **AdminApi(self._core).handlers()}

    async def run(self, stop: asyncio.Event) -> None:
        """Abort transactions whose time is over and forget transactional ids nobody uses, until `stop` is set."""
        settings = self._core.settings
        await Schedule(
            {
                self.abort_timed_out: settings.timeout_check_interval_ms,
                self.expire: settings.expiration_check_interval_ms,
            }
        ).run(stop)
        self.close()

    def close(self) -> None:
        """Stop what goes on without anybody asking."""
        self._core.close()

    def abort_timed_out(self) -> None:
        """Begin to abort every transaction that is open for longer than its producer said."""
        now = self._core.clock.wall_ms()
        for known in self._core.ids.values():
            current = known.current
            if current.state is State.ONGOING and known.pending is None and current.start_ms + current.timeout_ms < now:
                with contextlib.suppress(TransactionError):  # said in the log; the next round tries again
                    self._core.abort(known)
                    self._core.aborted_by_timeout += 1

    def expire(self) -> None:
        """Begin to forget every transactional id that was not used for transactional.id.expiration.ms."""
        core = self._core
        before = core.clock.wall_ms() - core.settings.id_expiration_ms
        for known in core.ids.values():
            if known.current.state in IDLE and known.pending is None and known.current.updated_ms <= before:
                with contextlib.suppress(TransactionError):
                    core.begin(known, decisions.forgotten(known.current))

    async def verify(
        self,
        transactional_id: str | None,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[TopicPartition],
        *,
        add: bool,
    ) -> dict[TopicPartition, int]:
        """Tell for each partition whether a producer may write to it in its transaction: Kafka's error number, or 0.

        Nothing can end the transaction between the return of this coroutine and the caller's next await, if the caller
        awaits it directly: so append before that.

        Args:
            transactional_id: of the request.
            producer_id: of the batches.
            producer_epoch: of the batches.
            partitions: where the batches go.
            add: put the partitions into the transaction, and open it if none is (transaction version 2).
        """
        try:
            known = self._core.known(transactional_id)
            if add:
                await self._core.add_partitions(known, producer_id, producer_epoch, partitions, decisions.EPOCH_BUMPS)
            errors = decisions.verified(known, producer_id, producer_epoch, partitions)
        except TransactionError as refused:
            code = refused.code
            if code is ErrorCode.producer_fenced:
                code = ErrorCode.invalid_producer_epoch  # what producers expect to hear from Produce
            return dict.fromkeys(partitions, int(code))
        return {partition: int(code) for partition, code in errors.items()}

    # ---- for metrics

    def ids_by_state(self) -> Mapping[str, int]:
        """Return how many transactional ids are in each state."""
        counts = {state.title: 0 for state in State if state not in (State.DEAD, State.PREPARE_EPOCH_FENCE)}
        for known in self._core.ids.values():
            counts[known.current.state.title] += 1
        return counts

    @property
    def aborted_by_timeout(self) -> int:
        """Transactions that were aborted since the start because their time was over."""
        return self._core.aborted_by_timeout

    @property
    def waiting_for_the_disk(self) -> int:
        """Transactions whose end is decided, and whose partitions a failing disk keeps from knowing."""
        return len(self._core.markers.delayed)

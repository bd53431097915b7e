"""Writes to the target what was read: at least once, or exactly once in transactions.

Both send whole batches through `BulkWriter` and keep positions and the map of offsets in `Store`. At least once,
batches go out as they come, and what is known is written down now and then, the map before the positions. Exactly once,
a transaction holds batches, map and positions together; after anything that leaves doubt the transactional id is
claimed again, which ends what was open one way or the other, and everything begins anew from what is on the target.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Final

from kopfka_mirror.errors import FencedOutError
from kopfka_mirror.store import Known
from kopfka_wire.batches import read_header
from kopfka_wire.client.bulk import BulkWriter, parcel
from kopfka_wire.client.errors import AuthenticationError, ClientError, ClosedError
from kopfka_wire.client.session import Session
from kopfka_wire.client.transaction import Transaction
from kopfka_wire.error_codes import FencedError, SequenceError, TransactionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kopfka_mirror.metrics import Counters
    from kopfka_mirror.parts import Part, Piece
    from kopfka_mirror.settings import FlowSettings
    from kopfka_mirror.store import Store
    from kopfka_wire.client.cluster import Cluster

_DRAIN: Final = 10.0
"""Seconds that other partitions' batches have to arrive when one partition makes a new producer id necessary."""
_TRANSACTION_TIMEOUT: Final = 60.0
"""`transaction.timeout.ms`."""
_LONGEST_RETRY: Final = 5.0

log = logging.getLogger(__name__)


class Copier:
    """What both ways have in common. `run` until cancelled; `news` whenever a partition has something to write."""

    def __init__(
        self,
        flow: FlowSettings,
        target: Cluster,
        store: Store,
        parts: Mapping[tuple[str, int], Part],
        *,
        counters: Counters,
        room: Callable[[], None],
    ) -> None:
        self._flow = flow
        self._target = target
        self._store = store
        self._parts = parts
        self._counters = counters
        self._room = room
        self._writer: BulkWriter | None = None
        self._changed = asyncio.Event()
        self._broken: ClientError | None = None
        self._session: Session | None = None
        self._ready: dict[tuple[str, int], Part] = {}
        """Partitions with something to write."""
        self._working = asyncio.Lock()
        """Held while something is written that is to come to its end."""
        self._stopping = False
        self._opened_at: float | None = None
        """Since when a transaction is open (monotonic)."""
        self._unkept: set[tuple[str, int]] = set()
        """Partitions of which more is written than written down."""
        self.known = Known()
        """What was on the target at the start, for partitions that come later."""
        self.trouble: str | None = "not started yet"
        """Why nothing can be written now."""

    async def run(self) -> None:
        """Write, and begin anew after every failure.

        Raises:
            FencedOutError: another replicator does the same.
        """
        wait = 0.1
        while True:
            if self._stopping:
                return
            started = time.monotonic()
            try:
                await self._once()
            except ClientError as error:
                self._look_at_fencing(error)
                self._counters.restarts += 1
                if str(error) != self.trouble:
                    log.warning("writing to %s: %s; beginning anew", self._flow.target, error)
                self.trouble = str(error)
            finally:
                if self._writer is not None:
                    await self._writer.close()
                    self._writer = None
            wait = 0.1 if time.monotonic() - started > _LONGEST_RETRY else min(wait * 2, _LONGEST_RETRY)
            await asyncio.sleep(wait)

    def _look_at_fencing(self, error: ClientError) -> None:
        """Raise FencedOutError where the error means that another replicator does the same."""

    def news(self, part: Part) -> None:
        """Take note that a partition has pieces waiting."""
        raise NotImplementedError

    def writing_trouble(self) -> dict[tuple[str, int], ClientError]:
        """Return why batches are sent again and again, by partition of the target."""
        return {} if self._writer is None else self._writer.trouble()

    async def finish(self) -> None:
        """Bring what is being written to its end, so that the next start repeats nothing; nothing more is begun."""
        raise NotImplementedError

    async def _once(self) -> None:
        raise NotImplementedError

    async def _claim(self, session: Session) -> None:
        await self._target.retrying(session.claim, what="getting a producer id")

    def _send(self, part: Part) -> None:
        """Send what waits of a partition."""
        assert self._writer is not None
        while part.waiting:
            piece = part.waiting.popleft()
            done = functools.partial(self._done, part, part.turn, piece)
            self._writer.submit(part.remote, part.partition, parcel(piece.header, piece.data, done))

    def _done(self, part: Part, turn: int, piece: Piece, offset: int, error: ClientError | None) -> None:
        if turn != part.turn:
            return
        if error is None:
            part.wrote(piece, offset)
            self._wrote(part)
            self._room()
            return
        part.turn += 1  # the rest of it is told the same
        part.waiting.clear()
        if not isinstance(error, (SequenceError, FencedError, ClosedError, TransactionError, AuthenticationError)):
            part.fail(
                f"{self._flow.target} does not take a batch of {part.name} at offset {piece.header.base_offset} "
                f"({len(piece.data)} bytes): {error}",
                self._flow.retry_failed,
            )
        self._broken = self._broken or error
        self._changed.set()

    def _wrote(self, part: Part) -> None:
        """Take note that more of a partition is on the target."""

    async def _write_down(self, made: Iterable[tuple[str, int, bytes]]) -> None:
        """Write batches of the store, and wait for them."""
        assert self._writer is not None
        failures: list[ClientError] = []

        def done(_: int, error: ClientError | None) -> None:
            if error is not None:
                failures.append(error)

        for topic, partition, batch in made:
            self._writer.submit(topic, partition, parcel(read_header(batch), batch, done))
        await self._writer.flush()
        if failures:
            raise failures[0]


class PlainCopier(Copier):
    """At least once: a restart repeats what was written after positions were last written down."""

    def news(self, part: Part) -> None:
        """Send at once; before there is a writer the pieces wait for it."""
        if self._writer is not None and self._broken is None and part.failure is None and not self._stopping:
            self._send(part)

    async def finish(self) -> None:
        """Wait for what is on its way, and write down where it is."""
        self._stopping = True
        if self._writer is not None:
            await self._writer.flush()
            await self._keep()

    def _wrote(self, part: Part) -> None:
        self._unkept.add(part.key)
        part.show()

    async def _once(self) -> None:
        session = Session(self._target, None, _TRANSACTION_TIMEOUT)
        await self._claim(session)
        self._broken = None
        self._changed.clear()
        self._writer = BulkWriter(self._target, session)
        for part in self._parts.values():
            part.begin()
        self._room()
        self.trouble = None
        while self._broken is None:
            try:
                async with asyncio.timeout(self._flow.flush_interval):
                    await self._changed.wait()
            except TimeoutError:
                await self._keep()
        try:  # what else is on its way arrives, so that beginning anew repeats as little as can be
            async with asyncio.timeout(_DRAIN):
                await self._writer.flush()
            await self._keep()
        except TimeoutError:
            pass
        raise self._broken

    async def _keep(self) -> None:
        """Write down what is on the target: the map first, so that it is never behind the positions."""
        async with self._working:
            await self._keep_now()

    async def _keep_now(self) -> None:
        parts = [self._parts[key] for key in self._unkept if key in self._parts]
        self._unkept.clear()
        if not parts or self._writer is None:
            return
        reached = [(part, part.written) for part in parts]
        made = self._store.batches(parts)
        try:
            await self._write_down(each for each in made if each[0] == self._flow.map_topic)
            await self._write_down(each for each in made if each[0] != self._flow.map_topic)
        except ClientError:
            self._unkept.update(part.key for part in parts)
            for part in parts:
                part.offsets.rewrite()
            raise
        for part, position in reached:
            part.kept = position


class TransactionalCopier(Copier):
    """Exactly once."""

    def news(self, part: Part) -> None:
        """Have the next transaction take it."""
        self._ready[part.key] = part
        self._changed.set()

    async def finish(self) -> None:
        """Wait for the end of the transaction that is open: left open it would hold up readers of the target."""
        self._stopping = True
        async with self._working:
            return

    async def _once(self) -> None:
        if self._session is None:
            name = f"kopfka-mirror-{self._flow.name}"
            session = Session(self._target, name, _TRANSACTION_TIMEOUT)
            await self._claim(session)
            self._session = session
        else:
            session, used = self._session, self._session.identity
            assert used is not None
            # ends what is open, and fails where somebody else has claimed the id meanwhile
            await self._target.retrying(lambda: session.renew(used), what="claiming the transactional id again")
        self.known = known = await self._store.load()
        self._broken = None
        self._ready.clear()
        self._writer = BulkWriter(self._target, session)
        for part in self._parts.values():
            part.reset(
                known.positions.get(part.key),
                known.maps.get(part.key),
                restart_recreated=self._flow.restart_recreated,
            )
        self._room()
        self.trouble = None
        transaction = Transaction(self._target, session)
        while True:
            await self._changed.wait()
            async with self._working:
                if self._stopping:
                    return
                await self._transact(transaction)

    def _look_at_fencing(self, error: ClientError) -> None:
        if self._session is None or self._session.failure is None:
            return
        opened = self._opened_at
        if opened is None or time.monotonic() - opened < _TRANSACTION_TIMEOUT * 0.9:
            raise FencedOutError(f"{self._flow.name}: another replicator has taken over: {error}") from error
        # the coordinator itself ends a transaction that is open too long: an outage of the target, not a rival
        log.warning(
            "%s: a transaction was open for %.0f s and is taken for aborted", self._flow.name, time.monotonic() - opened
        )
        self._session = None

    async def _transact(self, transaction: Transaction) -> None:
        assert self._writer is not None
        loop = asyncio.get_running_loop()
        end = loop.time() + self._flow.transaction_interval
        touched: dict[tuple[str, int], Part] = {}
        while (left := end - loop.time()) > 0 and self._broken is None:
            self._changed.clear()
            ready = {key: part for key, part in self._ready.items() if part.failure is None and part.waiting}
            self._ready.clear()
            if ready:
                self._opened_at = self._opened_at or time.monotonic()
                await transaction.add((part.remote, part.partition) for part in ready.values())
                for part in ready.values():
                    self._send(part)
                touched |= ready
            elif not touched:
                return
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                break
        await self._writer.flush()
        self._check()
        made = self._store.batches(touched.values())
        await transaction.add({(topic, partition) for topic, partition, _ in made})
        await self._write_down(made)
        self._check()
        await transaction.end(commit=True)
        self._opened_at = None
        for part in touched.values():
            part.kept = part.written
            part.show()
        if self._ready:
            self._changed.set()

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken


def copier_of(
    flow: FlowSettings,
    target: Cluster,
    store: Store,
    parts: Mapping[tuple[str, int], Part],
    *,
    counters: Counters,
    room: Callable[[], None],
) -> Copier:
    """Return the copier for what a flow promises."""
    kind = TransactionalCopier if flow.exactly_once else PlainCopier
    return kind(flow, target, store, parts, counters=counters, room=room)

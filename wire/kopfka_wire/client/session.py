"""A producer's id and epoch: got from the cluster, kept fresh, and lost for good to a newer producer.

One attempt at a time; retries are who asks'. Transactions, which need no more than this to begin with, are not here.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.cluster import Coordinator
from kopfka_wire.client.errors import ClientError
from kopfka_wire.client.producing import Identity
from kopfka_wire.error_codes import CoordinatorError, FencedError, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_wire.client.cluster import Cluster

FRESH_FOR: Final = 12 * 3600.0
"""Seconds after which a transactional id is claimed again before the next write.

The coordinator forgets an id that was not claimed for `transactional.id.expiration.ms` (a week), and gives its next
owner another producer id: epochs of the old one would fence nobody. So no owner relies on an old claim.
"""

log = logging.getLogger(__name__)


class Session:
    """The identity of one producer."""

    def __init__(self, cluster: Cluster, transactional_id: str | None, transaction_timeout: float) -> None:
        self._cluster = cluster
        self.transactional_id = transactional_id
        self._transaction_timeout = timedelta(seconds=transaction_timeout)
        self._identity: Identity | None = None
        self._claimed_at = 0.0
        self._claiming = asyncio.Lock()
        self._failure: Exception | None = None
        self._watchers: list[Callable[[], None]] = []

    @property
    def identity(self) -> Identity | None:
        """What was claimed last."""
        return self._identity

    @property
    def failure(self) -> Exception | None:
        """Why this producer may not write any more."""
        return self._failure

    def watch(self, told: Callable[[], None]) -> None:
        """Have `told` called when the producer fails for good."""
        self._watchers.append(told)

    def fail(self, error: Exception) -> None:
        """End this producer: every writer of it fails with this error."""
        if self._failure is None:
            self._failure = error
            for told in self._watchers:
                told()

    async def claim(self) -> Identity:
        """Return the identity to write with, claiming it where that was not done, or long ago.

        Raises:
            FencedError: a newer producer has the transactional id, now and for good.
            ClientError: the coordinator cannot be asked now, or refuses.
        """
        known = self._identity
        if known is not None and not self.is_old:
            return known
        async with self._claiming:
            if self._identity is known:
                await self._ask(known)
        assert self._identity is not None
        return self._identity

    async def renew(self, used: Identity) -> Identity:
        """Return another identity than `used`, whose sequence numbers are no longer certain."""
        async with self._claiming:
            if self._identity == used:
                await self._ask(used)
        assert self._identity is not None
        return self._identity

    @property
    def is_old(self) -> bool:
        """Whether the transactional id is to be claimed again before the next write."""
        if self.transactional_id is None:
            return False
        return asyncio.get_running_loop().time() - self._claimed_at > FRESH_FOR

    async def _ask(self, known: Identity | None) -> None:
        if self._failure is not None:
            raise self._failure
        name, now = self.transactional_id, asyncio.get_running_loop().time()
        try:
            answer = await self._init_producer_id(None if name is None else known)
            check(answer.error_code, "getting a producer id" if name is None else f"claiming transactional id {name}")
        except FencedError as error:
            self.fail(error)
            raise
        except ClientError as error:
            if name is not None and (isinstance(error, CoordinatorError) or error.retriable):
                self._cluster.forget_coordinator(Coordinator.TRANSACTION, name)
            raise
        self._identity, self._claimed_at = Identity(answer.producer_id, answer.producer_epoch), now
        log.debug("producer id %d, epoch %d (%s)", answer.producer_id, answer.producer_epoch, name or "idempotent")

    async def _init_producer_id(self, known: Identity | None) -> Any:
        name = self.transactional_id
        if name is None:
            connection = await self._cluster.any_connection()
        else:
            node_id = await self._cluster.coordinator(Coordinator.TRANSACTION, name)
            connection = await self._cluster.connection(node_id)
        # with an identity to go on from, the coordinator checks that nobody has claimed the id since (KIP-360)
        form = connection.form(ApiKey.INIT_PRODUCER_ID, least=0 if known is None else 3)
        request = form.make_request(
            transactional_id=name,
            transaction_timeout=self._transaction_timeout,
            producer_id=-1 if known is None else known.producer_id,
            producer_epoch=-1 if known is None else known.epoch,
        )
        return await connection.call(form, request)

"""One transactional id's transactions: which partitions are in it, and its end. The records in it are `bulk`'s.

The classic flow (KIP-98), which every broker since 0.11 has: a partition is added before the first batch goes to it,
and the epoch stays the same from one transaction to the next.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.cluster import Coordinator
from kopfka_wire.client.errors import ClientError
from kopfka_wire.error_codes import CoordinatorError, TransactionError, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.connection import Connection
    from kopfka_wire.client.session import Session

A = TypeVar("A")

_LAST_ADD: Final = 3
"""AddPartitionsToTxn's last version for clients; later ones are brokers' (KIP-890)."""
_LAST_END: Final = 4
"""EndTxn's last version that leaves the epoch as it is (KIP-890)."""

_STILL_ENDING: Final = 0.01
"""Seconds until a transaction is begun again whose predecessor's markers are still being written: they soon are."""


class Transaction:
    """The transaction that is open, one at a time; begins with the first partition that is added.

    What fails for good leaves it open: its owner claims the id again (`Session.renew`), which aborts it.
    """

    def __init__(self, cluster: Cluster, session: Session) -> None:
        if session.transactional_id is None:
            raise ValueError("a transaction needs a transactional id")
        self._cluster = cluster
        self._session = session
        self._name = session.transactional_id
        self._partitions: set[tuple[str, int]] = set()

    @property
    def partitions(self) -> frozenset[tuple[str, int]]:
        """Those that are in the open transaction."""
        return frozenset(self._partitions)

    async def add(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Add partitions that are not yet in it.

        Raises:
            FencedError: a newer producer has the transactional id.
            ClientError: they could not be added.
        """
        new = [each for each in partitions if each not in self._partitions]
        if new:
            what = f"adding partitions to a transaction of {self._name}"
            await self._cluster.retrying(lambda: self._once(self._add, new), what=what)
            self._partitions.update(new)

    async def end(self, *, commit: bool) -> None:
        """Commit or abort; nothing is asked where nothing was added.

        Raises:
            FencedError: a newer producer has the transactional id.
            ClientError: how it ended is not known; claiming the id again settles it.
        """
        if self._partitions:
            what = f"{'committing' if commit else 'aborting'} a transaction of {self._name}"
            await self._cluster.retrying(lambda: self._once(self._end, commit), what=what)
            self._partitions.clear()

    def forget(self) -> None:
        """Begin anew: the id was claimed again, which ended what was open."""
        self._partitions.clear()

    # -- one attempt each -------------------------------------------------------------------------------------------

    async def _once(self, step: Callable[[Connection, A], Awaitable[None]], argument: A) -> None:
        try:
            node_id = await self._cluster.coordinator(Coordinator.TRANSACTION, self._name)
            while True:
                try:
                    return await step(await self._cluster.connection(node_id), argument)
                except TransactionError as error:
                    if error.code != ErrorCode.concurrent_transactions:
                        raise
                await asyncio.sleep(_STILL_ENDING)
        except ClientError as error:
            if isinstance(error, CoordinatorError) or error.retriable:
                self._cluster.forget_coordinator(Coordinator.TRANSACTION, self._name)
            raise

    async def _add(self, connection: Connection, partitions: list[tuple[str, int]]) -> None:
        identity = self._session.identity
        assert identity is not None
        form = connection.form(ApiKey.ADD_PARTITIONS_TO_TXN, most=_LAST_ADD)
        topics: dict[str, list[int]] = {}
        for topic, partition in partitions:
            topics.setdefault(topic, []).append(partition)
        request = form.make_request(
            v3_and_below_transactional_id=self._name,
            v3_and_below_producer_id=identity.producer_id,
            v3_and_below_producer_epoch=identity.epoch,
            v3_and_below_topics=tuple(
                form.make_part("AddPartitionsToTxnTopic", name=name, partitions=tuple(numbers))
                for name, numbers in topics.items()
            ),
        )
        answer = await connection.call(form, request)
        # one partition that fails has the others answer "not attempted": the telling code goes first
        results = [
            (part.partition_error_code, topic.name, part.partition_index)
            for topic in answer.results_by_topic_v3_and_below
            for part in topic.results_by_partition
        ]
        for code, topic, partition in sorted(results, key=lambda each: each[0].name == "operation_not_attempted"):
            check(code, f"adding {topic}-{partition} to a transaction of {self._name}")

    async def _end(self, connection: Connection, commit: bool) -> None:
        identity = self._session.identity
        assert identity is not None
        form = connection.form(ApiKey.END_TXN, most=_LAST_END)
        request = form.make_request(
            transactional_id=self._name,
            producer_id=identity.producer_id,
            producer_epoch=identity.epoch,
            committed=commit,
        )
        answer = await connection.call(form, request)
        check(answer.error_code, f"ending a transaction of {self._name}")

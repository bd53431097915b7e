"""A cluster as its clients see it: brokers, leaders, coordinators, and retries of what may pass.

Connections are `pool`'s; this is what knows which broker a request is for. Nothing runs in the background: what is
known is asked for again when it is needed and old, or proved wrong.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.backoff import Backoff
from kopfka_wire.client.errors import ClientError, RequestTimeoutError, UnreachableError
from kopfka_wire.client.metadata import leader_of, metadata_request, read_metadata
from kopfka_wire.client.pool import Pool
from kopfka_wire.error_codes import BrokerError, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kopfka_wire.client.connection import Connection
    from kopfka_wire.client.metadata import Leader, TopicState
    from kopfka_wire.client.settings import ClientSettings

T = TypeVar("T")


class Coordinator(enum.IntEnum):
    """What a coordinator is for, by FindCoordinator's numbers."""

    GROUP = 0
    TRANSACTION = 1


class Cluster:
    """Connections and metadata, shared by everything that talks to one cluster. Connects at the first use.

    `async with Cluster(settings) as cluster:` closes the connections at the end.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self._pool = Pool(settings)
        self._topics: dict[str, TopicState] = {}
        self._stale: set[str] = set()
        self._coordinators: dict[tuple[Coordinator, str], int] = {}
        self._cluster_id = ""
        self._controller = -1
        self._refreshing = asyncio.Lock()
        self._lanes = itertools.count(1)

    async def __aenter__(self) -> Self:
        """Return itself; nothing is connected yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def check(self) -> str:
        """Connect, and return the cluster's id.

        Raises:
            AuthenticationError: a broker does not take these credentials; the message is the broker's.
            UnreachableError: no bootstrap server answers within `default.api.timeout.ms`; says why for each of them.
        """
        await self.retrying(lambda: self._refresh(()), what="connecting")
        return self._cluster_id

    async def close(self) -> None:
        """Close every connection; calls that wait fail with `ClosedError`."""
        await self._pool.close()

    # -- what producers, fetchers and the like are made of ----------------------------------------------------------

    def backoff(self) -> Backoff:
        """Return the waits of a new series of attempts (`retry.backoff.ms`, `retry.backoff.max.ms`)."""
        return Backoff(self.settings.retry_backoff, self.settings.retry_backoff_max)

    async def retrying(self, attempt: Callable[[], Awaitable[T]], *, what: str, seconds: float | None = None) -> T:
        """Call `attempt` until it succeeds, for `default.api.timeout.ms` where `seconds` is None.

        Raises:
            ClientError: one that no retry helps against, at once; or the last one, when the time is over.
        """
        seconds = self.settings.api_timeout if seconds is None else seconds
        waits = self.backoff()
        last: ClientError | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await attempt()
                    except ClientError as error:
                        if not error.retriable:
                            raise
                        last = error
                    await asyncio.sleep(waits.next())
        except TimeoutError:
            if last is None:
                raise RequestTimeoutError(f"{what} took more than {seconds:g} s (default.api.timeout.ms)") from None
            raise last from None

    def new_lane(self, purpose: str) -> str:
        """Return a name by which connections are kept apart from others to the same broker.

        A broker answers the requests of one connection one after another: who asks for something that is waited for
        (a long fetch, joining a group) does so on a lane of its own.
        """
        return f"{purpose}-{next(self._lanes)}"

    def release(self, lane: str) -> None:
        """Close the connections of a lane."""
        self._pool.release(lane)

    async def node_ids(self) -> tuple[int, ...]:
        """Ask for the brokers of the cluster, and return their ids."""
        await self._refresh(())
        return self._pool.node_ids

    async def topics(self) -> dict[str, TopicState]:
        """Ask for every topic that this user may see; internal ones are among them."""
        connection = await self.any_connection()
        form = connection.form(ApiKey.METADATA, least=4)
        answer = read_metadata(await connection.call(form, metadata_request(form, None)), _now())
        self._pool.learn(answer.nodes)
        return dict(answer.topics)

    async def connection(self, node_id: int, lane: str = "") -> Connection:
        """Return a connection to a broker that can be used now.

        Raises:
            AuthenticationError: the broker does not take the credentials.
            ClientError: it cannot be reached (retriable); what is known of the cluster is asked for again next time.
        """
        if not self._pool.knows(node_id):
            await self._refresh(())
        try:
            return await self._pool.node(node_id, lane)
        except ClientError:
            self._stale.update(self._topics)  # it may be gone for good, and others lead
            self._coordinators = {key: node for key, node in self._coordinators.items() if node != node_id}
            raise

    async def any_connection(self) -> Connection:
        """Return a connection to a broker, whichever."""
        return await self._pool.any()

    async def controller_connection(self) -> Connection:
        """Return a connection to the broker that takes changes; with KRaft each of them does."""
        if self._controller < 0 or not self._pool.knows(self._controller):
            await self._refresh(())
        return await (self.connection(self._controller) if self._controller >= 0 else self.any_connection())

    async def leader(self, topic: str, partition: int) -> Leader:
        """Return who leads a partition.

        Raises:
            UnknownTopicError: there is no such topic or partition, as far as the broker that was asked knows.
            StaleMetadataError: it has no leader now.
            ClientError: nobody could be asked.
        """
        found = leader_of(await self._topic(topic), partition)
        if not self._pool.knows(found.node_id):
            self.forget(topic)
        return found

    async def describe(self, topic: str) -> TopicState:
        """Ask for a topic, whatever is known of it; `error` says so where there is none."""
        self.forget(topic)
        return await self._topic(topic)

    def forget(self, topic: str) -> None:
        """Ask for a topic again before it is used next: something about it has proved wrong."""
        self._stale.add(topic)

    async def coordinator(self, kind: Coordinator, key: str) -> int:
        """Return the broker that coordinates a group or a transactional id.

        Raises:
            CoordinatorError: there is none now.
            AuthorizationError: this user may not know.
        """
        found = self._coordinators.get((kind, key))
        if found is None:
            found = self._coordinators[kind, key] = await self._find(kind, key)
        return found

    def forget_coordinator(self, kind: Coordinator, key: str) -> None:
        """Ask for a coordinator again before it is used next."""
        self._coordinators.pop((kind, key), None)

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _topic(self, name: str) -> TopicState:
        known = self._topics.get(name)
        if known is None or name in self._stale:
            await self._refresh((name,))
        elif known.error or _now() - known.at > self.settings.metadata_max_age:
            try:
                self.forget(name)
                await self._refresh((name,))
            except ClientError:
                if known.error:
                    raise  # else: old, and not proved wrong
        return self._topics[name]

    async def _refresh(self, wanted: tuple[str, ...]) -> None:
        """Ask for the brokers and for topics; calls at the same time for the same topic make one request."""
        async with self._refreshing:
            names = [name for name in wanted if name in self._stale or name not in self._topics]
            if wanted and not names:
                return
            # those of others that are stale as well come along, one request for all
            names = list({*names, *(self._stale & self._topics.keys())})
            connection = await self._pool.any()
            form = connection.form(ApiKey.METADATA, least=4)
            try:
                answer = read_metadata(await connection.call(form, metadata_request(form, names)), _now())
            except BrokerError as error:
                if error.code == ErrorCode.rebootstrap_required:
                    self._pool.rebootstrap()
                    raise UnreachableError(str(error)) from None
                raise
            self._cluster_id, self._controller = answer.cluster_id, answer.controller
            self._pool.learn(answer.nodes)
            for name in names:
                if name in answer.topics:
                    self._topics[name] = answer.topics[name]
                self._stale.discard(name)

    async def _find(self, kind: Coordinator, key: str) -> int:
        connection = await self.any_connection()
        form = connection.form(ApiKey.FIND_COORDINATOR, least=int(kind))
        request = form.make_request(key=key, key_type=int(kind), coordinator_keys=(key,))
        answer: Any = await connection.call(form, request)
        found = answer.coordinators[0] if hasattr(answer, "coordinators") else answer
        noun = "group" if kind is Coordinator.GROUP else "transactional id"
        check(found.error_code, f"finding the coordinator of {noun} {key}", getattr(found, "error_message", None))
        self._pool.learn({found.node_id: (found.host, found.port)}, all_of_them=False)
        return int(found.node_id)


def _now() -> float:
    return asyncio.get_running_loop().time()

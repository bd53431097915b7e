"""The share partitions that consumers are working on: loaded at the first fetch, stored with every change.

The rules are `SharePartition`'s, the storage is `ShareCoordinator`'s; here they are put together, with the clock that
takes records back from those who keep them too long, and with those who wait for a change.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol, TypeVar

from kio.schema.errors import ErrorCode

from kopfka_broker.share.partition import SharePartition
from kopfka_broker.share.resets import start_offset
from kopfka_broker.share.states import UNINITIALIZED, ShareError, not_hosted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from typing import Any
    from uuid import UUID

    from kopfka_broker.coordinators.ports import Clock
    from kopfka_broker.share.coordinator import ShareCoordinator
    from kopfka_broker.share.partition import Transition
    from kopfka_broker.share.states import Acknowledgement, Limits, SharePartitionKey, StateBatch
    from kopfka_broker.storage import PartitionLog

T = TypeVar("T")

log = logging.getLogger(__name__)


class ShareConfigs(Protocol):
    """What the configuration of a group says, at the moment it is asked."""

    def limits(self, group: str) -> Limits:
        """Return how long, how often and how many records are given out."""
        ...

    def auto_offset_reset(self, group: str) -> str | int:
        """Return `share.auto.offset.reset`: a word, or how many milliseconds ago."""
        ...

    def committed(self, group: str) -> bool:
        """Tell whether `share.isolation.level` is read_committed."""
        ...


class Loaded:
    """A share partition in memory, with the log it is of."""

    __slots__ = ("_watchers", "alarm", "epochs", "fenced", "key", "log", "partition")

    def __init__(self, key: SharePartitionKey, log: PartitionLog, partition: SharePartition, state_epoch: int) -> None:
        self.key = key
        self.log = log
        self.partition = partition
        self.epochs = (state_epoch, log.leader_epoch)
        """As the coordinator is told them with each write."""
        self.fenced = False
        """Whether it was let go of, and the next fetch loads it anew."""
        self.alarm: asyncio.TimerHandle | None = None
        self._watchers: dict[object, Callable[[], None]] = {}

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called when records may have come back; returns how to end that."""
        token = object()
        self._watchers[token] = callback
        return lambda: self._watchers.pop(token, None) and None

    def wake(self) -> None:
        """Call back those who wait."""
        for callback in list(self._watchers.values()):
            callback()


class SharePartitions:
    """The share partitions in memory, by their keys."""

    def __init__(self, coordinator: ShareCoordinator, configs: ShareConfigs, clock: Clock) -> None:
        self.configs = configs
        self._coordinator = coordinator
        self._clock = clock
        self._loaded: dict[SharePartitionKey, Loaded] = {}
        self._loading: dict[SharePartitionKey, asyncio.Task[Loaded]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._loaded)

    def get(self, key: SharePartitionKey) -> Loaded | None:
        """Return a share partition that is loaded."""
        return self._loaded.get(key)

    async def load(self, key: SharePartitionKey, of: PartitionLog) -> Loaded:
        """Return a share partition, read from what is stored of it where it is not in memory.

        Raises:
            ShareError: it cannot be loaded, and the code a consumer is told.
        """
        loaded = self._loaded.get(key)
        if loaded is not None and loaded.log is of:
            return loaded
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = self._spawn(self._load(key, of))
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(task)

    async def _load(self, key: SharePartitionKey, of: PartitionLog) -> Loaded:
        await self._coordinator.ready()
        try:
            state = await self._coordinator.read(key, of.leader_epoch)
        except ShareError as error:
            raise _told(error) from error
        offset = state.start_offset
        if offset == UNINITIALIZED:
            offset = start_offset(of, self.configs.auto_offset_reset(key.group), self._clock.wall_ms())
        try:
            partition = SharePartition(offset, state.batches)
        except ValueError as error:
            raise ShareError(
                ErrorCode.unknown_server_error, f"Failed to initialize the share partition: {error}"
            ) from error
        before = self._loaded.pop(key, None)
        if before is not None:
            self._let_go(before)
        loaded = self._loaded[key] = Loaded(key, of, partition, state.state_epoch)
        return loaded

    def forget(self, keys: Iterable[SharePartitionKey]) -> None:
        """Let go of share partitions: their state was started anew or deleted. What was not stored is lost."""
        for key in keys:
            loaded = self._loaded.pop(key, None)
            if loaded is not None:
                self._let_go(loaded)

    def of_group(self, group: str) -> list[SharePartitionKey]:
        """Return which share partitions of a group are loaded."""
        return [key for key in self._loaded if key.group == group]

    def topics_deleted(self, topic_ids: Iterable[UUID]) -> None:
        """Let go of the share partitions of deleted topics."""
        gone = set(topic_ids)
        self.forget([key for key in self._loaded if key.topic_id in gone])

    # -- what consumers say -------------------------------------------------------------------------------------------

    def acknowledge(
        self, key: SharePartitionKey, member: str, acknowledgements: Sequence[Acknowledgement]
    ) -> Awaitable[None]:
        """Take acknowledgements now.

        Returns:
            What to await until they are durable; it raises ShareError if they are refused or cannot be made so. What
            was begun goes on to its end although nobody awaits it.
        """
        return asyncio.shield(self._spawn(self._acknowledge(key, member, acknowledgements)))

    async def _acknowledge(self, key: SharePartitionKey, member: str, said: Sequence[Acknowledgement]) -> None:
        loaded = self._loaded.get(key)
        if loaded is None:
            raise not_hosted()
        transition = loaded.partition.acknowledge(member, said, self.limits(key), self._clock.monotonic_ms())
        self.watch_locks(loaded)
        await self._settle(loaded, transition)

    def release(self, key: SharePartitionKey, member: str) -> Awaitable[None]:
        """Give back what a member holds: its session is over. Otherwise as `acknowledge`."""
        return asyncio.shield(self._spawn(self._release(key, member)))

    async def _release(self, key: SharePartitionKey, member: str) -> None:
        loaded = self._loaded.get(key)
        if loaded is not None:
            await self._settle(loaded, loaded.partition.release(member, self.limits(key)))

    async def _settle(self, loaded: Loaded, transition: Transition | None) -> None:
        if transition is None:
            return
        partition = loaded.partition
        try:
            await self._store(loaded, transition.batches)
        except ShareError as error:
            partition.roll_back(transition, self.limits(loaded.key))
            self.watch_locks(loaded)
            raise _told(error) from error
        else:
            partition.commit(transition)
        finally:
            loaded.wake()

    async def _store(self, loaded: Loaded, batches: Sequence[StateBatch]) -> None:
        partition = loaded.partition
        try:
            await self._coordinator.write(
                loaded.key, loaded.epochs, partition.start_offset, partition.completed, batches
            )
        except ShareError as error:
            if _told(error).code in _FENCING and self._loaded.get(loaded.key) is loaded:
                self.forget([loaded.key])
            raise

    def limits(self, key: SharePartitionKey) -> Limits:
        """Return the limits in force for a share partition."""
        return self.configs.limits(key.group)

    # -- the clock ----------------------------------------------------------------------------------------------------

    def now(self) -> int:
        """Return the time locks are counted in, in milliseconds."""
        return self._clock.monotonic_ms()

    def watch_locks(self, loaded: Loaded) -> None:
        """See to it that records are taken back in time; to be called after some were acquired."""
        if loaded.alarm is not None or loaded.fenced or self._closed:
            return
        due = loaded.partition.next_expiry()
        if due is not None:
            delay = max(due - self._clock.monotonic_ms(), 0) / 1000
            loaded.alarm = asyncio.get_running_loop().call_later(delay, self._ring, loaded)

    def _ring(self, loaded: Loaded) -> None:
        loaded.alarm = None
        batches = loaded.partition.expire(self.limits(loaded.key), self._clock.monotonic_ms())
        self.watch_locks(loaded)
        if batches:
            loaded.wake()
            self._spawn(self._store_expired(loaded, batches))

    async def _store_expired(self, loaded: Loaded, batches: Sequence[StateBatch]) -> None:
        try:
            await self._store(loaded, batches)
        except ShareError as error:
            log.warning("records of %s came back, which could not be stored: %s", loaded.key, error)
        loaded.partition.advance()
        loaded.wake()

    def close(self) -> None:
        """Take no record back any more."""
        self._closed = True
        for loaded in self._loaded.values():
            if loaded.alarm is not None:
                loaded.alarm.cancel()

    def _let_go(self, loaded: Loaded) -> None:
        loaded.fenced = True
        if loaded.alarm is not None:
            loaded.alarm.cancel()
        loaded.wake()

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; that nobody does is no fault


_FENCING = frozenset(
    {ErrorCode.not_leader_or_follower, ErrorCode.group_id_not_found, ErrorCode.unknown_topic_or_partition}
)
"""What says that the state in memory is not the one that counts."""
_TOLD = {
    ErrorCode.not_coordinator: ErrorCode.coordinator_not_available,
    ErrorCode.coordinator_not_available: ErrorCode.coordinator_not_available,
    ErrorCode.coordinator_load_in_progress: ErrorCode.coordinator_not_available,
    ErrorCode.group_id_not_found: ErrorCode.group_id_not_found,
    ErrorCode.unknown_topic_or_partition: ErrorCode.unknown_topic_or_partition,
    ErrorCode.fenced_leader_epoch: ErrorCode.not_leader_or_follower,
    ErrorCode.fenced_state_epoch: ErrorCode.not_leader_or_follower,
}


def _told(error: ShareError) -> ShareError:
    """Return what a consumer is told of what the coordinator said."""
    return ShareError(_TOLD.get(error.code, ErrorCode.unknown_server_error), str(error))

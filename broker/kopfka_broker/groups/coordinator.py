"""The group coordinator: the asyncio shell around the state of groups and offsets. Its I/O goes through its ports."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.admin_api import AdminApi
from kopfka_broker.groups.answers import JoinResult, SyncResult
from kopfka_broker.groups.core import Core
from kopfka_broker.groups.errors import LOG_ERRORS
from kopfka_broker.groups.fetch_api import OffsetFetchApi
from kopfka_broker.groups.group import State
from kopfka_broker.groups.loading import replay
from kopfka_broker.groups.member_api import MemberApi
from kopfka_broker.groups.offset_api import OffsetApi
from kopfka_broker.groups.offsets import expired, outlived
from kopfka_broker.groups.ports import SystemClock
from kopfka_broker.groups.transactional_api import TransactionalApi
from kopfka_broker.lazily import Lazy, lazy_handlers
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator, Mapping

    from kopfka_broker.groups.modern.groups import ModernGroup
    from kopfka_broker.groups.ports import Clock, Cluster, Handler, OffsetsLog
    from kopfka_broker.groups.settings import GroupSettings

_MINUTE_MS = 60_000
_MODERN: Final = {
    ("consumer.api", "ConsumerGroupApi"): {
        ApiKey.CONSUMER_GROUP_HEARTBEAT: "heartbeat",
        ApiKey.CONSUMER_GROUP_DESCRIBE: "describe",
    },
    ("share.api", "ShareGroupApi"): {
        ApiKey.SHARE_GROUP_HEARTBEAT: "heartbeat",
        ApiKey.SHARE_GROUP_DESCRIBE: "describe",
    },
    ("share.offsets_api", "ShareOffsetsApi"): {
        ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: "describe",
        ApiKey.ALTER_SHARE_GROUP_OFFSETS: "alter",
        ApiKey.DELETE_SHARE_GROUP_OFFSETS: "delete",
    },
    ("streams.api", "StreamsGroupApi"): {
        ApiKey.STREAMS_GROUP_HEARTBEAT: "heartbeat",
        ApiKey.STREAMS_GROUP_DESCRIBE: "describe",
    },
}
"""Modules and classes of the APIs of modern groups, and which of their methods answers what."""

log = logging.getLogger(__name__)


class HasHandlers(Protocol):
    """A family of APIs."""

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        ...


class GroupCoordinator:
    """Answers every API of consumer groups for this broker, which coordinates all of them.

    Life: construct, serve `handlers()` (they answer COORDINATOR_LOAD_IN_PROGRESS until `load` is done), `await load()`,
    run `run(stop)` as a task; call `topics_deleted` after topics were deleted.
    """

    def __init__(
        self, store: OffsetsLog, settings: GroupSettings, clock: Clock | None = None, *, cluster: Cluster
    ) -> None:
        self._store = store
        self._core = Core(store, settings, clock or SystemClock(), cluster)
        self._core.timers.on_earlier = self._set_alarm
        self._transactional = TransactionalApi(self._core, store)
        self.end_transaction = self._transactional.end_transaction
        self.partition_of = self._core.partition
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_due = 0
        self._stopped = False

    async def load(self) -> None:
        """Replay `__consumer_offsets`; groups found there go on, and each member has a full session timeout."""
        await replay(self._store, self._core)
        self._core.loaded = True

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key served here."""
        core = self._core
        apis: list[HasHandlers] = [
            MemberApi(core),
            OffsetApi(core),
            OffsetFetchApi(core),
            self._transactional,
            AdminApi(core),
        ]
        handlers = {key: handler for api in apis for key, handler in api.handlers().items()}
        for (module, name), methods in _MODERN.items():
            handlers |= lazy_handlers(Lazy(f"kopfka_broker.groups.{module}", name, core), methods)
        return handlers

    async def run(self, stop: asyncio.Event) -> None:
        """Expire offsets every offsets.retention.check.interval.ms; at `stop`, members stop expiring too."""
        period = self._core.settings.retention_check_interval_ms / 1000
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), period)
            except TimeoutError:
                await self.expire()
        self.close()

    def close(self) -> None:
        """Let no timeout end any more, and send members that wait for an answer to look for the coordinator again.

        Called before connections are closed, it keeps a stop from waiting for the end of a rebalance.
        """
        self._stopped = True
        if self._alarm is not None:
            self._alarm.cancel()
        for group in self._core.membership.groups.values():
            for member_id in list(group.awaiting_join):
                group.answer_join(member_id, JoinResult(member_id, ErrorCode.not_coordinator))
            for member_id in list(group.awaiting_sync):
                group.answer_sync(member_id, SyncResult(ErrorCode.not_coordinator))

    async def expire(self) -> None:
        """Forget offsets that have expired, and groups that have neither members nor offsets any more."""
        core = self._core
        retention = core.settings.offsets_retention_minutes * _MINUTE_MS
        for name, group in list(core.membership.groups.items()):
            if core.membership.groups.get(name) is not group:
                continue  # deleted since this round began
            committed, busy = core.offsets.keys(name), core.offsets.in_flight(name)
            over = expired(group, core.offsets.of_group(name), core.clock.wall_ms(), retention)
            forgotten = {key for key in over if key not in busy}
            empty = group.state is State.EMPTY and len(forgotten) == len(committed)
            if forgotten or empty:
                await _logged(name, core.forget_offsets(name, forgotten, delete_group=empty))
        for name, modern in list(core.modern.groups.items()):
            if modern.expires and name in core.modern.groups:
                await self._expire(name, modern, retention)

    async def _expire(self, name: str, group: ModernGroup, retention: int) -> None:
        core = self._core
        committed, busy = core.offsets.keys(name), core.offsets.in_flight(name)
        over = outlived(core.offsets.of_group(name), group.subscribes_to, core.clock.wall_ms(), retention)
        forgotten = {key for key in over if key not in busy}
        empty = group.is_empty and len(forgotten) == len(committed)
        if forgotten or empty:
            await _logged(name, core.forget_offsets(name, forgotten, delete_group=empty))

    def topics_changed(self, names: Iterable[str], *, created: bool = False) -> None:
        """Take note that topics came (`created`) or grew: groups that read them have something new to assign."""
        self._core.modern.topics_changed(names, created=created)

    async def topics_deleted(self, names: Iterable[str]) -> None:
        """Forget the offsets committed for these topics."""
        offsets, deleted = self._core.offsets, set(names)
        self.topics_changed(deleted)
        # all are written before the first wait: a topic made anew under one of these names has offsets of its own
        writes = []
        for group in offsets.groups():
            keys = [key for key in offsets.keys(group) if key[0] in deleted]
            if keys:
                writes.append((group, self._core.forget_offsets(group, keys)))
        for group, write in writes:
            await _logged(group, write)

    def committed_offsets(self) -> Iterator[tuple[str, str, int, int]]:
        """Give (group, topic, partition, committed offset) of every committed offset, for metrics of lag."""
        for group, topic, partition, value in self._core.offsets:
            yield group, topic, partition, value.offset

    def group_sizes(self) -> Iterator[tuple[str, int]]:
        """Give (group, members) of every group, for metrics."""
        for groups in (self._core.membership.groups, self._core.modern.groups):
            for group_id, group in groups.items():
                yield group_id, len(group.members)

    def groups_by_state(self) -> Mapping[str, int]:
        """Return how many groups are in each state, for metrics."""
        counts = {state.value: 0 for state in State if state is not State.DEAD}
        for group in self._core.membership.groups.values():
            counts[group.state.value] += 1
        for modern in self._core.modern.groups.values():
            counts[modern.state] = counts.get(modern.state, 0) + 1
        return counts

    # ---- timeouts

    def _set_alarm(self) -> None:
        due = self._core.timers.next_due()
        if due is None or self._stopped or (self._alarm is not None and self._alarm_due <= due):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        delay = max(due - self._core.clock.monotonic_ms(), 0) / 1000
        self._alarm, self._alarm_due = asyncio.get_running_loop().call_later(delay, self._ring), due

    def _ring(self) -> None:
        self._alarm = None
        self._core.timers.advance()
        self._set_alarm()


async def _logged(group: str, write: Awaitable[None]) -> None:
    try:
        await write
    except LOG_ERRORS as error:
        log.warning("offsets of group %s are to be forgotten, which could not be stored: %s", group, error)

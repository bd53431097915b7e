"""The group coordinator: the asyncio shell around the groups' state machine. It does no I/O but through its ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.groups.ports import SystemClock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping

    from kopfka_broker.groups.ports import Clock, Cluster, Handler, OffsetsLog
    from kopfka_broker.groups.settings import GroupSettings


class GroupCoordinator:
    """Answers every API of consumer groups for this broker, which coordinates all of them.

    Life: construct, serve `handlers()` (they answer COORDINATOR_LOAD_IN_PROGRESS until `load` is done), `await load()`,
    run `run(stop)` as a task; call `topics_deleted` after topics were deleted.
    """

    def __init__(
        self, store: OffsetsLog, settings: GroupSettings, clock: Clock | None = None, *, cluster: Cluster
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock or SystemClock()
        self._cluster = cluster

    async def load(self) -> None:
        """Replay `__consumer_offsets`; groups found there go on with their members, each with a full session timeout."""
        raise NotImplementedError

    def handlers(self) -> Mapping[int, Handler]:
        """Return the handler of each API key served here."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Expire members when their time is up and offsets every offsets.retention.check.interval.ms, until `stop`."""
        raise NotImplementedError

    async def topics_deleted(self, names: Iterable[str]) -> None:
        """Forget the offsets committed for these topics."""
        raise NotImplementedError

    def committed_offsets(self) -> Iterable[tuple[str, str, int, int]]:
        """Give (group, topic, partition, committed offset) of every committed offset, for metrics of lag."""
        raise NotImplementedError

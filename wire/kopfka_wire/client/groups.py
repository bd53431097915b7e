"""Groups seen from outside: which there are, what offsets they have committed, and committing for one without members.

Being a member of a group is `member`'s business. Calls repeat what may pass for `default.api.timeout.ms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.cluster import Coordinator
from kopfka_wire.client.errors import ClientError
from kopfka_wire.error_codes import CoordinatorError, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.connection import Connection

T = TypeVar("T")

IDLE: Final = frozenset({"Empty", "Dead"})
"""States of a group that has no members."""
_LAST_OF_ONE_GROUP: Final = 7
"""OffsetFetch's last version that asks for one group."""
_FIRST_WITHOUT_RETENTION: Final = 5
_LAST_BY_NAME: Final = 9
"""OffsetCommit's last version that names topics."""


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """One group: `state` by Kafka's names; `kind` is classic, consumer, share or streams, empty from old brokers."""

    group: str
    state: str
    kind: str

    @property
    def is_idle(self) -> bool:
        """Whether it has no members."""
        return self.state in IDLE

    @property
    def has_offsets(self) -> bool:
        """Whether it is of a kind that commits offsets by topic and partition."""
        return self.kind.lower() in ("", "classic", "consumer")


@dataclass(frozen=True, slots=True)
class GroupOffset:
    """What a group has committed for one partition: the offset of the next record it is to read."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""


class Groups:
    """The groups of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def list(self) -> dict[str, ListedGroup]:
        """Return every group of the cluster; each broker is asked for those it coordinates.

        Raises:
            ClientError: a broker could not be asked, or does not allow it.
        """
        return await self._cluster.retrying(self._list, what="listing groups")

    async def offsets(self, group: str) -> dict[tuple[str, int], GroupOffset]:
        """Return what a group has committed, by topic and partition; nothing for a group that is not there."""
        return await self._retrying(group, lambda: self._offsets(group), f"asking for the offsets of group {group}")

    async def commit(self, group: str, offsets: Mapping[tuple[str, int], GroupOffset]) -> None:
        """Commit offsets for a group that has no members.

        Raises:
            MembershipError: the group has members, which commit for themselves.
            ClientError: the commit failed.
        """
        if offsets:
            await self._retrying(
                group, lambda: self._commit(group, offsets), f"committing the offsets of group {group}"
            )

    # -- one attempt each -------------------------------------------------------------------------------------------

    async def _retrying(self, group: str, attempt: Callable[[], Awaitable[T]], what: str) -> T:
        async def once() -> T:
            try:
                return await attempt()
            except ClientError as error:
                if isinstance(error, CoordinatorError) or error.retriable:
                    self._cluster.forget_coordinator(Coordinator.GROUP, group)
                raise

        return await self._cluster.retrying(once, what=what)

    async def _list(self) -> dict[str, ListedGroup]:
        found: dict[str, ListedGroup] = {}
        for node_id in await self._cluster.node_ids():
            connection = await self._cluster.connection(node_id)
            form = connection.form(ApiKey.LIST_GROUPS)
            answer = await connection.call(form, form.make_request(states_filter=(), types_filter=()))
            check(answer.error_code, "listing groups")
            for each in answer.groups:
                kind = getattr(each, "group_type", "")
                found[each.group_id] = ListedGroup(each.group_id, getattr(each, "group_state", ""), kind)
        return found

    async def _coordinator(self, group: str) -> Connection:
        return await self._cluster.connection(await self._cluster.coordinator(Coordinator.GROUP, group))

    async def _offsets(self, group: str) -> dict[tuple[str, int], GroupOffset]:
        connection = await self._coordinator(group)
        form = connection.form(ApiKey.OFFSET_FETCH, least=2, most=_LAST_OF_ONE_GROUP)
        answer = await connection.call(form, form.make_request(group_id=group, topics=None, require_stable=True))
        what = f"asking for the offsets of group {group}"
        check(answer.error_code, what)
        found = {}
        for topic in answer.topics:
            for part in topic.partitions:
                check(part.error_code, what)
                if part.committed_offset >= 0:
                    epoch = getattr(part, "committed_leader_epoch", -1)
                    found[topic.name, part.partition_index] = GroupOffset(
                        part.committed_offset, epoch, part.metadata or ""
                    )
        return found

    async def _commit(self, group: str, offsets: Mapping[tuple[str, int], GroupOffset]) -> None:
        connection = await self._coordinator(group)
        form = connection.form(ApiKey.OFFSET_COMMIT, least=_FIRST_WITHOUT_RETENTION, most=_LAST_BY_NAME)
        topics: dict[str, list[object]] = {}
        for (topic, partition), each in offsets.items():
            part = form.make_part(
                "OffsetCommitRequestPartition",
                partition_index=partition,
                committed_offset=each.offset,
                committed_leader_epoch=each.leader_epoch,
                committed_metadata=each.metadata,
            )
            topics.setdefault(topic, []).append(part)
        request = form.make_request(
            group_id=group,
            generation_id_or_member_epoch=-1,
            member_id="",
            group_instance_id=None,
            topics=tuple(
                form.make_part("OffsetCommitRequestTopic", name=name, partitions=tuple(parts))
                for name, parts in topics.items()
            ),
        )
        answer = await connection.call(form, request)
        for topic in answer.topics:
            for part in topic.partitions:
                what = f"committing the offset of {topic.name}-{part.partition_index} for group {group}"
                check(part.error_code, what)

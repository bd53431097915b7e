"""The requests of a classic group's member, one attempt each: join, sync, heartbeat, leave. Keeps who the member is and
where its coordinator is; what the answers lead to is `member`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.cluster import Coordinator
from kopfka_wire.client.errors import ClientError
from kopfka_wire.client.membership import GroupMember
from kopfka_wire.error_codes import CoordinatorError, check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.codec import Codec

_GRACE: Final = 5.0
"""Seconds beyond the rebalance timeout in which the answer to a join is still waited for, as Kafka's clients do."""
_STATIC_IDS: Final = {ApiKey.JOIN_GROUP: 5, ApiKey.SYNC_GROUP: 3, ApiKey.HEARTBEAT: 3}
"""The first versions with static ids (KIP-345)."""
_LEAVE_BY_LIST: Final = 3


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a join."""

    generation: int
    leader_id: str
    protocol: str
    members: tuple[GroupMember, ...]
    """Everybody, for the leader."""
    keeps_assignment: bool
    """Whether the leader is a static member that came back, and the group goes on with what it had (KIP-814)."""


class GroupCalls:
    """The calls of one member."""

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        protocol_type: str,
        static_id: str | None,
        *,
        session_timeout: float,
        rebalance_timeout: float,
    ) -> None:
        self.member_id = ""
        """The id the coordinator gave, empty where there is none (any more)."""
        self._cluster = cluster
        self._group = group
        self._protocol_type = protocol_type
        self._static_id = static_id
        self._session_timeout = session_timeout
        self._rebalance_timeout = rebalance_timeout
        # a broker answers one connection's requests in turn, and joining takes as long as it takes
        self._lane, self._heartbeat_lane = cluster.new_lane("group"), cluster.new_lane("heartbeat")

    async def join(self, protocols: Sequence[tuple[str, bytes]], reason: str) -> Joined:
        """Join, or join again, and wait until all members have.

        Raises:
            MembershipError: the group does not know this member (any more).
            GroupRefusedError: the group does not take it.
            ClientError: the coordinator could not be asked.
        """
        answer = await self._join(protocols, reason)
        if answer.error_code == ErrorCode.member_id_required:
            self.member_id = answer.member_id
            answer = await self._join(protocols, reason)
        check(answer.error_code, f"joining group {self._group}")
        self.member_id = answer.member_id
        members = tuple(
            GroupMember(each.member_id, getattr(each, "group_instance_id", None), each.metadata)
            for each in answer.members
        )
        keeps = getattr(answer, "skip_assignment", False)
        return Joined(answer.generation_id, answer.leader, answer.protocol_name or "", members, keeps)

    async def _join(self, protocols: Sequence[tuple[str, bytes]], reason: str) -> Any:
        def request(form: Codec) -> Any:
            return form.make_request(
                group_id=self._group,
                session_timeout=timedelta(seconds=self._session_timeout),
                rebalance_timeout=timedelta(seconds=self._rebalance_timeout),
                member_id=self.member_id,
                group_instance_id=self._static_id,
                protocol_type=self._protocol_type,
                protocols=tuple(
                    form.make_part("JoinGroupRequestProtocol", name=name, metadata=metadata)
                    for name, metadata in protocols
                ),
                reason=reason,
            )

        seconds = max(self._rebalance_timeout + _GRACE, self._cluster.settings.request_timeout)
        return await self._call(ApiKey.JOIN_GROUP, request, self._lane, seconds)

    async def sync(self, joined: Joined, assignments: Mapping[str, bytes]) -> bytes:
        """Give the leader's assignments, empty from others, and return this member's own.

        Raises:
            MembershipError: the generation is over, or the group does not know this member.
            ClientError: the coordinator could not be asked.
        """

        def request(form: Codec) -> Any:
            return form.make_request(
                group_id=self._group,
                generation_id=joined.generation,
                member_id=self.member_id,
                group_instance_id=self._static_id,
                protocol_type=self._protocol_type,
                protocol_name=joined.protocol,
                assignments=tuple(
                    form.make_part("SyncGroupRequestAssignment", member_id=member_id, assignment=data)
                    for member_id, data in assignments.items()
                ),
            )

        seconds = max(self._rebalance_timeout + _GRACE, self._cluster.settings.request_timeout)
        answer = await self._call(ApiKey.SYNC_GROUP, request, self._lane, seconds)
        check(answer.error_code, f"syncing with group {self._group}")
        return bytes(answer.assignment)

    async def heartbeat(self, generation: int) -> None:
        """Say that this member lives.

        Raises:
            MembershipError: the group makes a new generation, or does not know this member.
            ClientError: the coordinator could not be asked.
        """

        def request(form: Codec) -> Any:
            return form.make_request(
                group_id=self._group,
                generation_id=generation,
                member_id=self.member_id,
                group_instance_id=self._static_id,
            )

        answer = await self._call(ApiKey.HEARTBEAT, request, self._heartbeat_lane)
        check(answer.error_code, f"heartbeat in group {self._group}")

    async def leave(self, reason: str) -> None:
        """Leave the group.

        Raises:
            ClientError: the coordinator could not be asked.
        """

        def request(form: Codec) -> Any:
            if form.version < _LEAVE_BY_LIST:
                return form.make_request(group_id=self._group, member_id=self.member_id)
            member = form.make_part("MemberIdentity", member_id=self.member_id, group_instance_id=None, reason=reason)
            return form.make_request(group_id=self._group, members=(member,))

        answer = await self._call(ApiKey.LEAVE_GROUP, request, self._heartbeat_lane)
        check(answer.error_code, f"leaving group {self._group}")

    def release(self) -> None:
        """Close the connections."""
        self._cluster.release(self._lane)
        self._cluster.release(self._heartbeat_lane)

    def hang_up(self) -> None:
        """Close the connection on which a join may still wait, so that its answer disturbs nobody."""
        self._cluster.release(self._lane)

    async def _call(self, api: ApiKey, request: Callable[[Codec], Any], lane: str, seconds: float | None = None) -> Any:
        try:
            node_id = await self._cluster.coordinator(Coordinator.GROUP, self._group)
            connection = await self._cluster.connection(node_id, lane)
            form = connection.form(api, least=0 if self._static_id is None else _STATIC_IDS.get(api, 0))
            answer = await connection.call(form, request(form), seconds)
            if answer.error_code in _ELSEWHERE:
                check(answer.error_code, f"the coordinator of group {self._group}")
        except ClientError as error:
            if error.retriable or isinstance(error, CoordinatorError):
                self._cluster.forget_coordinator(Coordinator.GROUP, self._group)
            raise
        return answer


_ELSEWHERE: Final = frozenset({ErrorCode.not_coordinator, ErrorCode.coordinator_not_available})
"""Answers by which the coordinator is to be looked up again."""

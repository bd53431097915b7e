"""JoinGroup, SyncGroup, Heartbeat and LeaveGroup of every version, in front of `membership`."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.answers import (
    NO_MEMBER,
    JoinRequest,
    JoinResult,
    LeaveRequest,
    LeaveResult,
    SyncRequest,
    SyncResult,
)
from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler

_MILLISECOND = timedelta(milliseconds=1)


class MemberApi:
    """What members ask, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {
            ApiKey.JOIN_GROUP: self.join,
            ApiKey.SYNC_GROUP: self.sync,
            ApiKey.HEARTBEAT: self.heartbeat,
            ApiKey.LEAVE_GROUP: self.leave,
        }

    async def join(self, request: Any, context: RequestContext) -> Any:
        """Answer JoinGroup, when the join phase ends."""
        session_timeout = request.session_timeout // _MILLISECOND
        settings = self._core.settings
        refused = self._refusal(request.group_id, context)
        if refused is None and not (
            settings.min_session_timeout_ms <= session_timeout <= settings.max_session_timeout_ms
        ):
            refused = ErrorCode.invalid_session_timeout
        if refused is not None:
            return _join_response(JoinResult(request.member_id, refused), context)
        version = context.api_version
        wanted = JoinRequest(
            group_id=request.group_id,
            member_id=request.member_id,
            group_instance_id=request.group_instance_id if version >= 5 else None,
            protocol_type=request.protocol_type,
            protocols=tuple((protocol.name, protocol.metadata) for protocol in request.protocols),
            session_timeout_ms=session_timeout,
            rebalance_timeout_ms=request.rebalance_timeout // _MILLISECOND if version >= 1 else session_timeout,
            client_id=context.client_id or "",
            client_host="/" + context.client_host,  # as Java writes an address, in the log and to administrators
            reason=(request.reason if version >= 8 else None) or "not provided",
            member_id_required=version >= 4,
            skips_assignment=version >= 9,
        )
        try:
            return _join_response(await self._join(wanted, context), context)
        except GroupError as error:
            return _join_response(JoinResult(NO_MEMBER, error.code), context)
        except LOG_ERRORS as error:
            return _join_response(JoinResult(request.member_id, of_the_log(error)), context)

    async def _join(self, request: JoinRequest, context: RequestContext) -> JoinResult:
        core = self._core
        group = core.of_classic_member(request.group_id)
        if group is not None:
            work = Work(group)
            result = core.consumers.classic.join(group, request, context, work)
            await core.modern.write(work)
            return result
        if request.member_id == NO_MEMBER and request.group_id in core.modern.groups:
            core.consumers.make_way(request.group_id)
        future: asyncio.Future[JoinResult] = asyncio.get_running_loop().create_future()
        core.membership.join(request, lambda result: _set(future, result))
        return await future

    async def sync(self, request: Any, context: RequestContext) -> Any:
        """Answer SyncGroup, when the leader's assignment is stored."""
        version = context.api_version
        refused = self._refusal(request.group_id, context)
        protocol_type = request.protocol_type if version >= 5 else None
        protocol = request.protocol_name if version >= 5 else None
        if version >= 5 and (protocol_type is None or protocol is None):
            refused = ErrorCode.inconsistent_group_protocol
        if refused is not None:
            return _sync_response(SyncResult(refused), context)
        wanted = SyncRequest(
            group_id=request.group_id,
            generation=request.generation_id,
            member_id=request.member_id,
            group_instance_id=request.group_instance_id if version >= 3 else None,
            protocol_type=protocol_type,
            protocol=protocol,
            assignment={given.member_id: given.assignment for given in request.assignments},
        )
        try:
            return _sync_response(await self._sync(wanted), context)
        except GroupError as error:
            return _sync_response(SyncResult(error.code), context)
        except LOG_ERRORS as error:
            return _sync_response(SyncResult(of_the_log(error)), context)

    async def _sync(self, request: SyncRequest) -> SyncResult:
        core = self._core
        group = core.of_classic_member(request.group_id)
        if group is not None:
            result = core.consumers.classic.sync(group, request)
            await core.modern.settled(request.group_id)
            return result
        future: asyncio.Future[SyncResult] = asyncio.get_running_loop().create_future()
        core.membership.sync(request, lambda result: _set(future, result))
        return await future

    async def heartbeat(self, request: Any, context: RequestContext) -> Any:
        """Answer Heartbeat."""
        error = self._refusal(request.group_id, context)
        if error is ErrorCode.coordinator_load_in_progress:
            error = ErrorCode.none  # every loaded member gets a full session anyway
        elif error is None:
            instance_id = request.group_instance_id if context.api_version >= 3 else None
            who = (request.generation_id, request.member_id, instance_id)
            group = self._core.of_classic_member(request.group_id)
            try:
                if group is not None:
                    self._core.consumers.classic.heartbeat(group, *who)
                else:
                    self._core.membership.heartbeat(request.group_id, *who)
                error = ErrorCode.none
            except GroupError as refused:
                error = refused.code
        return codec(context.api_key, context.api_version).make(error_code=error)

    async def leave(self, request: Any, context: RequestContext) -> Any:
        """Answer LeaveGroup; up to version 2 one member leaves, from 3 on each of many has a result of its own."""
        make = codec(context.api_key, context.api_version).make
        refused = self._refusal(request.group_id, context)
        if refused is not None:
            return make(error_code=refused, members=())
        if context.api_version < 3:
            members = [LeaveRequest(request.member_id, None, "not provided")]
        else:
            members = [
                LeaveRequest(
                    member.member_id,
                    member.group_instance_id,
                    (member.reason if context.api_version >= 5 else None) or "not provided",
                )
                for member in request.members
            ]
        try:
            results = await self._leave(request.group_id, members)
        except LOG_ERRORS as failed:
            return make(error_code=of_the_log(failed), members=())
        if context.api_version < 3:
            return make(error_code=results[0].error)
        return make(
            error_code=ErrorCode.none,
            members=tuple(
                make(
                    "MemberResponse",
                    member_id=result.member_id,
                    group_instance_id=result.group_instance_id,
                    error_code=result.error,
                )
                for result in results
            ),
        )

    async def _leave(self, group_id: str, members: list[LeaveRequest]) -> list[LeaveResult]:
        core = self._core
        group = core.of_classic_member(group_id)
        if group is None:
            return core.membership.leave(group_id, members)
        work = Work(group)
        results = core.consumers.classic.leave(group, members, work)
        await core.modern.write(work)
        return results

    def _refusal(self, group_id: str, context: RequestContext) -> ErrorCode | None:
        if not self._core.cluster.allows(context, Operation.READ, ResourceType.GROUP, group_id):
            return ErrorCode.group_authorization_failed
        if not group_id:
            return ErrorCode.invalid_group_id
        return self._core.refusal(group_id)


def _set(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():  # the connection it came by may be gone, and the request with it
        future.set_result(result)


def _join_response(result: JoinResult, context: RequestContext) -> Any:
    make = codec(context.api_key, context.api_version).make
    nothing = "" if context.api_version < 7 else None
    return make(
        error_code=result.error,
        generation_id=result.generation,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol or nothing,
        leader=result.leader,
        skip_assignment=result.skip_assignment,
        member_id=result.member_id,
        members=tuple(
            make(
                "JoinGroupResponseMember",
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=member.metadata,
            )
            for member in result.members
        ),
    )


def _sync_response(result: SyncResult, context: RequestContext) -> Any:
    return codec(context.api_key, context.api_version).make(
        error_code=result.error,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol,
        assignment=result.assignment,
    )

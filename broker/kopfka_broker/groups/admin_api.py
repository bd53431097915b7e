"""FindCoordinator, ListGroups, DescribeGroups and DeleteGroups of every version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.errors import MALFORMED
from kopfka_broker.coordinators.partitions import is_share_key
from kopfka_broker.groups.core import NOT_ASKED
from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.group import State
from kopfka_broker.groups.ports import Node
from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler

_GROUP, _TRANSACTION, _SHARE = 0, 1, 2
_KEY_TYPES = (_GROUP, _TRANSACTION, _SHARE)
"""Key types of FindCoordinator."""

_DESCRIBED = {
    _GROUP: (ResourceType.GROUP, ErrorCode.group_authorization_failed),
    _TRANSACTION: (ResourceType.TRANSACTIONAL_ID, ErrorCode.transactional_id_authorization_failed),
}
"""What a client must be allowed to describe to find its coordinator, and what it is told otherwise."""

_WHOLE = (ErrorCode.cluster_authorization_failed,)
"""Errors of the whole request, which Kafka explains for each key."""

_NO_NODE = Node(-1, "", -1)
_TYPE = "classic"
_SHARE_TYPE = "share"


class AdminApi:
    """What is asked about groups by who is no member, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {
            ApiKey.FIND_COORDINATOR: self.find_coordinator,
            ApiKey.LIST_GROUPS: self.list_groups,
            ApiKey.DESCRIBE_GROUPS: self.describe_groups,
            ApiKey.DELETE_GROUPS: self.delete_groups,
        }

    # ---- FindCoordinator

    async def find_coordinator(self, request: Any, context: RequestContext) -> Any:
        """Answer FindCoordinator: this broker, by the address of the listener it was asked on."""
        version = context.api_version
        make = codec(context.api_key, version).make
        key_type = request.key_type if version >= 1 else _GROUP
        if version < 4:
            error, node = self._coordinator(key_type, request.key, context)
            message = "NONE" if error is ErrorCode.none else _message(error)
            return make(error_code=error, error_message=message, node_id=node.node_id, host=node.host, port=node.port)
        coordinators = []
        for key in request.coordinator_keys:
            error, node = self._coordinator(key_type, key, context)
            coordinators.append(
                make(
                    "Coordinator",
                    key=key,
                    node_id=node.node_id,
                    host=node.host,
                    port=node.port,
                    error_code=error,
                    error_message=_message(error) if key_type not in _KEY_TYPES or error in _WHOLE else "",
                )
            )
        return make(coordinators=tuple(coordinators))

    def _coordinator(self, key_type: int, key: str, context: RequestContext) -> tuple[ErrorCode, Node]:
        if key_type in _DESCRIBED:
            resource, refused = _DESCRIBED[key_type]
            if not self._core.cluster.allows(context, Operation.DESCRIBE, resource, key):
                return refused, _NO_NODE
            return ErrorCode.none, self._core.cluster.broker(context.listener)
        if key_type == _SHARE and context.api_version >= 6:
            # only brokers ask for it; a denial is Kafka's answer to the whole request, so it has words
            if not self._core.cluster.allows(context, Operation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME):
                return ErrorCode.cluster_authorization_failed, _NO_NODE
            if is_share_key(key):
                return ErrorCode.none, self._core.cluster.broker(context.listener)
        return ErrorCode.invalid_request, _NO_NODE

    # ---- ListGroups

    async def list_groups(self, request: Any, context: RequestContext) -> Any:
        """Answer ListGroups, filtered by state and type; names of neither match nothing."""
        version = context.api_version
        make = codec(context.api_key, version).make
        if not self._core.loaded:
            return make(error_code=ErrorCode.coordinator_load_in_progress, groups=())
        states = {state.lower().strip() for state in request.states_filter} if version >= 4 else set()
        types = {kind.lower() for kind in request.types_filter} if version >= 5 else set()
        return make(
            error_code=ErrorCode.none,
            groups=tuple(
                make("ListedGroup", group_id=group_id, protocol_type=protocol_type, group_state=state, group_type=kind)
                for group_id, protocol_type, state, kind in self._listed(context)
                if (not states or state.lower() in states) and (not types or kind in types)
            ),
        )

    def _listed(self, context: RequestContext) -> Iterator[tuple[str, str, str, str]]:
        """Give id, protocol type, state and kind of each group the client may know of."""
        core = self._core
        all_of_them = core.cluster.allows(context, Operation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME)
        for group in core.membership.groups.values():
            if all_of_them or core.may_describe(context, group.group_id):
                yield group.group_id, group.protocol_type or "", group.state.value, _TYPE
        for modern in core.modern.groups.values():
            if all_of_them or core.may_describe(context, modern.group_id):
                yield modern.group_id, modern.protocol_type, modern.state, modern.group_type

    # ---- DescribeGroups

    async def describe_groups(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeGroups; a group that is not there is Dead, from version 6 on with an error."""
        make = codec(context.api_key, context.api_version).make
        operations = context.api_version >= 3 and request.include_authorized_operations
        return make(groups=tuple(self._describe(make, context, name, operations) for name in request.groups))

    def _describe(self, make: Callable[..., Any], context: RequestContext, group_id: str, operations: bool) -> Any:
        version = context.api_version
        group = self._core.membership.groups.get(group_id)
        nothing = {"group_id": group_id, "group_state": "", "protocol_type": "", "protocol_data": "", "members": ()}
        if not self._core.may_describe(context, group_id):
            return make("DescribedGroup", **nothing, error_code=ErrorCode.group_authorization_failed)
        if not self._core.loaded:
            return make("DescribedGroup", **nothing, error_code=ErrorCode.coordinator_load_in_progress)
        allowed = self._core.authorized_operations(context, group_id) if operations else NOT_ASKED
        if group is None:
            nothing["group_state"] = State.DEAD.value
            if version < 6:
                return make("DescribedGroup", **nothing, error_code=ErrorCode.none, authorized_operations=allowed)
            found = group_id in self._core.modern.groups
            message = f"Group {group_id} is not a classic group." if found else f"Group {group_id} not found."
            return make("DescribedGroup", **nothing, error_code=ErrorCode.group_id_not_found, error_message=message)
        stable = group.state is State.STABLE
        return make(
            "DescribedGroup",
            error_code=ErrorCode.none,
            group_id=group_id,
            group_state=group.state.value,
            protocol_type=group.protocol_type or "",
            protocol_data=(group.protocol or "") if stable else "",
            members=tuple(
                make(
                    "DescribedGroupMember",
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    member_metadata=member.metadata(group.protocol) if stable else b"",
                    member_assignment=member.assignment,
                )
                for member in group.members.values()
            ),
            authorized_operations=allowed,
        )

    # ---- DeleteGroups

    async def delete_groups(self, request: Any, context: RequestContext) -> Any:
        """Answer DeleteGroups once the tombstones are durable."""
        make = codec(context.api_key, context.api_version).make
        results = []
        for group_id in dict.fromkeys(request.groups_names):
            error = await self._delete(group_id, context)
            results.append(make("DeletableGroupResult", group_id=group_id, error_code=error))
        return make(results=tuple(results))

    async def _delete(self, group_id: str, context: RequestContext) -> ErrorCode:
        core = self._core
        if not core.cluster.allows(context, Operation.DELETE, ResourceType.GROUP, group_id):
            return ErrorCode.group_authorization_failed
        try:
            if not core.loaded:
                raise GroupError(ErrorCode.coordinator_load_in_progress)
            group = core.group(group_id)
            if group is None:
                raise GroupError(ErrorCode.group_id_not_found)
            if not group.is_empty:
                raise GroupError(ErrorCode.non_empty_group)
            modern = core.modern.groups.get(group_id)
            if modern is not None and modern.group_type == _SHARE_TYPE:
                await core.shares.end(modern)
            await core.forget_offsets(group_id, core.offsets.keys(group_id), delete_group=True)
        except GroupError as refused:
            return refused.code
        except LOG_ERRORS as error:
            return of_the_log(error)
        return ErrorCode.none


def _message(error: ErrorCode) -> str:
    if error is ErrorCode.invalid_request:
        return MALFORMED
    if error is ErrorCode.group_authorization_failed:
        return "Group authorization failed."
    if error is ErrorCode.transactional_id_authorization_failed:
        return "Transactional Id authorization failed."
    if error is ErrorCode.cluster_authorization_failed:
        return "Cluster authorization failed."
    return "the coordinator is not available"

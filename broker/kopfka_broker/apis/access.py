"""What APIs say of rights: the refusal of a whole request, and the operations a client may do, as bits (KIP-430).

Who may do what is decided by the authorizer (`cluster.allows`); which right an API asks for is its handler's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.errors import ApiError
from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext

NOT_ASKED: Final = -(2**31)
"""Authorized operations in an answer to a client that did not ask for them, or in a version without them."""

_OPERATIONS: Final = {
    ResourceType.TOPIC: (
        Operation.READ, Operation.WRITE, Operation.CREATE, Operation.DELETE, Operation.ALTER, Operation.DESCRIBE,
        Operation.DESCRIBE_CONFIGS, Operation.ALTER_CONFIGS,
    ),
    ResourceType.GROUP: (
        Operation.READ, Operation.DELETE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS, Operation.ALTER_CONFIGS,
    ),
    ResourceType.CLUSTER: (
        Operation.CREATE, Operation.ALTER, Operation.DESCRIBE, Operation.CLUSTER_ACTION, Operation.DESCRIBE_CONFIGS,
        Operation.ALTER_CONFIGS, Operation.IDEMPOTENT_WRITE,
    ),
}  # fmt: skip
"""What can be done with a resource at all (`AclEntry.supportedOperations`)."""

MESSAGES: Final = {
    ErrorCode.topic_authorization_failed: "Topic authorization failed.",
    ErrorCode.group_authorization_failed: "Group authorization failed.",
    ErrorCode.cluster_authorization_failed: "Cluster authorization failed.",
}
"""What Kafka says with these errors where it says nothing more precise."""


def authorized_operations(cluster: Cluster, context: RequestContext, resource: ResourceType, name: str) -> int:
    """Return the operations a client may do with one resource: bit n stands for operation n."""
    return sum(
        1 << each for each in _OPERATIONS[resource] if cluster.allows(context, each, resource, name, log_denied=False)
    )


def cluster_operations(cluster: Cluster, context: RequestContext) -> int:
    """Return the operations a client may do with the cluster; none where it may not even describe it."""
    if not may(cluster, context, Operation.DESCRIBE):
        return 0
    return authorized_operations(cluster, context, ResourceType.CLUSTER, CLUSTER_NAME)


def may(cluster: Cluster, context: RequestContext, operation: Operation, *, log_denied: bool = True) -> bool:
    """Tell whether a client may do this to the cluster."""
    return cluster.allows(context, operation, ResourceType.CLUSTER, CLUSTER_NAME, log_denied=log_denied)


def may_topic(
    cluster: Cluster, context: RequestContext, operation: Operation, topic: str, *, log_denied: bool = True
) -> bool:
    """Tell whether a client may do this to a topic."""
    return cluster.allows(context, operation, ResourceType.TOPIC, topic, log_denied=log_denied)


def denied(code: ErrorCode) -> ApiError:
    """Return the error for a part of a request that the client has no right to."""
    return ApiError(code, MESSAGES[code])


def refusal(cluster: Cluster, context: RequestContext, operation: Operation) -> ErrorCode:
    """Return the error for a whole request that needs a right to the cluster, or `none`."""
    return ErrorCode.none if may(cluster, context, operation) else ErrorCode.cluster_authorization_failed


def require(cluster: Cluster, context: RequestContext, operation: Operation) -> None:
    """Check that a client may do this to the cluster, in APIs whose answer has room for Kafka's words about it.

    Raises:
        ApiError: it may not.
    """
    if not may(cluster, context, operation):
        raise ApiError(ErrorCode.cluster_authorization_failed, needed(context, operation))


def needed(context: RequestContext, operation: Operation) -> str:
    """Return what Kafka says to a client without the right to a whole request, where the answer has room for it."""
    api = ApiKey(context.api_key).name.title().replace("_", "")
    return f"Request Request({api}) needs {operation.name} permission."

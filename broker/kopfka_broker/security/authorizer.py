"""The question every API asks before it acts: may this principal do that to this resource?"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kopfka_broker.context import RequestContext


class Operation(enum.IntEnum):
    """What is done, by the numbers of Kafka's AclOperation."""

    UNKNOWN = 0
    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12
    CREATE_TOKENS = 13
    DESCRIBE_TOKENS = 14
    TWO_PHASE_COMMIT = 15


class ResourceType(enum.IntEnum):
    """To what it is done, by the numbers of Kafka's ResourceType."""

    UNKNOWN = 0
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


CLUSTER_NAME = "kafka-cluster"
"""The one resource of type CLUSTER."""


class Authorizer(Protocol):
    """Decides; asked on every request, so it answers from memory."""

    def allows(self, context: RequestContext, operation: Operation, resource: ResourceType, name: str) -> bool:
        """Tell whether the client of this request may do this to one resource."""
        ...

    def allows_any(self, context: RequestContext, operation: Operation, resource: ResourceType) -> bool:
        """Tell whether there is any resource of this type to which the client may do this (KIP-679)."""
        ...


class AllowAll:
    """What there is without `authorizer.class.name`: everyone may do everything."""

    def allows(self, context: RequestContext, operation: Operation, resource: ResourceType, name: str) -> bool:
        """Yes."""
        return True

    def allows_any(self, context: RequestContext, operation: Operation, resource: ResourceType) -> bool:
        """Yes."""
        return True

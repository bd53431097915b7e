"""The question every API asks before it acts: may this principal do that to this resource?"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Protocol

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.context import RequestContext
    from kopfka_broker.metadata_store import MetadataStore

STANDARD_AUTHORIZER: Final = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
_OF_ZOOKEEPER = ("kafka.security.authorizer.AclAuthorizer", "kafka.security.auth.SimpleAclAuthorizer")


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


class Access(Protocol):
    """Whom to ask: the authorizer, or the cluster that has one."""

    def allows(
        self,
        context: RequestContext,
        operation: Operation,
        resource: ResourceType,
        name: str,
        *,
        log_denied: bool = True,
    ) -> bool:
        """Tell whether the client of this request may do this to one resource.

        `log_denied`: a denial is news to an administrator; it is not where a request only asks what its client may see.
        """
        ...


class Authorizer(Access, Protocol):
    """Decides; asked on every request, so it answers from memory."""

    def load(self) -> None:
        """Read what was kept; raises DataFolderError where it is damaged."""
        ...

    def allows_any(self, context: RequestContext, operation: Operation, resource: ResourceType) -> bool:
        """Tell whether there is any resource of this type to which the client may do this (KIP-679)."""
        ...


class AllowAll:
    """What there is without `authorizer.class.name`: everyone may do everything."""

    def load(self) -> None:
        """Nothing is kept."""

    def allows(
        self,
        context: RequestContext,
        operation: Operation,
        resource: ResourceType,
        name: str,
        *,
        log_denied: bool = True,
    ) -> bool:
        """Yes."""
        return True

    def allows_any(self, context: RequestContext, operation: Operation, resource: ResourceType) -> bool:
        """Yes."""
        return True


def authorizer_from(config: BrokerConfig, store: MetadataStore) -> Authorizer:
    """Return the authorizer that `authorizer.class.name` names; what it keeps is not loaded yet.

    Raises:
        SettingsError: there is no such authorizer, or its settings are malformed.
    """
    name = config.get("authorizer.class.name")
    if not name:
        return AllowAll()
    if name in _OF_ZOOKEEPER:
        raise SettingsError(
            f"authorizer.class.name={name} is of Kafka with ZooKeeper and not in Kafka 4 either: "
            f"write {STANDARD_AUTHORIZER}, which takes the same ACLs"
        )
    if name != STANDARD_AUTHORIZER:
        raise SettingsError(
            f"authorizer.class.name={name}: the bundled broker has {STANDARD_AUTHORIZER} and no other, "
            "as it cannot run Java classes"
        )
    # who asks for no authorizer does not pay for it
    from kopfka_broker.security.standard_authorizer import standard_authorizer  # noqa: PLC0415

    return standard_authorizer(config, store)

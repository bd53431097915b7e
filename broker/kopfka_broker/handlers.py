"""Which code answers which API: every handler of one broker is named here, or by the room that serves it.

ApiVersions is not among them: the dispatcher answers that itself, from what is here. What plain clients ask for is
imported at the start, everything else with its first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_broker.apis.configs import ConfigApis
from kopfka_broker.apis.fetch import FetchApi
from kopfka_broker.apis.metadata import MetadataApis
from kopfka_broker.apis.offsets import OffsetApis
from kopfka_broker.apis.produce import ProduceApi
from kopfka_broker.apis.sasl import sasl_authenticate, sasl_handshake
from kopfka_broker.apis.throttled_produce import ThrottledProduce
from kopfka_broker.apis.topics import TopicApis
from kopfka_broker.dispatch import Dispatcher
from kopfka_broker.lazily import Lazy, lazy_handlers
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.dispatch import Handler, RawHandler


_ON_DEMAND: Final = {
    ("active_producers", "ActiveProducersApi"): {ApiKey.DESCRIBE_PRODUCERS: "describe_producers"},
    ("alter_configs", "AlterConfigApis"): {
        ApiKey.ALTER_CONFIGS: "alter_configs",
        ApiKey.INCREMENTAL_ALTER_CONFIGS: "incremental_alter_configs",
    },
    ("telemetry", "TelemetryApis"): {
        ApiKey.GET_TELEMETRY_SUBSCRIPTIONS: "get_telemetry_subscriptions",
        ApiKey.PUSH_TELEMETRY: "push_telemetry",
    },
    ("replicas", "ReplicaApis"): {
        ApiKey.DESCRIBE_LOG_DIRS: "describe_log_dirs",
        ApiKey.ALTER_REPLICA_LOG_DIRS: "alter_replica_log_dirs",
        ApiKey.ELECT_LEADERS: "elect_leaders",
        ApiKey.ALTER_PARTITION_REASSIGNMENTS: "alter_partition_reassignments",
        ApiKey.LIST_PARTITION_REASSIGNMENTS: "list_partition_reassignments",
    },
    ("quorum", "QuorumApis"): {
        ApiKey.DESCRIBE_QUORUM: "describe_quorum",
        ApiKey.UPDATE_FEATURES: "update_features",
        ApiKey.UNREGISTER_BROKER: "unregister_broker",
        ApiKey.ADD_RAFT_VOTER: "add_raft_voter",
        ApiKey.REMOVE_RAFT_VOTER: "remove_raft_voter",
    },
    ("acls", "AclApis"): {
        ApiKey.DESCRIBE_ACLS: "describe_acls",
        ApiKey.CREATE_ACLS: "create_acls",
        ApiKey.DELETE_ACLS: "delete_acls",
    },
    ("credentials", "CredentialApis"): {
        ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: "describe",
        ApiKey.ALTER_USER_SCRAM_CREDENTIALS: "alter",
    },
    ("quotas", "QuotaApis"): {ApiKey.DESCRIBE_CLIENT_QUOTAS: "describe", ApiKey.ALTER_CLIENT_QUOTAS: "alter"},
    ("tokens", "TokenApis"): {
        ApiKey.CREATE_DELEGATION_TOKEN: "create",
        ApiKey.RENEW_DELEGATION_TOKEN: "renew",
        ApiKey.EXPIRE_DELEGATION_TOKEN: "expire",
        ApiKey.DESCRIBE_DELEGATION_TOKEN: "describe",
    },
}
"""Modules and classes of APIs that a plain client does not use, and which of their methods answers what."""


def dispatcher(cluster: Cluster) -> Dispatcher:
    """Return what answers every request to a broker of this cluster."""
    handlers: dict[int, Handler] = {
        **_of_every_client(cluster),
        **cluster.groups.handlers(),
        **cluster.transactions.handlers(),
        **cluster.share.handlers(),
    }
    for (module, name), methods in _ON_DEMAND.items():
        handlers |= lazy_handlers(Lazy(f"kopfka_broker.apis.{module}", name, cluster), methods)
    raw: dict[int, RawHandler] = {
        ApiKey.PRODUCE: ThrottledProduce(ProduceApi(cluster).produce, cluster.throttling).produce,
        ApiKey.FETCH: FetchApi(cluster).fetch,
        **cluster.share.raw_handlers(),
    }
    return Dispatcher(handlers, raw, cluster.metrics.requests, cluster.features, cluster.throttling)


def _of_every_client(cluster: Cluster) -> dict[int, Handler]:
    metadata, topics, offsets, configs = (
        MetadataApis(cluster),
        TopicApis(cluster),
        OffsetApis(cluster),
        ConfigApis(cluster),
    )
    return {
        ApiKey.METADATA: metadata.metadata,
        ApiKey.DESCRIBE_CLUSTER: metadata.describe_cluster,
        ApiKey.DESCRIBE_TOPIC_PARTITIONS: metadata.describe_topic_partitions,
        ApiKey.CREATE_TOPICS: topics.create_topics,
        ApiKey.DELETE_TOPICS: topics.delete_topics,
        ApiKey.CREATE_PARTITIONS: topics.create_partitions,
        ApiKey.DELETE_RECORDS: topics.delete_records,
        ApiKey.LIST_OFFSETS: offsets.list_offsets,
        ApiKey.OFFSET_FOR_LEADER_EPOCH: offsets.offset_for_leader_epoch,
        ApiKey.DESCRIBE_CONFIGS: configs.describe_configs,
        ApiKey.LIST_CONFIG_RESOURCES: configs.list_config_resources,
        ApiKey.SASL_HANDSHAKE: sasl_handshake,
        ApiKey.SASL_AUTHENTICATE: sasl_authenticate,
    }

"""Which code answers which API: every handler of one broker is named here, or by the room that serves it.

ApiVersions is not among them: the dispatcher answers that itself, from what is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.apis.acls import AclApis
from kopfka_broker.apis.active_producers import ActiveProducersApi
from kopfka_broker.apis.alter_configs import AlterConfigApis
from kopfka_broker.apis.configs import ConfigApis
from kopfka_broker.apis.credentials import CredentialApis
from kopfka_broker.apis.fetch import FetchApi
from kopfka_broker.apis.metadata import MetadataApis
from kopfka_broker.apis.offsets import OffsetApis
from kopfka_broker.apis.produce import ProduceApi
from kopfka_broker.apis.quorum import QuorumApis
from kopfka_broker.apis.quotas import QuotaApis
from kopfka_broker.apis.replicas import ReplicaApis
from kopfka_broker.apis.sasl import sasl_authenticate, sasl_handshake
from kopfka_broker.apis.telemetry import TelemetryApis
from kopfka_broker.apis.throttled_produce import ThrottledProduce
from kopfka_broker.apis.tokens import TokenApis
from kopfka_broker.apis.topics import TopicApis
from kopfka_broker.dispatch import Dispatcher
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.dispatch import Handler, RawHandler


def dispatcher(cluster: Cluster) -> Dispatcher:
    """Return what answers every request to a broker of this cluster."""
    handlers: dict[int, Handler] = {
        **_topics_and_records(cluster),
        **_administration(cluster),
        **_security(cluster),
        **cluster.groups.handlers(),
        **cluster.transactions.handlers(),
        **cluster.share.handlers(),
    }
    raw: dict[int, RawHandler] = {
        ApiKey.PRODUCE: ThrottledProduce(ProduceApi(cluster).produce, cluster.throttling).produce,
        ApiKey.FETCH: FetchApi(cluster).fetch,
        ApiKey.SHARE_FETCH: cluster.share.apis.fetch,
    }
    return Dispatcher(handlers, raw, cluster.metrics.requests, cluster.features, cluster.throttling)


def _topics_and_records(cluster: Cluster) -> dict[int, Handler]:
    metadata, topics, offsets = MetadataApis(cluster), TopicApis(cluster), OffsetApis(cluster)
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
        ApiKey.DESCRIBE_PRODUCERS: ActiveProducersApi(cluster).describe_producers,
    }


def _administration(cluster: Cluster) -> dict[int, Handler]:
    configs, altering, telemetry = ConfigApis(cluster), AlterConfigApis(cluster), TelemetryApis(cluster)
    replicas, quorum = ReplicaApis(cluster), QuorumApis(cluster)
    return {
        ApiKey.DESCRIBE_CONFIGS: configs.describe_configs,
        ApiKey.LIST_CONFIG_RESOURCES: configs.list_config_resources,
        ApiKey.ALTER_CONFIGS: altering.alter_configs,
        ApiKey.INCREMENTAL_ALTER_CONFIGS: altering.incremental_alter_configs,
        ApiKey.GET_TELEMETRY_SUBSCRIPTIONS: telemetry.get_telemetry_subscriptions,
        ApiKey.PUSH_TELEMETRY: telemetry.push_telemetry,
        ApiKey.DESCRIBE_LOG_DIRS: replicas.describe_log_dirs,
        ApiKey.ALTER_REPLICA_LOG_DIRS: replicas.alter_replica_log_dirs,
        ApiKey.ELECT_LEADERS: replicas.elect_leaders,
        ApiKey.ALTER_PARTITION_REASSIGNMENTS: replicas.alter_partition_reassignments,
        ApiKey.LIST_PARTITION_REASSIGNMENTS: replicas.list_partition_reassignments,
        ApiKey.DESCRIBE_QUORUM: quorum.describe_quorum,
        ApiKey.UPDATE_FEATURES: quorum.update_features,
        ApiKey.UNREGISTER_BROKER: quorum.unregister_broker,
        ApiKey.ADD_RAFT_VOTER: quorum.add_raft_voter,
        ApiKey.REMOVE_RAFT_VOTER: quorum.remove_raft_voter,
    }


def _security(cluster: Cluster) -> dict[int, Handler]:
    acls, credentials = AclApis(cluster), CredentialApis(cluster)
    quotas, tokens = QuotaApis(cluster), TokenApis(cluster)
    return {
        ApiKey.SASL_HANDSHAKE: sasl_handshake,
        ApiKey.SASL_AUTHENTICATE: sasl_authenticate,
        ApiKey.DESCRIBE_ACLS: acls.describe_acls,
        ApiKey.CREATE_ACLS: acls.create_acls,
        ApiKey.DELETE_ACLS: acls.delete_acls,
        ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: credentials.describe,
        ApiKey.ALTER_USER_SCRAM_CREDENTIALS: credentials.alter,
        ApiKey.DESCRIBE_CLIENT_QUOTAS: quotas.describe,
        ApiKey.ALTER_CLIENT_QUOTAS: quotas.alter,
        ApiKey.CREATE_DELEGATION_TOKEN: tokens.create,
        ApiKey.RENEW_DELEGATION_TOKEN: tokens.renew,
        ApiKey.EXPIRE_DELEGATION_TOKEN: tokens.expire,
        ApiKey.DESCRIBE_DELEGATION_TOKEN: tokens.describe,
    }

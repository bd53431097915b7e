"""Names of MM2's settings (Kafka 4.3.1): those that are read here, and those without use here, which are accepted."""

from __future__ import annotations

from typing import Final

FLOW: Final[dict[str, str]] = {
    "enabled": "false",
    "topics": ".*",
    "topics.exclude": r"mm2.*\.internal, .*\.replica, __.*",
    "groups": ".*",
    "groups.exclude": "console-consumer-.*, connect-.*, __.*",
    "config.properties.exclude": (
        "follower.replication.throttled.replicas, leader.replication.throttled.replicas, "
        "message.timestamp.difference.max.ms, log.message.timestamp.before.max.ms, "
        "log.message.timestamp.after.max.ms, message.timestamp.type, unclean.leader.election.enable, "
        "min.insync.replicas"
    ),
    "use.defaults.from": "target",
    "refresh.topics.enabled": "true",
    "refresh.topics.interval.seconds": "10",
    "sync.topic.configs.enabled": "true",
    "sync.topic.configs.interval.seconds": "600",
    "emit.heartbeats.enabled": "true",
    "emit.heartbeats.interval.seconds": "1",
    "heartbeats.replication.enabled": "true",
    "emit.checkpoints.enabled": "true",
    "emit.checkpoints.interval.seconds": "60",
    "sync.group.offsets.enabled": "false",
    "sync.group.offsets.interval.seconds": "60",
    "emit.offset-syncs.enabled": "true",
    "offset.lag.max": "100",
    "offset-syncs.topic.location": "source",
    "replication.factor": "",
    "heartbeats.topic.replication.factor": "",
    "checkpoints.topic.replication.factor": "",
    "offset-syncs.topic.replication.factor": "",
    "offset.storage.replication.factor": "",
    "offset.storage.partitions": "1",
    "replication.policy.class": "DefaultReplicationPolicy",
    "replication.policy.separator": ".",
    "replication.policy.internal.topic.separator.enabled": "true",
    "exactly.once.source.support": "disabled",
    "offset.flush.interval.ms": "1000",
    "transaction.boundary.interval.ms": "100",
    "consumer.isolation.level": "read_committed",
    "consumer.auto.offset.reset": "earliest",
    "consumer.fetch.max.bytes": "8388608",
    "consumer.max.partition.fetch.bytes": "1048576",
    "kopfka.recreated.topics": "stop",
    "kopfka.retry.failed.partitions.ms": "30000",
    "kopfka.buffer.bytes": "67108864",
}
"""Settings of a flow, with their defaults. They may stand alone, for every flow, or behind `source->target.`.

Replication factors without a value are MM2's (2 for topics, 3 for internal ones), or as many as there are brokers.
"""

_WITHOUT_USE: Final = """
refresh.groups.enabled refresh.groups.interval.seconds
name connector.class connector.plugin.version tasks.max tasks.max.enforce key.converter value.converter header.converter
key.converter.plugin.version value.converter.plugin.version header.converter.plugin.version transforms predicates
config.action.reload errors.retry.timeout errors.retry.delay.max.ms errors.tolerance errors.log.enable
errors.log.include.messages source.cluster.alias target.cluster.alias admin.timeout.ms forwarding.admin.class
metric.reporters config.providers topic.filter.class group.filter.class config.property.filter.class
metric.names.formats consumer.poll.timeout.ms sync.topic.acls.enabled sync.topic.acls.interval.seconds
dedicated.mode.enable.internal.rest listeners rest.advertised.host.name rest.advertised.port
rest.advertised.listener transaction.boundary offset.flush.timeout.ms offset.storage.topic config.storage.topic
config.storage.replication.factor status.storage.topic status.storage.replication.factor status.storage.partitions
scheduled.rebalance.max.delay.ms rebalance.timeout.ms connect.protocol plugin.path plugin.discovery
task.shutdown.graceful.timeout.ms topic.creation.enable topic.tracking.enable topic.tracking.allow.reset
worker.sync.timeout.ms worker.unsync.backoff.ms connector.client.config.override.policy use.incremental.alter.configs
"""
WITHOUT_USE: Final = frozenset(_WITHOUT_USE.split())
ROLES: Final = ("consumer.", "producer.", "admin.")
"""What may stand before a client's setting: in Java each is a client of its own, here all share one."""

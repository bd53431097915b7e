"""Kafka's error codes, once: for each its name, whether a retry may help, a sentence, and the exception it becomes.

Names and retriability are Kafka 4.3's (kio has them, tests/interop compares them). The sentence is for answers that
bring none of their own. Exceptions are no finer than what callers tell apart; `BrokerError.code` is always there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kio.schema.errors import ErrorCode

from kopfka_wire.errors import AuthenticationError, ClientError


class BrokerError(ClientError):
    """A broker answered with an error code."""

    def __init__(self, code: ErrorCode, message: str, *, retriable: bool | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retriable = code.retriable if retriable is None else retriable


class SaslError(BrokerError, AuthenticationError):
    """The broker does not take the credentials, or the mechanism; the message is the broker's."""


class AuthorizationError(BrokerError):
    """The user is known and may not do this."""


class StaleMetadataError(BrokerError):
    """What the client believes about topics and leaders is no longer so; it looks again."""


class UnknownTopicError(StaleMetadataError):
    """There is no such topic or partition, or not yet, or not for this user."""


class CoordinatorError(BrokerError):
    """The coordinator of a group or transaction is another broker, or not ready."""


class MembershipError(BrokerError):
    """A group does not know this member, or not in this generation."""


class GroupRefusedError(BrokerError):
    """A group does not take this member as it is."""


class FencedError(BrokerError):
    """A newer producer with the same transactional id has taken over."""


class SequenceError(BrokerError):
    """A batch does not follow the last one of its producer."""


class OffsetOutOfRangeError(BrokerError):
    """The offset is below the log start offset, or above the end."""


class RecordTooLargeError(BrokerError):
    """A batch is larger than the topic or the broker takes (`max.message.bytes`, `segment.bytes`)."""


class InvalidRecordError(BrokerError):
    """A record is not one that this topic takes."""


class TopicExistsError(BrokerError):
    """A topic of that name exists."""


class InvalidConfigError(BrokerError):
    """A config, a name or a number in the request is not a possible one."""


class PolicyViolationError(BrokerError):
    """A policy of the cluster does not allow this."""


class TransactionError(BrokerError):
    """A transaction is not in a state in which this can be done."""


class _Entry(NamedTuple):
    says: str
    raises: type[BrokerError] = BrokerError


_E = ErrorCode
_TABLE: Final[dict[ErrorCode, _Entry]] = {
    _E.unknown_server_error: _Entry("the broker failed; its log says why"),
    _E.none: _Entry("no error"),
    _E.offset_out_of_range: _Entry("the offset is not in the log", OffsetOutOfRangeError),
    _E.corrupt_message: _Entry("the batch arrived damaged, or lacks a key on a compacted topic", InvalidRecordError),
    _E.unknown_topic_or_partition: _Entry("there is no such topic or partition on this broker", UnknownTopicError),
    _E.invalid_fetch_size: _Entry("the fetch size is not a possible one"),
    _E.leader_not_available: _Entry("the partition has no leader now", StaleMetadataError),
    _E.not_leader_or_follower: _Entry("this broker does not lead the partition", StaleMetadataError),
    _E.request_timed_out: _Entry("the broker did not finish in time"),
    _E.broker_not_available: _Entry("the broker is not available"),
    _E.replica_not_available: _Entry("the broker has no replica of the partition", StaleMetadataError),
    _E.message_too_large: _Entry("the batch is larger than max.message.bytes", RecordTooLargeError),
    _E.stale_controller_epoch: _Entry("another controller has taken over"),
    _E.offset_metadata_too_large: _Entry("the text beside an offset is too long"),
    _E.network_exception: _Entry("the broker lost a connection of its own"),
    _E.coordinator_load_in_progress: _Entry("the coordinator is still reading its log", CoordinatorError),
    _E.coordinator_not_available: _Entry("there is no coordinator now", CoordinatorError),
    _E.not_coordinator: _Entry("another broker is the coordinator", CoordinatorError),
    _E.invalid_topic_exception: _Entry("this cannot be the name of a topic", InvalidConfigError),
    _E.record_list_too_large: _Entry("the batches are larger than segment.bytes", RecordTooLargeError),
    _E.not_enough_replicas: _Entry("fewer replicas are in sync than min.insync.replicas; nothing was written"),
    _E.not_enough_replicas_after_append: _Entry("written, but to fewer replicas than min.insync.replicas"),
    _E.invalid_required_acks: _Entry("acks is not a possible value"),
    _E.illegal_generation: _Entry("the group has another generation", MembershipError),
    _E.inconsistent_group_protocol: _Entry("the group has members of another kind", GroupRefusedError),
    _E.invalid_group_id: _Entry("this cannot be the name of a group", GroupRefusedError),
    _E.unknown_member_id: _Entry("the group does not have this member", MembershipError),
    _E.invalid_session_timeout: _Entry(
        "the session timeout is outside of group.min.session.timeout.ms to group.max.session.timeout.ms",
        GroupRefusedError,
    ),
    _E.rebalance_in_progress: _Entry("the group is making a new generation", MembershipError),
    _E.invalid_commit_offset_size: _Entry("the offsets to commit are too large"),
    _E.topic_authorization_failed: _Entry("this user may not do this to the topic", AuthorizationError),
    _E.group_authorization_failed: _Entry("this user may not do this to the group", AuthorizationError),
    _E.cluster_authorization_failed: _Entry("this user may not do this to the cluster", AuthorizationError),
    _E.invalid_timestamp: _Entry("the record's timestamp is too far from the broker's clock", InvalidRecordError),
    _E.unsupported_sasl_mechanism: _Entry("the broker does not have this SASL mechanism", SaslError),
    _E.illegal_sasl_state: _Entry("the broker did not expect this while authenticating", SaslError),
    _E.unsupported_version: _Entry("the broker does not have this version of the request"),
    _E.topic_already_exists: _Entry("the topic exists", TopicExistsError),
    _E.invalid_partitions: _Entry("the number of partitions is not a possible one", InvalidConfigError),
    _E.invalid_replication_factor: _Entry(
        "there are fewer brokers than replicas asked for, or the number is below 1", InvalidConfigError
    ),
    _E.invalid_replica_assignment: _Entry("the assignment of replicas is not a possible one", InvalidConfigError),
    _E.invalid_config: _Entry("a config is unknown, or its value not a possible one", InvalidConfigError),
    _E.not_controller: _Entry("this broker is not the controller", StaleMetadataError),
    _E.invalid_request: _Entry("the broker does not understand the request"),
    _E.unsupported_for_message_format: _Entry("the topic's message format cannot do this"),
    _E.policy_violation: _Entry("a policy of the cluster does not allow this", PolicyViolationError),
    _E.out_of_order_sequence_number: _Entry("the batch does not follow its producer's last one", SequenceError),
    _E.duplicate_sequence_number: _Entry("the batch was written before", SequenceError),
    _E.invalid_producer_epoch: _Entry("the partition has seen a newer epoch of this producer", FencedError),
    _E.invalid_txn_state: _Entry("the transaction is not in a state for this", TransactionError),
    _E.invalid_producer_id_mapping: _Entry("the transactional id has another producer id", FencedError),
    _E.invalid_transaction_timeout: _Entry("longer than transaction.max.timeout.ms", InvalidConfigError),
    _E.concurrent_transactions: _Entry("the last transaction is still being ended", TransactionError),
    _E.transaction_coordinator_fenced: _Entry("another transaction coordinator has taken over", CoordinatorError),
    _E.transactional_id_authorization_failed: _Entry("this user may not use the transactional id", AuthorizationError),
    _E.security_disabled: _Entry("the cluster has no authorizer (authorizer.class.name)"),
    _E.operation_not_attempted: _Entry("not tried, since something before it failed"),
    _E.kafka_storage_error: _Entry("the broker's disk failed", StaleMetadataError),
    _E.log_dir_not_found: _Entry("the broker has no such log folder"),
    _E.sasl_authentication_failed: _Entry("the broker does not take these credentials", SaslError),
    _E.unknown_producer_id: _Entry("the partition does not know this producer", SequenceError),
    _E.reassignment_in_progress: _Entry("a reassignment of this partition is under way"),
    _E.delegation_token_auth_disabled: _Entry("delegation tokens are not enabled (delegation.token.secret.key)"),
    _E.delegation_token_not_found: _Entry("there is no such delegation token"),
    _E.delegation_token_owner_mismatch: _Entry("the delegation token is another user's"),
    _E.delegation_token_request_not_allowed: _Entry("this connection may not ask for delegation tokens"),
    _E.delegation_token_authorization_failed: _Entry("this user may not use the token", AuthorizationError),
    _E.delegation_token_expired: _Entry("the delegation token has expired"),
    _E.invalid_principal_type: _Entry("principals of this type are not supported"),
    _E.non_empty_group: _Entry("the group has members"),
    _E.group_id_not_found: _Entry("there is no such group"),
    _E.fetch_session_id_not_found: _Entry("the broker has given up the fetch session"),
    _E.invalid_fetch_session_epoch: _Entry("the fetch session is at another epoch"),
    _E.listener_not_found: _Entry("the leader has no listener of this name", StaleMetadataError),
    _E.topic_deletion_disabled: _Entry("topics are not deleted here (delete.topic.enable)"),
    _E.fenced_leader_epoch: _Entry("the partition has a newer leader", StaleMetadataError),
    _E.unknown_leader_epoch: _Entry("the broker has not heard of this leader yet", StaleMetadataError),
    _E.unsupported_compression_type: _Entry("the compression is not supported", InvalidRecordError),
    _E.stale_broker_epoch: _Entry("the broker has registered anew"),
    _E.offset_not_available: _Entry("the leader is new and does not know its end yet", StaleMetadataError),
    _E.member_id_required: _Entry("the group wants to be joined with the id it has given", MembershipError),
    _E.preferred_leader_not_available: _Entry("the preferred leader is not available"),
    _E.group_max_size_reached: _Entry("the group is full (group.max.size)", GroupRefusedError),
    _E.fenced_instance_id: _Entry("another process has the same static id", MembershipError),
    _E.eligible_leaders_not_available: _Entry("no replica may become leader"),
    _E.election_not_needed: _Entry("the partition has the leader it should have"),
    _E.no_reassignment_in_progress: _Entry("no reassignment is under way"),
    _E.group_subscribed_to_topic: _Entry("the group reads the topic, so its offsets stay"),
    _E.invalid_record: _Entry("the topic does not take a record of the batch", InvalidRecordError),
    _E.unstable_offset_commit: _Entry("a transaction over these offsets has not ended"),
    _E.throttling_quota_exceeded: _Entry("a quota on changes is used up"),
    _E.producer_fenced: _Entry("a newer producer has this transactional id", FencedError),
    _E.resource_not_found: _Entry("there is no such thing"),
    _E.duplicate_resource: _Entry("it is there twice"),
    _E.unacceptable_credential: _Entry("the credential is not acceptable"),
    _E.inconsistent_voter_set: _Entry("the voters do not agree with each other"),
    _E.invalid_update_version: _Entry("the version to update from is another one"),
    _E.feature_update_failed: _Entry("the feature was not updated"),
    _E.principal_deserialization_failure: _Entry("a forwarded request has no readable principal"),
    _E.snapshot_not_found: _Entry("there is no such snapshot"),
    _E.position_out_of_range: _Entry("the position is not in the snapshot"),
    _E.unknown_topic_id: _Entry("there is no topic of this id on this broker", UnknownTopicError),
    _E.duplicate_broker_registration: _Entry("another broker has this id"),
    _E.broker_id_not_registered: _Entry("no broker has this id"),
    _E.inconsistent_topic_id: _Entry("the partition belongs to another topic of this name", UnknownTopicError),
    _E.inconsistent_cluster_id: _Entry("this is another cluster"),
    _E.transactional_id_not_found: _Entry("there is no such transactional id"),
    _E.fetch_session_topic_id_error: _Entry("a fetch session was used with ids and names"),
    _E.ineligible_replica: _Entry("the replica may not be in sync"),
    _E.new_leader_elected: _Entry("the change led to a new leader", StaleMetadataError),
    _E.offset_moved_to_tiered_storage: _Entry("the offset is in tiered storage"),
    _E.fenced_member_epoch: _Entry("the group has a newer epoch of this member", MembershipError),
    _E.unreleased_instance_id: _Entry("another member has this static id", GroupRefusedError),
    _E.unsupported_assignor: _Entry("the group's members have no such assignor", GroupRefusedError),
    _E.stale_member_epoch: _Entry("the member's epoch is an old one", MembershipError),
    _E.mismatched_endpoint_type: _Entry("this is a controller where a broker was meant, or the reverse"),
    _E.unsupported_endpoint_type: _Entry("there is no endpoint of this kind"),
    _E.unknown_controller_id: _Entry("no controller has this id"),
    _E.unknown_subscription_id: _Entry("the telemetry subscription is another one"),
    _E.telemetry_too_large: _Entry("the telemetry is larger than telemetry.max.bytes"),
    _E.invalid_registration: _Entry("the broker's registration is not valid"),
    _E.transaction_abortable: _Entry("the transaction has to be aborted", TransactionError),
    _E.invalid_record_state: _Entry("the record is not in a state for this"),
    _E.share_session_not_found: _Entry("the broker has given up the share session"),
    _E.invalid_share_session_epoch: _Entry("the share session is at another epoch"),
    _E.fenced_state_epoch: _Entry("the share state has a newer epoch"),
    _E.invalid_voter_key: _Entry("the voter has another key"),
    _E.duplicate_voter: _Entry("the voter is there already"),
    _E.voter_not_found: _Entry("there is no such voter"),
    _E.invalid_regular_expression: _Entry("the regular expression is not one of RE2's", InvalidConfigError),
    _E.rebootstrap_required: _Entry("the cluster wants clients to start from their bootstrap servers again"),
    _E.streams_invalid_topology: _Entry("the topology is not valid", GroupRefusedError),
    _E.streams_invalid_topology_epoch: _Entry("the topology's epoch is not valid", GroupRefusedError),
    _E.streams_topology_fenced: _Entry("the group has a newer topology", GroupRefusedError),
    _E.share_session_limit_reached: _Entry("the broker has no room for another share session"),
}


def name_of(code: ErrorCode) -> str:
    """Return Kafka's name of an error code."""
    return code.name.upper()


def broker_error(code: ErrorCode, what: str = "", message: str | None = None) -> BrokerError:
    """Return the exception for a code: `what` failed, and the broker's own words on it, where it had some."""
    entry = _TABLE[code]
    text = f"{message or entry.says} ({name_of(code)})"
    return entry.raises(code, f"{what}: {text}" if what else text)


def check(code: ErrorCode, what: str = "", message: str | None = None) -> None:
    """Raise the exception for a code, unless it is `none`."""
    if code:
        raise broker_error(code, what, message)

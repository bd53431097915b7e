"""Who has no right to something is told so as by Apache Kafka: every API, in every version, with the very same answer.

`alice` may do nothing; `bob` may describe everything and do nothing else, which shows what is checked first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kopfka_bench.protocol.raw import known_versions, record_batch
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from support.differential import MISSING_ID, compare, masked
from support.secured import acl, sorted_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.secured import SecuredSide

pytestmark = pytest.mark.java

TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, USER = 2, 3, 4, 5, 7
DESCRIBE, DESCRIBE_CONFIGS = 8, 10
MISSING = "differential-missing"
UNANSWERED = {ApiKey.API_VERSIONS, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE}
"""They come before anybody has a right."""

Requests = list[dict[str, Any]]
REQUESTS: dict[str, Callable[[SecuredSide], Requests]] = {}


def asks(api: str) -> Callable[[Callable[[SecuredSide], Requests]], Callable[[SecuredSide], Requests]]:
    """Return a decorator for the function that gives an API's requests."""

    def register(requests: Callable[[SecuredSide], Requests]) -> Callable[[SecuredSide], Requests]:
        REQUESTS[api] = requests
        return requests

    return register


def both(side: SecuredSide) -> list[dict[str, Any]]:
    """Return the topic that is there and one that is not, under every name a request may have for them."""
    return [
        {"name": name, "topic": name, "topic_name": name, "topic_id": topic_id}
        for name, topic_id in ((side.topic, side.topic_id), (MISSING, MISSING_ID))
    ]


@asks("produce")
def produce(side):
    def request(topic, **fields):
        data = topic | {"partition_data": [{"index": 0, "records": record_batch([b"x"])}]}
        return {"acks": -1, "timeout": 10000, "topic_data": [data]} | fields

    transactional = record_batch([b"x"], producer_id=1, producer_epoch=0, sequence=0, attributes=16)
    in_transaction = {"partition_data": [{"index": 0, "records": transactional}]}
    return [
        *(request(topic) for topic in both(side)),
        request(both(side)[0], acks=7),
        {
            "acks": -1,
            "timeout": 10000,
            "transactional_id": "somebody's",
            "topic_data": [both(side)[0] | in_transaction],
        },
    ]


@asks("fetch")
def fetch(side):
    part = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20, "current_leader_epoch": -1}
    common = {"max_wait": 100, "min_bytes": 1, "max_bytes": 1 << 20, "replica_id": -1}
    return [
        *(common | {"session_epoch": -1, "topics": [topic | {"partitions": [part]}]} for topic in both(side)),
        common | {"session_epoch": 0, "topics": [topic | {"partitions": [part]} for topic in both(side)]},
    ]


@asks("list_offsets")
def list_offsets(side):
    part = {"partition_index": 0, "timestamp": -1, "current_leader_epoch": -1}
    return [{"replica_id": -1, "topics": [topic | {"partitions": [part]} for topic in both(side)]}]


@asks("metadata")
def metadata(side):
    operations = {"include_cluster_authorized_operations": True, "include_topic_authorized_operations": True}
    named = [{"name": name, "topic_id": None} for name in (side.topic, MISSING)]
    asked = [
        {"topics": [topic]} | operations | {"allow_auto_topic_creation": create}
        for topic in named
        for create in (False, True)
    ]
    by_id = [{"topics": [{"name": None, "topic_id": each}]} for each in (side.topic_id, MISSING_ID)]
    everything = {"topics": None if side.version else []} | operations
    return [*asked, everything, *(by_id if side.version >= 12 else [])]


@asks("offset_commit")
def offset_commit(side):
    part = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1}
    topics = [topic | {"partitions": [part]} for topic in both(side)]
    return [{"group_id": "somebody's", "generation_id_or_member_epoch": -1, "topics": topics}]


@asks("offset_fetch")
def offset_fetch(side):
    topics = [topic | {"partition_indexes": [0]} for topic in both(side)]
    return [
        {"group_id": group, "topics": asked, "groups": [{"group_id": group, "member_epoch": -1, "topics": asked}]}
        for group in ("somebody's", "")
        for asked in ((topics, None) if side.version >= 2 else (topics,))
    ]


@asks("find_coordinator")
def find_coordinator(side):
    return [{"key": "somebody's", "key_type": kind, "coordinator_keys": ["somebody's", ""]} for kind in (0, 1, 2, 9)]


@asks("join_group")
def join_group(side):
    protocol = {"name": "range", "metadata": b""}
    common = {"protocol_type": "consumer", "protocols": [protocol], "rebalance_timeout": 10000}
    return [common | {"group_id": group, "session_timeout": 10000} for group in ("somebody's", "")]


@asks("heartbeat")
def heartbeat(side):
    return [{"group_id": "somebody's", "generation_id": 1, "member_id": "x"}]


@asks("leave_group")
def leave_group(side):
    return [{"group_id": "somebody's", "member_id": "x", "members": [{"member_id": "x"}]}]


@asks("sync_group")
def sync_group(side):
    return [{"group_id": "somebody's", "generation_id": 1, "member_id": "x"}]


@asks("describe_groups")
def describe_groups(side):
    return [{"groups": ["somebody's", ""], "include_authorized_operations": True}]


@asks("list_groups")
def list_groups(side):
    return [{}]


@asks("create_topics")
def create_topics(side):
    def topic(name):
        return {"name": name, "num_partitions": 1, "replication_factor": 1}

    return [
        {"topics": [topic(side.topic), topic(MISSING), topic("not a name!")], "timeout": 10000, "validate_only": only}
        for only in (False, True)
    ] + [{"topics": [topic(MISSING), topic(MISSING)], "timeout": 10000}]


@asks("delete_topics")
def delete_topics(side):
    here, gone = both(side)
    by_name = [{"name": each["name"], "topic_id": None} for each in (here, gone)]
    by_id = [{"name": None, "topic_id": each["topic_id"]} for each in (here, gone)]
    return [{"topics": topics, "topic_names": [side.topic, MISSING], "timeout": 10000} for topics in (by_name, by_id)]


@asks("delete_records")
def delete_records(side):
    part = {"partition_index": 0, "offset": 0}
    return [{"topics": [topic | {"partitions": [part]} for topic in both(side)], "timeout": 10000}]


@asks("init_producer_id")
def init_producer_id(side):
    common = {"transaction_timeout": 10000, "producer_id": -1, "producer_epoch": -1}
    return [common | {"transactional_id": each} for each in (None, "somebody's", "")]


@asks("offset_for_leader_epoch")
def offset_for_leader_epoch(side):
    part = {"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}
    return [{"replica_id": -1, "topics": [topic | {"partitions": [part]} for topic in both(side)]}]


@asks("add_partitions_to_txn")
def add_partitions_to_txn(side):
    ids = {"producer_id": 1, "producer_epoch": 0}
    topics = [{"name": name, "partitions": [0]} for name in (side.topic, MISSING)]
    transaction = ids | {"transactional_id": "somebody's", "topics": topics}
    old = {
        f"v3_and_below_{key}": value
        for key, value in (ids | {"transactional_id": "somebody's", "topics": topics}).items()
    }
    return [{"transactions": [transaction]} | ids | {"transactional_id": "somebody's", "topics": topics} | old]


@asks("add_offsets_to_txn")
def add_offsets_to_txn(side):
    return [{"transactional_id": "somebody's", "producer_id": 1, "producer_epoch": 0, "group_id": "somebody's"}]


@asks("end_txn")
def end_txn(side):
    return [{"transactional_id": "somebody's", "producer_id": 1, "producer_epoch": 0, "committed": True}]


@asks("write_txn_markers")
def write_txn_markers(side):
    marker = {
        "producer_id": 1,
        "producer_epoch": 0,
        "transaction_result": True,
        "topics": [{"name": side.topic, "partition_indexes": [0]}],
    }
    return [{"markers": [marker]}]


@asks("txn_offset_commit")
def txn_offset_commit(side):
    part = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1}
    topics = [{"name": name, "partitions": [part]} for name in (side.topic, MISSING)]
    ids = {"transactional_id": "somebody's", "producer_id": 1, "producer_epoch": 0}
    return [ids | {"group_id": "somebody's", "generation_id": -1, "topics": topics}]


@asks("describe_acls")
def describe_acls(side):
    return [{"resource_type_filter": 1, "pattern_type_filter": 1, "operation": 1, "permission_type": 1}]


@asks("create_acls")
def create_acls(side):
    return [{"creations": [acl("mallory", 2), acl("mallory", 2, name="")]}]


@asks("delete_acls")
def delete_acls(side):
    one = {"resource_type_filter": 1, "pattern_type_filter": 1, "operation": 1, "permission_type": 1}
    return [{"filters": [one, one]}]


def _resources(side, **fields):
    named = ((2, side.topic), (2, MISSING), (4, "1"), (4, ""), (8, "1"), (16, "somebody's"), (32, "somebody's"))
    return [{"resource_type": kind, "resource_name": name} | fields for kind, name in named]


@asks("describe_configs")
def describe_configs(side):
    return [{"resources": _resources(side, configuration_keys=["retention.ms"])}]


@asks("alter_configs")
def alter_configs(side):
    changes = [{"name": "retention.ms", "value": "1"}]
    return [{"resources": _resources(side, configs=changes), "validate_only": True}]


@asks("incremental_alter_configs")
def incremental_alter_configs(side):
    changes = [{"name": "retention.ms", "config_operation": 0, "value": "1"}]
    return [{"resources": _resources(side, configs=changes), "validate_only": True}]


@asks("alter_replica_log_dirs")
def alter_replica_log_dirs(side):
    return [{"dirs": [{"path": "/nowhere", "topics": [{"name": side.topic, "partitions": [0]}]}]}]


@asks("describe_log_dirs")
def describe_log_dirs(side):
    return [{"topics": None}]


@asks("create_partitions")
def create_partitions(side):
    topics = [{"name": name, "count": 9, "assignments": None} for name in (side.topic, MISSING)]
    return [{"topics": topics, "timeout": 10000, "validate_only": True}]


@asks("create_delegation_token")
def create_delegation_token(side):
    if side.version < 3:
        return [{"renewers": [{"principal_type": "Group", "principal_name": "g"}], "max_lifetime": -1}]
    other = {"owner_principal_type": "User", "owner_principal_name": "carol"}
    return [other | {"renewers": [], "max_lifetime": -1}]


@asks("renew_delegation_token")
def renew_delegation_token(side):
    return [{"hmac": b"nobody's", "renew_period": -1}]


@asks("expire_delegation_token")
def expire_delegation_token(side):
    return [{"hmac": b"nobody's", "expiry_time_period": -1}]


@asks("describe_delegation_token")
def describe_delegation_token(side):
    return [{"owners": None}]


@asks("delete_groups")
def delete_groups(side):
    return [{"groups_names": ["somebody's", ""]}]


@asks("elect_leaders")
def elect_leaders(side):
    partitions = [{"topic": side.topic, "partitions": [0]}]
    return [{"election_type": 0, "topic_partitions": each, "timeout": 10000} for each in (partitions, None)]


@asks("alter_partition_reassignments")
def alter_partition_reassignments(side):
    topic = {"name": side.topic, "partitions": [{"partition_index": 0, "replicas": None}]}
    return [{"timeout": 10000, "topics": [topic]}]


@asks("list_partition_reassignments")
def list_partition_reassignments(side):
    return [{"timeout": 10000, "topics": None}]


@asks("offset_delete")
def offset_delete(side):
    topics = [{"name": name, "partitions": [{"partition_index": 0}]} for name in (side.topic, MISSING)]
    return [{"group_id": "somebody's", "topics": topics}]


@asks("describe_client_quotas")
def describe_client_quotas(side):
    return [{"components": [], "strict": False}]


@asks("alter_client_quotas")
def alter_client_quotas(side):
    entity = [{"entity_type": "user", "entity_name": "mallory"}]
    return [{"entries": [{"entity": entity, "ops": [{"key": "producer_byte_rate", "value": 1.0}]}]}]


@asks("describe_user_scram_credentials")
def describe_user_scram_credentials(side):
    return [{"users": [{"name": "mallory"}]}]


@asks("alter_user_scram_credentials")
def alter_user_scram_credentials(side):
    return [{"deletions": [{"name": "mallory", "mechanism": 1}]}]


@asks("describe_quorum")
def describe_quorum(side):
    return [{"topics": [{"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0}]}]}]


@asks("update_features")
def update_features(side):
    update = {"feature": "group.version", "max_version_level": 1, "upgrade_type": 1}
    return [{"timeout": 10000, "feature_updates": [update], "validate_only": True}]


@asks("describe_cluster")
def describe_cluster(side):
    return [{"include_cluster_authorized_operations": True, "endpoint_type": 1}]


@asks("describe_producers")
def describe_producers(side):
    return [{"topics": [{"name": name, "partition_indexes": [0]} for name in (side.topic, MISSING)]}]


@asks("unregister_broker")
def unregister_broker(side):
    return [{"broker_id": 77}]


@asks("describe_transactions")
def describe_transactions(side):
    return [{"transactional_ids": ["somebody's"]}]


@asks("list_transactions")
def list_transactions(side):
    return [{"duration_filter": -1}]


@asks("consumer_group_heartbeat")
def consumer_group_heartbeat(side):
    def join(**fields):
        member = {"group_id": "somebody's", "member_id": "AAAAAAAAAAAAAAAAAAAAAA", "member_epoch": 0}
        return member | {"rebalance_timeout": 10000, "topic_partitions": []} | fields

    return [join(subscribed_topic_names=[side.topic]), join(subscribed_topic_regex="differential.*")]


@asks("consumer_group_describe")
def consumer_group_describe(side):
    return [{"group_ids": ["somebody's", ""], "include_authorized_operations": True}]


@asks("get_telemetry_subscriptions")
def get_telemetry_subscriptions(side):
    return []  # asks for no right, and gives ids that are random


@asks("push_telemetry")
def push_telemetry(side):
    return [{"client_instance_id": MISSING_ID, "subscription_id": 1}]


@asks("list_config_resources")
def list_config_resources(side):
    return [{"resource_types": []}]


@asks("describe_topic_partitions")
def describe_topic_partitions(side):
    return [
        {"topics": [{"name": name} for name in names], "response_partition_limit": 100}
        for names in ((side.topic, MISSING), ())
    ]


@asks("share_group_heartbeat")
def share_group_heartbeat(side):
    member = {"group_id": "somebody's", "member_id": "AAAAAAAAAAAAAAAAAAAAAA", "member_epoch": 0}
    return [member | {"subscribed_topic_names": [side.topic]}]


@asks("share_group_describe")
def share_group_describe(side):
    return [{"group_ids": ["somebody's", ""], "include_authorized_operations": True}]


@asks("share_fetch")
def share_fetch(side):
    topics = [{"topic_id": topic["topic_id"], "partitions": [{"partition_index": 0}]} for topic in both(side)]
    member = {"group_id": "somebody's", "member_id": "AAAAAAAAAAAAAAAAAAAAAA", "share_session_epoch": 0}
    limits = {"max_wait": 100, "min_bytes": 1, "max_bytes": 1 << 20, "max_records": 10, "batch_size": 10}
    return [member | limits | {"topics": topics}]


@asks("share_acknowledge")
def share_acknowledge(side):
    topics = [{"topic_id": topic["topic_id"], "partitions": [{"partition_index": 0}]} for topic in both(side)]
    member = {"group_id": "somebody's", "member_id": "AAAAAAAAAAAAAAAAAAAAAA", "share_session_epoch": 1}
    return [member | {"topics": topics}]


@asks("add_raft_voter")
def add_raft_voter(side):
    listener = {"name": "CONTROLLER", "host": "localhost", "port": 1}
    return [{"timeout": 1000, "voter_id": 7, "voter_directory_id": MISSING_ID, "listeners": [listener]}]


@asks("remove_raft_voter")
def remove_raft_voter(side):
    return [{"voter_id": 7, "voter_directory_id": MISSING_ID}]


def _share_state(side):
    part = {"partition": 0, "partition_index": 0, "state_epoch": 0, "leader_epoch": 0, "start_offset": 0}
    return [{"group_id": "somebody's", "topics": [{"topic_id": side.topic_id, "partitions": [part]}]}]


for _api in ("initialize", "read", "write", "delete"):
    REQUESTS[f"{_api}_share_group_state"] = _share_state
REQUESTS["read_share_group_state_summary"] = _share_state


@asks("streams_group_heartbeat")
def streams_group_heartbeat(side):
    subtopology = {"subtopology_id": "0", "source_topics": [side.topic], "state_changelog_topics": []}
    member = {"group_id": "somebody's", "member_id": "AAAAAAAAAAAAAAAAAAAAAA", "member_epoch": 0, "process_id": "p"}
    tasks = {"active_tasks": [], "standby_tasks": [], "warmup_tasks": []}
    topology = {"topology": {"epoch": 0, "subtopologies": [subtopology]}}
    return [member | tasks | topology | {"rebalance_timeout": 10000}]


@asks("streams_group_describe")
def streams_group_describe(side):
    return [{"group_ids": ["somebody's", ""], "include_authorized_operations": True}]


@asks("describe_share_group_offsets")
def describe_share_group_offsets(side):
    topics = [{"topic_name": name, "partitions": [0]} for name in (side.topic, MISSING)]
    return [{"groups": [{"group_id": "somebody's", "topics": asked}]} for asked in (topics, None)]


@asks("alter_share_group_offsets")
def alter_share_group_offsets(side):
    part = {"partition_index": 0, "start_offset": 0}
    topics = [{"topic_name": name, "partitions": [part]} for name in (side.topic, MISSING)]
    return [{"group_id": "somebody's", "topics": topics}]


@asks("delete_share_group_offsets")
def delete_share_group_offsets(side):
    return [{"group_id": "somebody's", "topics": [{"topic_name": name} for name in (side.topic, MISSING)]}]


def _cases() -> list[Any]:
    cases = []
    for api, requests in REQUESTS.items():
        key = ApiKey[api.upper()]
        for version in known_versions(api):
            if KAFKA_VERSIONS[key].holds(version):
                cases.append(pytest.param(api, requests, version, id=f"{api}-v{version}"))
    return cases


def test_no_api_is_forgotten():
    assert {ApiKey[api.upper()] for api in REQUESTS} == set(KAFKA_VERSIONS) - UNANSWERED


@pytest.fixture(scope="module")
def with_rights(secured):
    for side in secured:
        side.forget_acls()
        kinds = (TOPIC, GROUP, TRANSACTIONAL_ID, USER)
        rights = [acl("bob", DESCRIBE, kind) for kind in kinds] + [acl("bob", DESCRIBE, CLUSTER, "kafka-cluster")]
        side.allow(*rights)
    return secured


_CHANCE = {
    "log_dir", "usable_bytes", "total_bytes", "partition_size", "log_end_offset", "high_watermark",
    "last_fetch_timestamp", "last_caught_up_timestamp", "next_cursor",
}  # fmt: skip


def without_chance(value: Any, topics: set[str]) -> Any:
    """Return an answer without what is no matter of rights: sizes, offsets, topics and groups of other tests."""
    if isinstance(value, dict):
        return {key: without_chance(part, topics) for key, part in value.items() if key not in _CHANCE}
    if isinstance(value, list):
        return [
            without_chance(part, topics)
            for part in value
            if not isinstance(part, dict)
            or (
                ("partitions" not in part or part.get("name") in {*topics, None})
                and part.get("group_id") in {"somebody's", "", None}
            )
        ]
    return value


LISTS = (
    "topics", "responses", "results", "groups", "resources", "transaction_states", "replica_election_results",
    "results_by_transaction", "coordinators", "topics.partitions", "resources.acls", "dirs", "tokens",
)  # fmt: skip
"""What one or the other side gives in no particular order."""


@pytest.mark.parametrize("user", ["alice", "bob"])
@pytest.mark.parametrize(("api", "requests", "version"), _cases())
def test_rights_are_checked_as_apache_kafka_checks_them(with_rights, api, requests, version, user):
    def ask(side: SecuredSide) -> Iterator[Any]:
        for request in requests(side):
            answer = without_chance(side.call(api, user=user, **request), {side.topic, MISSING, "__cluster_metadata"})
            yield sorted_by(masked(answer), *LISTS)

    ask.__name__ = f"{api}-{user}"
    compare(with_rights, ask, version)

"""Log folders, leaders, reassignments, the quorum, features: the same answers as Apache Kafka's, of one broker."""

from __future__ import annotations

import re

import pytest

from support.differential import MISSING_ID, Scenarios, compare

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()


@SCENARIOS.of("describe_log_dirs")
def describe_log_dirs(side):
    side.create(partitions=2)

    def describe(*topics):
        asked = None if topics == (None,) else [{"topic": name, "partitions": numbers} for name, numbers in topics]
        answer = side.call("describe_log_dirs", topics=asked)
        for result in answer.get("results", ()):
            for field in ("log_dir", "total_bytes", "usable_bytes"):
                if result.get(field, -1) != -1:
                    result[field] = f"<{field}>"
            result["topics"].sort(key=lambda topic: topic["name"])
            for topic in result["topics"]:
                topic["partitions"].sort(key=lambda partition: partition["partition_index"])
        return answer

    yield describe((side.own, [0, 1]))
    yield describe((side.own, [1]))
    yield describe((side.own, [1, 7]))
    yield describe((f"{side.own}-missing", [0]))
    yield describe((side.topic, [0]))
    yield describe()
    every = describe(None)
    for result in every["results"]:
        result["topics"] = [topic for topic in result["topics"] if topic["name"] in (side.own, side.topic)]
    yield every


@SCENARIOS.of("alter_replica_log_dirs")
def alter_replica_log_dirs(side):
    side.create(partitions=2)

    def move(path, *topics):
        asked = [{"name": name, "partitions": numbers} for name, numbers in topics]
        answer = side.call("alter_replica_log_dirs", dirs=[{"path": path, "topics": asked}])
        answer["results"].sort(key=lambda topic: topic["topic_name"])
        for topic in answer["results"]:
            topic["partitions"].sort(key=lambda partition: partition["partition_index"])
        return answer

    yield move("/nowhere/at/all", (side.own, [0, 1]))
    yield move("relative", (side.own, [0]))
    yield move("/nowhere/at/all", (f"{side.own}-missing", [0]), (side.own, [0, 5]))
    yield side.call("alter_replica_log_dirs", dirs=[])
    here = side.call("describe_log_dirs", 4, topics=[])["results"][0]["log_dir"]
    yield move(here, (side.own, [0, 1]))
    yield move(here, (f"{side.own}-missing", [0]), (side.own, [5]))


@SCENARIOS.of("elect_leaders")
def elect_leaders(side):
    side.create(partitions=2)

    def elect(*topics, kind=0, **fields):
        asked = None if topics == (None,) else [{"topic": name, "partitions": numbers} for name, numbers in topics]
        answer = side.call("elect_leaders", topic_partitions=asked, election_type=kind, timeout=5000, **fields)
        if asked is None:
            results = answer["replica_election_results"]
            answer["replica_election_results"] = [each for each in results if each["topic"] in (side.own, side.topic)]
            answer["replica_election_results"].sort(key=lambda each: each["topic"])
        return answer

    for kind in (0, 1):
        yield elect((side.own, [0, 1]), kind=kind)
        yield elect((side.own, [0, 7]), (f"{side.own}-missing", [0, 1]), kind=kind)
        yield elect(kind=kind)
        yield elect(None, kind=kind)
    yield elect((side.own, [0, 0]))
    yield elect((side.own, [0]), kind=9)


@SCENARIOS.of("alter_partition_reassignments")
def alter_partition_reassignments(side):
    side.create(partitions=3)

    def reassign(*partitions, name=side.own, **fields):
        asked = [{"partition_index": number, "replicas": replicas} for number, replicas in partitions]
        topics = [{"name": name, "partitions": asked}]
        return side.call("alter_partition_reassignments", topics=topics, timeout=5000, **fields)

    yield reassign((0, [1]))
    yield reassign((0, None), (1, [1]))
    yield reassign((0, []))
    yield reassign((0, [2]))
    yield reassign((0, [1, 1]))
    yield reassign((0, [1, 2]))
    yield reassign((0, [-1]))
    yield reassign((0, [1, 2]), allow_replication_factor_change=False)
    yield reassign((9, [1]), (-1, [1]))
    yield reassign((9, None))
    yield reassign((0, [1]), name=f"{side.own}-missing")
    yield reassign((0, [1]), name="")
    yield side.call("alter_partition_reassignments", topics=[], timeout=5000)


@SCENARIOS.of("list_partition_reassignments")
def list_partition_reassignments(side):
    side.create(partitions=2)
    yield side.call("list_partition_reassignments", topics=None, timeout=5000)
    yield side.call("list_partition_reassignments", topics=[], timeout=5000)
    for name, numbers in ((side.own, [0, 1]), (side.own, [9]), (f"{side.own}-missing", [0])):
        yield side.call(
            "list_partition_reassignments", topics=[{"name": name, "partition_indexes": numbers}], timeout=5000
        )


@SCENARIOS.of("describe_quorum")
def describe_quorum(side):
    def describe(*topics):
        asked = [
            {"topic_name": name, "partitions": [{"partition_index": number} for number in numbers]}
            for name, numbers in topics
        ]
        return _without_numbers(side.call("describe_quorum", topics=asked))

    yield describe(("__cluster_metadata", [0]))
    yield describe(("__cluster_metadata", [1]))
    yield describe(("__cluster_metadata", [0, 1]))
    yield describe((side.topic, [0]))
    yield describe()
    yield describe(("__cluster_metadata", [0]), (side.topic, [0]))


def _without_numbers(answer):
    """Hide what two quorums cannot have in common, where it is set."""
    for topic in answer["topics"]:
        for partition in topic["partitions"]:
            for field in ("high_watermark", "leader_epoch"):
                if partition[field] > 0:
                    partition[field] = f"<{field}>"
            for replica in (*partition["current_voters"], *partition["observers"]):
                for field in ("log_end_offset", "last_fetch_timestamp", "last_caught_up_timestamp"):
                    if replica.get(field, -1) > 0:
                        replica[field] = f"<{field}>"
                if replica.get("replica_directory_id"):
                    replica["replica_directory_id"] = "<directory>"
    return answer


@SCENARIOS.of("update_features")
def update_features(side):
    def update(*features, **fields):
        updates = [
            {"feature": name, "max_version_level": level, "upgrade_type": kind, "allow_downgrade": kind > 1}
            for name, level, kind in features
        ]
        return side.call("update_features", feature_updates=updates, timeout=5000, **fields)

    # the levels in force: nothing is changed for the tests that follow
    yield update(("transaction.version", 2, 1))
    yield update(("group.version", 1, 1), ("transaction.version", 2, 1))
    yield update(("no.such.feature", 1, 1))
    yield update(("no.such.feature", 0, 2))
    yield update(("transaction.version", 99, 1))
    yield update(("transaction.version", -1, 1))
    yield update(("transaction.version", 1, 1))
    yield update(("metadata.version", 1, 2))
    yield update(("metadata.version", 99, 1))
    yield update(("metadata.version", 0, 2))
    yield update(("metadata.version", 20, 1))
    yield update(("group.version", 0, 1))
    yield update(("group.version", 1, 9))
    yield update(("group.version", 1, 1), ("group.version", 1, 1))
    yield update(("group.version", 1, 1), ("no.such.feature", 3, 1))
    yield update(("kraft.version", 2, 1))
    yield update(("kraft.version", 0, 1))
    yield update(("transaction.version", 1, 2), validate_only=True) if side.version >= 1 else update()
    yield update(("transaction.version", 1, 3), validate_only=True) if side.version >= 1 else update()
    yield update(("group.version", 0, 2), validate_only=True) if side.version >= 1 else update()
    yield update(("metadata.version", 20, 2), validate_only=True) if side.version >= 1 else update()
    yield update(("metadata.version", 20, 3), validate_only=True) if side.version >= 1 else update()
    yield update()
    yield update(("", 1, 1))


@SCENARIOS.of("unregister_broker")
def unregister_broker(side):
    for broker_id in (77, -1):
        yield side.call("unregister_broker", broker_id=broker_id)


@SCENARIOS.of("add_raft_voter")
def add_raft_voter(side):
    listeners = [{"name": "CONTROLLER", "host": "localhost", "port": 1}]
    fields = {"timeout": 1000, "voter_directory_id": MISSING_ID, "listeners": listeners, "ack_when_committed": True}
    yield side.call("add_raft_voter", cluster_id=None, voter_id=5, **fields)
    yield _without_cluster_id(side.call("add_raft_voter", cluster_id="another", voter_id=5, **fields))
    yield side.call("add_raft_voter", cluster_id=None, voter_id=-5, **fields)


@SCENARIOS.of("remove_raft_voter")
def remove_raft_voter(side):
    for cluster_id, voter in ((None, 5), ("another", 5), (None, 1), (None, -1)):
        yield _without_cluster_id(
            side.call("remove_raft_voter", cluster_id=cluster_id, voter_id=voter, voter_directory_id=MISSING_ID)
        )


def _without_cluster_id(answer):
    answer["error_message"] = re.sub(r'cluster id ".*"', 'cluster id "<own>"', answer["error_message"])
    return answer


@SCENARIOS.of("describe_cluster")
def describe_cluster(side):
    for kind in (1, 2, 9):
        yield side.call(
            "describe_cluster",
            endpoint_type=kind,
            include_cluster_authorized_operations=True,
            include_fenced_brokers=True,
        )


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    compare(sides, run, version)

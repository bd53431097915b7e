"""Topics and configs: the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

import pytest

from support.differential import MISSING_ID, Scenarios, compare

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()


@SCENARIOS.of("create_topics")
def create_topics(side):
    def create(name=side.own, partitions=1, factor=1, configs=(), assignments=(), **request):
        topic = {
            "name": name,
            "num_partitions": partitions,
            "replication_factor": factor,
            "assignments": assignments,
            "configs": [{"name": key, "value": value} for key, value in configs],
        }
        return side.call("create_topics", topics=[topic], timeout=10000, **request)

    yield create(validate_only=True)
    yield create(configs=[("segment.bytes", "2097152"), ("cleanup.policy", "compact")])
    yield create()
    yield create("")
    yield create("not a name!")
    yield create("..")
    yield create("x" * 250)
    yield create(f"{side.own}-zero", partitions=0)
    yield create(f"{side.own}-factor", factor=3)
    yield create(f"{side.own}-defaults", partitions=-1, factor=-1)
    yield create(f"{side.own}-unknown", configs=[("retention.msec", "1")])
    yield create(f"{side.own}-bad", configs=[("retention.ms", "soon")])
    yield create(f"{side.own}-low", configs=[("segment.bytes", "1")])
    yield create(f"{side.own}-null", configs=[("retention.ms", None)])
    yield create(f"{side.own}-assigned", -1, -1, assignments=[{"partition_index": 0, "broker_ids": [1]}])
    yield create(f"{side.own}-assigned2", -1, -1, assignments=[{"partition_index": 1, "broker_ids": [1]}])
    yield create(f"{side.own}-assigned3", 1, 1, assignments=[{"partition_index": 0, "broker_ids": [1]}])
    yield create(f"{side.own}-assigned4", -1, -1, assignments=[{"partition_index": 0, "broker_ids": [9]}])
    same = {"name": f"{side.own}-twice", "num_partitions": 1, "replication_factor": 1}
    yield side.call("create_topics", topics=[same, same], timeout=10000)
    side.settle()
    yield side.call("metadata", 12, topics=[{"name": side.own}], allow_auto_topic_creation=False)


@SCENARIOS.of("delete_topics")
def delete_topics(side):
    topic_id = side.create()
    if side.version >= 6:
        yield side.call("delete_topics", topics=[{"name": None, "topic_id": MISSING_ID}], timeout=10000)
        yield side.call("delete_topics", topics=[{"name": side.own, "topic_id": topic_id}], timeout=10000)
        yield side.call("delete_topics", topics=[{"name": None, "topic_id": topic_id}], timeout=10000)
    names = {"topics": [{"name": side.own}]} if side.version >= 6 else {"topic_names": [side.own]}
    yield side.call("delete_topics", **names, timeout=10000)
    yield side.call("delete_topics", **names, timeout=10000)


@SCENARIOS.of("create_partitions")
def create_partitions(side):
    side.create(partitions=2)

    def grow(count, name=side.own, assignments=None, **request):
        return side.call(
            "create_partitions",
            topics=[{"name": name, "count": count, "assignments": assignments}],
            timeout=10000,
            **request,
        )

    yield grow(3, validate_only=True)
    yield grow(1)
    yield grow(2)
    yield grow(0)
    yield grow(4)
    yield grow(5, assignments=[{"broker_ids": [1]}])
    yield grow(7, assignments=[{"broker_ids": [1]}])
    yield grow(6, assignments=[{"broker_ids": [9]}])
    yield grow(3, name=f"{side.own}-missing")
    side.settle()
    yield side.call("metadata", 12, topics=[{"name": side.own}], allow_auto_topic_creation=False)


@SCENARIOS.of("describe_configs")
def describe_topic_configs(side):
    side.create(retention_ms="5000")

    def describe(name=side.own, keys=None, kind=2, **options):
        resource = {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
        return _sorted_configs(side.call("describe_configs", resources=[resource], **options))

    yield describe()
    yield describe(include_synonyms=True)
    yield describe(include_documentation=True)
    yield describe(keys=["retention.ms", "nothing"])
    yield describe(name=f"{side.own}-missing")
    yield describe(name="")
    yield describe(name="not a name!")
    yield describe(name="9", kind=4)
    yield describe(name="x", kind=4)
    yield describe(name="x", kind=77)


@SCENARIOS.of("describe_configs", 1, 4)
def describe_broker_configs(side):
    """The definitions of a broker's configs, and the values of those that both sides were given or left alone."""
    keys = [
        "log.retention.ms",
        "log.retention.hours",
        "num.partitions",
        "message.max.bytes",
        "offsets.topic.num.partitions",
        "group.initial.rebalance.delay.ms",
        "log.segment.bytes",
        "auto.create.topics.enable",
        "node.id",
        "compression.type",
        "log.cleanup.policy",
        "min.insync.replicas",
        "log.flush.interval.messages",
        "socket.request.max.bytes",
    ]
    resource = {"resource_type": 4, "resource_name": "1", "configuration_keys": keys}
    yield _sorted_configs(
        side.call("describe_configs", resources=[resource], include_synonyms=True, include_documentation=True)
    )


def _sorted_configs(answer):
    for result in answer["results"]:
        result["configs"].sort(key=lambda config: config["name"])
    return answer


@SCENARIOS.of("incremental_alter_configs")
def incremental_alter_configs(side):
    side.create()

    def alter(*changes, name=side.own, kind=2, **options):
        configs = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in changes]
        resource = {"resource_type": kind, "resource_name": name, "configs": configs}
        return side.call("incremental_alter_configs", resources=[resource], **options)

    yield alter(("retention.ms", 0, "7000"), validate_only=True)
    yield alter(("retention.ms", 0, "8000"), ("segment.bytes", 0, "3145728"))
    yield alter(("cleanup.policy", 2, "compact"))
    yield alter(("cleanup.policy", 3, "delete"))
    yield alter(("segment.bytes", 1, None))
    yield alter(("segment.bytes", 1, None))
    yield alter(("retention.ms", 2, "1"))
    yield alter(("retention.ms", 0, "soon"))
    yield alter(("retention.ms", 0, None))
    yield alter(("retention.msec", 0, "1"))
    # not compared: operation 9, an UNKNOWN_SERVER_ERROR there and INVALID_REQUEST here
    yield alter(("retention.ms", 0, "1"), ("retention.ms", 0, "2"))
    yield alter(("retention.ms", 0, "1"), name=f"{side.own}-missing")
    yield alter(("retention.ms", 0, "1"), name="")
    yield alter(("retention.ms", 0, "1"), kind=77)
    side.settle()
    resource = {
        "resource_type": 2,
        "resource_name": side.own,
        "configuration_keys": ["retention.ms", "segment.bytes", "cleanup.policy"],
    }
    yield _sorted_configs(side.call("describe_configs", 4, resources=[resource], include_synonyms=True))


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    compare(sides, run, version)

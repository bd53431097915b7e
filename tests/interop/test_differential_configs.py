"""Configs of every kind of resource: the same answers as Apache Kafka's. Topics: also `test_differential_admin`."""

from __future__ import annotations

import pytest

from support.differential import Scenarios, compare

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
LOGGER = "kafka.request.logger"


def describe(side, kind, name, keys=None, version=4, **options):
    """Ask for the configs of one resource."""
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
    answer = side.call("describe_configs", version, resources=[resource], **options)
    for result in answer["results"]:
        result["configs"].sort(key=lambda config: config["name"])
    return answer


def alter(side, kind, name, *changes, **options):
    """Change configs of one resource, each given as (name, operation, value)."""
    configs = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in changes]
    resource = {"resource_type": kind, "resource_name": name, "configs": configs}
    return side.call("incremental_alter_configs", resources=[resource], **options)


@SCENARIOS.of("alter_configs")
def alter_configs(side):
    side.create(retention_ms="5000", cleanup_policy="compact")

    def replace(name=side.own, kind=TOPIC, **given):
        options = {key: given.pop(key) for key in ("validate_only",) if key in given}
        configs = [{"name": key.replace("_", "."), "value": value} for key, value in given.items()]
        resource = {"resource_type": kind, "resource_name": name, "configs": configs}
        return side.call("alter_configs", resources=[resource], **options)

    yield replace(segment_bytes="2097152", validate_only=True)
    yield replace(segment_bytes="2097152")
    side.settle()
    yield describe(side, TOPIC, side.own, ["retention.ms", "segment.bytes", "cleanup.policy"])
    yield replace(segment_bytes="soon")
    yield replace(segment_bytes=None)
    yield replace(no_such="1")
    yield replace(name=f"{side.own}-missing", segment_bytes="2097152")
    yield replace(name="")
    yield replace(name="", segment_bytes="2097152")
    yield replace(kind=77, segment_bytes="2097152")
    yield replace(kind=BROKER_LOGGER, name="1")
    yield replace(kind=BROKER_LOGGER, name="1", kafka="INFO")
    yield replace(kind=BROKER, name="9", log_retention_ms="1")
    yield replace(kind=BROKER, name="x", log_retention_ms="1")
    yield replace(kind=BROKER, name="1", node_id="4")
    yield replace(kind=BROKER, name="1", num_partitions="4")
    yield replace(kind=BROKER, name="", listeners="A://:1")
    yield replace(kind=BROKER, name="1", log_retention_ms="soon")
    yield replace(kind=GROUP, name=side.own, consumer_session_timeout_ms="50000")
    yield replace(kind=GROUP, name=side.own, consumer_session_timeout_ms="1")
    yield replace(kind=GROUP, name="", consumer_session_timeout_ms="50000")
    yield replace(kind=GROUP, name=side.own, consumer_nothing="1")
    yield replace(kind=CLIENT_METRICS, name=side.own, metrics="org.apache.kafka.", interval_ms="2000")
    yield replace(kind=CLIENT_METRICS, name=side.own, interval_ms="1")
    yield replace(kind=CLIENT_METRICS, name="", interval_ms="1000")
    # not compared: one resource twice, which Apache Kafka never answers
    twice = [{"name": "retention.ms", "value": "1"}, {"name": "retention.ms", "value": "2"}]
    yield side.call("alter_configs", resources=[{"resource_type": TOPIC, "resource_name": side.own, "configs": twice}])
    side.settle()
    yield describe(side, GROUP, side.own, ["consumer.session.timeout.ms"])
    yield describe(side, CLIENT_METRICS, side.own)
    replace(kind=CLIENT_METRICS, name=side.own)
    replace(kind=GROUP, name=side.own)
    side.settle()
    yield describe(side, CLIENT_METRICS, side.own)
    yield describe(side, GROUP, side.own, ["consumer.session.timeout.ms"])


@SCENARIOS.of("describe_configs")
def describe_groups(side):
    for options in ({}, {"include_synonyms": True}, {"include_documentation": True}):
        yield describe(side, GROUP, side.own, version=side.version, **options)
    yield describe(side, GROUP, "", version=side.version)
    yield describe(side, GROUP, side.own, ["consumer.session.timeout.ms", "nothing"], version=side.version)


@SCENARIOS.of("describe_configs")
def describe_client_metrics(side):
    for options in ({}, {"include_synonyms": True}, {"include_documentation": True}):
        yield describe(side, CLIENT_METRICS, side.own, version=side.version, **options)
    yield describe(side, CLIENT_METRICS, "", version=side.version)


@SCENARIOS.of("describe_configs")
def describe_broker_loggers(side):
    # what a deleted level goes back to is that of the root logger, which is not the same on both sides
    level = {"name": LOGGER, "config_operation": SET, "value": "WARN"}
    resource = {"resource_type": BROKER_LOGGER, "resource_name": "1", "configs": [level]}
    yield side.call("incremental_alter_configs", 1, resources=[resource])
    yield describe(side, BROKER_LOGGER, "1", [LOGGER], version=side.version)
    yield describe(side, BROKER_LOGGER, "1", [LOGGER], version=side.version, include_synonyms=True)
    yield describe(side, BROKER_LOGGER, "1", ["no.such.logger"], version=side.version)
    for name in ("", "9", "x"):
        yield describe(side, BROKER_LOGGER, name, [LOGGER], version=side.version)


@SCENARIOS.of("describe_configs")
def describe_several(side):
    def asked(*resources):
        return side.call(
            "describe_configs",
            resources=[
                {"resource_type": kind, "resource_name": name, "configuration_keys": ["retention.ms", "num.partitions"]}
                for kind, name in resources
            ],
        )

    yield asked((TOPIC, side.topic), (TOPIC, f"{side.own}-missing"), (BROKER, "1"))
    yield asked((TOPIC, side.topic), (77, "x"))
    yield asked((BROKER, ""), (1, ""), (0, ""))
    yield asked()


@SCENARIOS.of("incremental_alter_configs")
def alter_groups(side):
    group = side.own
    yield alter(side, GROUP, group, ("consumer.session.timeout.ms", SET, "50000"), validate_only=True)
    yield alter(side, GROUP, group, ("consumer.session.timeout.ms", SET, "50000"))
    yield alter(side, GROUP, group, ("share.auto.offset.reset", SET, "earliest"))
    yield alter(side, GROUP, group, ("share.auto.offset.reset", SET, "sometimes"))
    yield alter(side, GROUP, group, ("share.auto.offset.reset", SET, "by_duration:PT1H"))
    yield alter(side, GROUP, group, ("share.auto.offset.reset", SET, "by_duration:-PT1H"))
    yield alter(side, GROUP, group, ("share.auto.offset.reset", SET, "by_duration:xyz"))
    yield alter(side, GROUP, group, ("share.isolation.level", SET, "read_committed"))
    yield alter(side, GROUP, group, ("share.isolation.level", SET, "other"))
    yield alter(side, GROUP, group, ("consumer.session.timeout.ms", SET, "soon"))
    yield alter(side, GROUP, group, ("consumer.session.timeout.ms", SET, "-5"))
    yield alter(side, GROUP, group, ("consumer.session.timeout.ms", APPEND, "1"))
    yield alter(side, GROUP, group, ("consumer.nothing", SET, "1"))
    yield alter(side, GROUP, group, ("consumer.session.timeout.ms", SET, None))
    yield alter(side, GROUP, "", ("consumer.session.timeout.ms", SET, "50000"))
    for name, low, high in (
        ("consumer.session.timeout.ms", "44999", "60001"),
        ("consumer.heartbeat.interval.ms", "4999", "15001"),
        ("consumer.assignment.interval.ms", "-1", "15001"),
        ("share.session.timeout.ms", "44999", "60001"),
        ("share.heartbeat.interval.ms", "4999", "15001"),
        ("share.record.lock.duration.ms", "14999", "60001"),
        ("share.delivery.count.limit", "1", "11"),
        ("share.partition.max.record.locks", "99", "4001"),
        ("share.assignment.interval.ms", "-1", "15001"),
        ("streams.session.timeout.ms", "44999", "60001"),
        ("streams.heartbeat.interval.ms", "4999", "15001"),
        ("streams.num.standby.replicas", "-1", "3"),
        ("streams.assignment.interval.ms", "-1", "15001"),
        ("streams.initial.rebalance.delay.ms", "-1", "x"),
    ):
        yield alter(side, GROUP, group, (name, SET, low))
        yield alter(side, GROUP, group, (name, SET, high))
    side.settle()
    yield describe(side, GROUP, group, include_synonyms=True)
    yield alter(side, GROUP, group, ("consumer.session.timeout.ms", DELETE, None))
    side.settle()
    yield describe(side, GROUP, group, include_synonyms=True)
    for name in ("share.auto.offset.reset", "share.isolation.level"):
        alter(side, GROUP, group, (name, DELETE, None))


@SCENARIOS.of("incremental_alter_configs")
def alter_client_metrics(side):
    name = side.own
    yield alter(side, CLIENT_METRICS, name, ("metrics", SET, "org.apache.kafka.a,org.apache.kafka.b"))
    yield alter(side, CLIENT_METRICS, name, ("metrics", APPEND, "org.apache.kafka.c"))
    yield alter(side, CLIENT_METRICS, name, ("metrics", SUBTRACT, "org.apache.kafka.a"))
    yield alter(side, CLIENT_METRICS, name, ("interval.ms", SET, "1000"))
    yield alter(side, CLIENT_METRICS, name, ("interval.ms", SET, "99"))
    yield alter(side, CLIENT_METRICS, name, ("interval.ms", SET, "3600001"))
    yield alter(side, CLIENT_METRICS, name, ("interval.ms", SET, "soon"))
    yield alter(side, CLIENT_METRICS, name, ("match", SET, "client_id=abc.*,client_software_name=x"))
    yield alter(side, CLIENT_METRICS, name, ("match", SET, "client_id"))
    yield alter(side, CLIENT_METRICS, name, ("match", SET, "client_id=a=b"))
    yield alter(side, CLIENT_METRICS, name, ("match", SET, "nothing=1"))
    yield alter(side, CLIENT_METRICS, name, ("match", SET, "client_id=(("))
    yield alter(side, CLIENT_METRICS, name, ("match", SET, ""))
    yield alter(side, CLIENT_METRICS, name, ("other", SET, "1"))
    yield alter(side, CLIENT_METRICS, "", ("interval.ms", SET, "1000"))
    side.settle()
    yield describe(side, CLIENT_METRICS, name, include_synonyms=True)
    for key in ("metrics", "interval.ms", "match"):
        yield alter(side, CLIENT_METRICS, name, (key, DELETE, None))
    side.settle()
    yield describe(side, CLIENT_METRICS, name)


@SCENARIOS.of("incremental_alter_configs")
def alter_broker_loggers(side):
    yield alter(side, BROKER_LOGGER, "1", (LOGGER, SET, "DEBUG"), validate_only=True)
    yield alter(side, BROKER_LOGGER, "1", (LOGGER, SET, "INFO"))
    yield describe(side, BROKER_LOGGER, "1", [LOGGER])
    for level in ("info", "LOUD", "", "OFF", "FATAL"):
        yield alter(side, BROKER_LOGGER, "1", (LOGGER, SET, level))
    yield alter(side, BROKER_LOGGER, "1", ("no.such.logger", SET, "INFO"))
    yield alter(side, BROKER_LOGGER, "1", ("no.such.logger", DELETE, None))
    yield alter(side, BROKER_LOGGER, "1", ("root", DELETE, None))
    for operation in (APPEND, SUBTRACT):
        yield alter(side, BROKER_LOGGER, "1", (LOGGER, operation, "INFO"))
    for name in ("", "9", "x"):
        yield alter(side, BROKER_LOGGER, name, (LOGGER, SET, "INFO"))
    yield alter(side, BROKER_LOGGER, "1", (LOGGER, DELETE, None))


@SCENARIOS.of("list_config_resources")
def list_config_resources(side):
    own = {"name": "interval.ms", "config_operation": SET, "value": "1000"}
    metrics = {"resource_type": CLIENT_METRICS, "resource_name": side.own, "configs": [own]}
    own = {"name": "consumer.session.timeout.ms", "config_operation": SET, "value": "50000"}
    group = {"resource_type": GROUP, "resource_name": side.own, "configs": [own]}
    side.call("incremental_alter_configs", 1, resources=[metrics, group])
    side.create()

    def listed(*kinds):
        answer = side.call("list_config_resources", resource_types=kinds)
        mine = [each for each in answer["config_resources"] if each["resource_name"] in (side.own, "1")]
        answer["config_resources"] = sorted(
            mine, key=lambda each: (each.get("resource_type", 0), each["resource_name"])
        )
        return answer

    yield listed()
    for kinds in ((TOPIC,), (BROKER,), (BROKER_LOGGER,), (CLIENT_METRICS,), (GROUP,), (TOPIC, GROUP), (1,), (77,)):
        yield listed(*kinds)
    for resource in (metrics, group):
        resource["configs"][0] |= {"config_operation": DELETE, "value": None}
    side.call("incremental_alter_configs", 1, resources=[metrics, group])
    side.settle()
    yield listed()


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    compare(sides, run, version)

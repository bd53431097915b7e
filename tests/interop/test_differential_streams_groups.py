"""Streams groups of KIP-1071: the same heartbeats, the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

import pytest

from support.differential import TOPIC, Scenarios, compare
from support.waiting import eventually

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()
GROUP_RESOURCE = 32


def at_once(side):
    """Let a group assign at every change: so a dialogue needs no clock."""
    config = {"name": "streams.assignment.interval.ms", "config_operation": 0, "value": "0"}
    delay = {"name": "streams.initial.rebalance.delay.ms", "config_operation": 0, "value": "0"}
    resource = {"resource_type": GROUP_RESOURCE, "resource_name": side.own, "configs": [config, delay]}
    answer = side.call("incremental_alter_configs", 1, resources=[resource], validate_only=False)
    assert answer["responses"][0]["error_code"] == "none", answer
    side.settle()


def part(name="0", sources=(TOPIC,), **fields):
    """Return a subtopology."""
    lists = ("source_topic_regex", "copartition_groups", "state_changelog_topics", "repartition_sink_topics")
    nothing = dict.fromkeys((*lists, "repartition_source_topics"), ())
    return {"subtopology_id": name, "source_topics": list(sources)} | nothing | fields


def internal(name, partitions=0, **configs):
    settings = [{"key": key.replace("_", "."), "value": value} for key, value in configs.items()]
    return {"name": name, "partitions": partitions, "replication_factor": 0, "topic_configs": settings}


def beat(side, member, epoch, *parts, group=None, topology_epoch=0, tasks=None, **fields):
    """Send a heartbeat; the first one of a member tells a topology that reads the topic both have."""
    values = {"group_id": side.own if group is None else group, "member_id": member, "member_epoch": epoch,
              "endpoint_information_epoch": -1, "rebalance_timeout": -1, "shutdown_application": False,
              "active_tasks": tasks, "standby_tasks": None if tasks is None else [],
              "warmup_tasks": None if tasks is None else []}  # fmt: skip
    if epoch == 0:
        values |= {"rebalance_timeout": 30000, "process_id": f"process of {member}", "client_tags": [],
                   "active_tasks": [], "standby_tasks": [], "warmup_tasks": [],
                   "topology": {"epoch": topology_epoch, "subtopologies": list(parts) or [part()]}}  # fmt: skip
    return side.call("streams_group_heartbeat", 0, **(values | fields))


def described(side, *groups):
    answer = side.call("streams_group_describe", 0, group_ids=list(groups) or [side.own])
    for group in answer["groups"]:
        group["members"].sort(key=lambda member: member["member_id"])
        for member in group["members"]:
            member["client_host"] = ""
    return answer


def active(*partitions, name="0"):
    return [{"subtopology_id": name, "partitions": list(partitions)}]


@SCENARIOS.of("streams_group_heartbeat")
def what_cannot_be_asked(side):
    yield beat(side, "a", 0, group="")
    yield beat(side, "", 0)
    yield beat(side, "a", 0, instance_id="")
    yield beat(side, "a", 0, rack_id="")
    yield beat(side, "a", 0, rebalance_timeout=-1)
    yield beat(side, "a", 0, active_tasks=None)
    yield beat(side, "a", 0, standby_tasks=active(0))
    yield beat(side, "a", 0, topology=None)
    yield beat(side, "a", 0, part(state_changelog_topics=[internal("log", 3)]))
    yield beat(side, "a", 0, part(sources=["__consumer_offsets"]))
    yield beat(side, "a", 1, active_tasks=[])
    yield beat(side, "a", -2)
    yield beat(side, "a", -3)
    yield beat(side, "a", 1)
    yield beat(side, "a", -1)
    yield described(side)
    yield described(side, "")


@SCENARIOS.of("streams_group_heartbeat", also=["streams_group_describe"])
def one_member_from_joining_to_leaving(side):
    at_once(side)
    yield beat(side, "a", 0)
    yield described(side)
    yield beat(side, "a", 2)
    yield beat(side, "a", 2, tasks=active(0, 1))
    yield beat(side, "a", 2, tasks=active(7))
    yield beat(side, "a", 2, tasks=active(0, name="9"))
    yield beat(side, "a", 7)
    yield beat(side, "b", 2)
    yield beat(side, "a", 2, user_endpoint={"host": "here", "port": 99}, process_id="other")
    yield beat(side, "a", 3, tasks=active(0, 1))
    yield described(side)
    yield beat(side, "a", 3, shutdown_application=True)
    yield beat(side, "a", 3)
    yield beat(side, "a", -1)
    yield described(side)
    yield beat(side, "a", -1)
    listed = side.call("list_groups", 5, types_filter=["streams"], states_filter=[])["groups"]
    yield [group for group in listed if group["group_id"] == side.own]
    yield side.call("delete_groups", 2, groups_names=[side.own])


@SCENARIOS.of("streams_group_heartbeat")
def two_members_give_and_take(side):
    at_once(side)
    yield beat(side, "a", 0)
    yield beat(side, "b", 0)
    first = beat(side, "a", 2, tasks=active(0, 1))
    yield first["member_epoch"]
    (mine,) = first["active_tasks"][0]["partitions"]
    yield beat(side, "b", 3)["member_epoch"]
    yield beat(side, "a", 2)
    yield beat(side, "a", 2, tasks=active(mine))["member_epoch"]
    other = beat(side, "b", 3)
    yield sorted([mine, *other["active_tasks"][0]["partitions"]])
    yield [member["member_epoch"] for member in described(side)["groups"][0]["members"]]
    yield beat(side, "a", -1)
    yield beat(side, "b", 3)["member_epoch"]
    yield described(side)


@SCENARIOS.of("streams_group_heartbeat")
def topics_that_are_missing(side):
    at_once(side)
    source, log, again = f"{side.own}-in", f"{side.own}-store-changelog", f"{side.own}-by-repartition"
    parts = (
        part("0", [source], repartition_sink_topics=[again]),
        part("1", [], repartition_source_topics=[internal(again)],
             state_changelog_topics=[internal(log, cleanup_policy="compact")]),
    )  # fmt: skip
    yield beat(side, "a", 0, *parts)
    yield described(side)
    side.own, own = source, side.own
    side.create(3)
    side.own = own
    answers = []

    def there(epoch, wanted):
        answers.append(beat(side, "a", epoch))
        return answers[-1]["member_epoch"] == wanted

    eventually(lambda: there(2, 3))
    (status,) = answers[-1]["status"]
    head, _, names = status["status_detail"].partition(": ")
    status["status_detail"] = (head, sorted(names.split(", ")))  # Apache Kafka's order is that of a hash map
    yield answers[-1]
    eventually(lambda: there(3, 4))
    yield answers[-1]
    eventually(lambda: beat(side, "a", 4)["status"] == [])
    yield described(side)
    found = side.call("metadata", 12, topics=[{"name": log}, {"name": again}])["topics"]
    yield [len(topic["partitions"]) for topic in found]


@SCENARIOS.of("streams_group_heartbeat")
def topics_that_do_not_fit(side):
    at_once(side)
    side.create(3)
    together = {"source_topics": [0, 1], "source_topic_regex": [], "repartition_source_topics": []}
    yield beat(side, "a", 0, part(sources=[TOPIC, side.own], copartition_groups=[together]))
    yield described(side)


@SCENARIOS.of("streams_group_heartbeat")
def topologies_of_other_versions(side):
    at_once(side)
    yield beat(side, "a", 0, topology_epoch=1)
    yield beat(side, "b", 0, topology_epoch=0)
    yield beat(side, "c", 0, part("9"), topology_epoch=1)
    yield beat(side, "d", 0, topology_epoch=2)


@SCENARIOS.of("streams_group_heartbeat")
def groups_of_other_kinds(side):
    side.call("consumer_group_heartbeat", 1, group_id=side.own, member_id="c", member_epoch=0, rebalance_timeout=9000,
              subscribed_topic_names=[TOPIC], topic_partitions=[])  # fmt: skip
    yield beat(side, "a", 0)
    yield described(side)


@SCENARIOS.of("streams_group_heartbeat")
def the_first_assignment_is_delayed(side):
    yield beat(side, "a", 0)
    yield beat(side, "b", 0)
    yield beat(side, "a", 1)
    yield described(side)


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_same_answers(sides, run, version):
    compare(sides, run, version)

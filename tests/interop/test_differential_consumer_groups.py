"""Consumer groups of KIP-848: the same heartbeats, the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

import struct

import pytest

from support.differential import MISSING_ID, TOPIC, Scenarios, compare
from support.waiting import eventually

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()
GROUP_RESOURCE = 32
SUBSCRIPTION = struct.pack(">hih12sii", 1, 1, 12, TOPIC.encode(), -1, 0)
"""ConsumerProtocolSubscription v1 of the topic both have, owning nothing."""


def at_once(side, group=None):
    """Let a group assign at every change, not once a second: so a dialogue needs no clock."""
    config = {"name": "consumer.assignment.interval.ms", "config_operation": 0, "value": "0"}
    resource = {"resource_type": GROUP_RESOURCE, "resource_name": group or side.own, "configs": [config]}
    answer = side.call("incremental_alter_configs", 1, resources=[resource], validate_only=False)
    assert answer["responses"][0]["error_code"] == "none"
    side.settle()


def beat(side, member, epoch, version=None, *, group=None, topics=None, **fields):
    """Send a heartbeat; the first one of a member subscribes to the topic both have unless told otherwise."""
    if epoch == 0:
        joining = {"rebalance_timeout": 30000, "subscribed_topic_names": [TOPIC] if topics is None else topics,
                   "topic_partitions": []}  # fmt: skip
        fields = joining | fields
    elif topics is not None:
        fields["subscribed_topic_names"] = topics
    values = {"rebalance_timeout": -1, "group_id": side.own if group is None else group}
    values |= {"member_id": member, "member_epoch": epoch} | fields
    return side.call("consumer_group_heartbeat", version or side.version, **values)


def owned(side, *partitions):
    return [{"topic_id": side.topic_id, "partitions": list(partitions)}] if partitions else []


def described(side, *groups):
    answer = side.call("consumer_group_describe", group_ids=list(groups) or [side.own])
    for group in answer["groups"]:
        group["members"].sort(key=lambda member: member["member_id"])
        for member in group["members"]:
            member["client_host"] = ""
    return answer


def reaches(side, epoch, later, **fields):
    """Send heartbeats of the one member until it is in a later epoch; return the answer that says so."""
    answers = []

    def there():
        answers.append(beat(side, "a", epoch, **fields))
        return answers[-1]["member_epoch"] == later

    eventually(there)
    return answers[-1]


@SCENARIOS.of("consumer_group_heartbeat")
def what_cannot_be_asked(side):
    yield beat(side, "a", 0, group="")
    yield beat(side, "", 1)
    yield beat(side, "", -1)
    yield beat(side, "a", 0, rebalance_timeout=-1)
    yield beat(side, "a", 0, topic_partitions=None)
    yield beat(side, "a", 0, topic_partitions=owned(side, 0))
    yield beat(side, "a", 0, subscribed_topic_names=None)
    yield beat(side, "a", 0, instance_id="")
    yield beat(side, "a", 0, rack_id="")
    yield beat(side, "a", 0, server_assignor="sticky")
    yield beat(side, "a", -2)
    yield beat(side, "a", -3)
    yield beat(side, "a", 1)
    yield beat(side, "a", -1)
    yield described(side)
    yield described(side, "")


@SCENARIOS.of("consumer_group_heartbeat", also=["consumer_group_describe"])
def one_member_from_joining_to_leaving(side):
    at_once(side)
    yield beat(side, "a", 0)
    yield beat(side, "a", 2)
    yield beat(side, "a", 2, topic_partitions=owned(side, 0, 1))
    yield beat(side, "a", 2, rebalance_timeout=30000, topics=[TOPIC], topic_partitions=owned(side, 0, 1))
    yield described(side)
    yield beat(side, "a", 3)
    yield beat(side, "a", 7)
    yield beat(side, "b", 1)
    yield beat(side, "a", 2, instance_id="i")
    yield beat(side, "a", 0)
    yield beat(side, "a", 2, topics=[])
    yield beat(side, "a", 2, topic_partitions=[])
    yield described(side)
    yield beat(side, "a", 3, topics=["missing", TOPIC])
    yield beat(side, "a", -1)
    yield described(side)
    yield beat(side, "a", -1)
    yield beat(side, "a", 5)
    yield beat(side, "a", 0)


@SCENARIOS.of("consumer_group_heartbeat", 1)
def two_members_give_and_take(side):
    at_once(side)
    yield beat(side, "a", 0)
    yield beat(side, "b", 0)
    yield described(side)
    first = beat(side, "a", 2, topic_partitions=owned(side, 0, 1))
    yield {key: first[key] for key in ("error_code", "member_epoch")}
    (kept,) = first["assignment"]["topic_partitions"]
    (mine,) = kept["partitions"]
    yield beat(side, "b", 3)["member_epoch"]
    yield beat(side, "a", 2)["assignment"]
    yield beat(side, "a", 2, topic_partitions=owned(side, mine))
    other = beat(side, "b", 3)
    yield other["member_epoch"]
    yield sorted([mine, *other["assignment"]["topic_partitions"][0]["partitions"]])
    states = described(side)["groups"][0]
    yield {key: states[key] for key in ("group_state", "group_epoch", "assignment_epoch", "assignor_name")}
    yield [member["member_epoch"] for member in states["members"]]
    yield beat(side, "b", 2)
    yield beat(side, "a", -1)
    yield beat(side, "b", 3)["member_epoch"]
    yield described(side)


@SCENARIOS.of("consumer_group_heartbeat", 1)
def assignors_are_voted_for(side):
    at_once(side)
    yield beat(side, "a", 0, server_assignor="range")
    yield described(side)
    yield beat(side, "a", 2, server_assignor="uniform")
    yield described(side)


@SCENARIOS.of("consumer_group_heartbeat", 1)
def static_members(side):
    at_once(side)
    yield beat(side, "a", 0, instance_id="i")
    yield beat(side, "b", 0, instance_id="i")
    yield beat(side, "b", 2, instance_id="i")
    yield beat(side, "a", 2, instance_id="j")
    yield beat(side, "b", -2, instance_id="i")
    yield beat(side, "a", -2, instance_id="i")
    yield described(side)
    yield beat(side, "a", 2, instance_id="i")
    yield beat(side, "b", 0, instance_id="i")
    yield described(side)
    yield beat(side, "a", 2, instance_id="i")
    yield beat(side, "b", -1, instance_id="i")
    yield described(side)


@SCENARIOS.of("consumer_group_heartbeat", 1)
def regular_expressions(side):
    at_once(side)
    for wrong in ("[", "a(", "*a", "a**", "(?P<n", "\\"):
        yield beat(side, "a", 0, subscribed_topic_names=None, subscribed_topic_regex=wrong)
    yield beat(side, "a", 0, subscribed_topic_names=None, subscribed_topic_regex="differenti[a]l")
    yield reaches(side, 1, 2)
    yield described(side)
    yield beat(side, "a", 2, subscribed_topic_regex="")
    yield beat(side, "a", 2, topic_partitions=[])
    yield described(side)


@SCENARIOS.of("consumer_group_heartbeat", 1)
def offsets_of_members(side):
    at_once(side)
    yield beat(side, "a", 0)
    topic = {"name": TOPIC, "topic_id": side.topic_id}
    offset = {"partition_index": 0, "committed_offset": 3, "committed_leader_epoch": -1, "committed_metadata": ""}
    for version in (8, 9, 10):
        for member, epoch in (("a", 2), ("a", 1), ("a", 3), ("b", 2), ("", -1)):
            fields = {"group_id": side.own, "generation_id_or_member_epoch": epoch, "member_id": member}
            yield side.call("offset_commit", version, **fields, topics=[topic | {"partitions": [offset]}])
    for member, epoch in (("a", 2), ("a", 1), ("a", 3), ("b", 2), (None, -1)):
        asked = {"group_id": side.own, "member_id": member, "member_epoch": epoch}
        asked["topics"] = [topic | {"partition_indexes": [0, 1]}]
        yield side.call("offset_fetch", 10, groups=[asked], require_stable=True)
    delete = {"name": TOPIC, "partitions": [{"partition_index": 0}]}
    yield side.call("offset_delete", 0, group_id=side.own, topics=[delete])
    yield side.call("describe_groups", 5, groups=[side.own], include_authorized_operations=True)
    yield side.call("describe_groups", 6, groups=[side.own])
    yield side.call("delete_groups", 2, groups_names=[side.own])
    for kinds, states in (([], []), (["consumer"], []), (["classic"], []), ([], ["stable"]), (["CONSUMER"], ["Empty"])):
        listed = side.call("list_groups", 5, types_filter=kinds, states_filter=states)["groups"]
        yield [group for group in listed if group["group_id"] == side.own]
    yield beat(side, "a", -1)
    yield side.call("offset_delete", 0, group_id=side.own, topics=[delete])
    yield side.call("delete_groups", 2, groups_names=[side.own])
    yield described(side)


@SCENARIOS.of("consumer_group_heartbeat", 1)
def topics_come_and_grow_and_go(side):
    at_once(side)
    yield beat(side, "a", 0, topics=[side.own])
    side.create(1)
    yield reaches(side, 2, 3)
    yield described(side)["groups"][0]["members"][0]["assignment"]
    side.call("create_partitions", 3, topics=[{"name": side.own, "count": 3, "assignments": None}], timeout=10000)
    yield reaches(side, 3, 4)
    yield described(side)["groups"][0]["members"][0]["assignment"]
    side.call("delete_topics", 6, topics=[{"name": side.own, "topic_id": None}], timeout=10000)
    yield reaches(side, 4, 5, topic_partitions=[])
    yield described(side)


def join(side, member="", version=9, *, instance=None, kind="consumer", metadata=SUBSCRIPTION, protocols=("range",)):
    return side.call(
        "join_group", version, group_id=side.own, session_timeout=10000, rebalance_timeout=10000, member_id=member,
        group_instance_id=instance, protocol_type=kind,
        protocols=[{"name": name, "metadata": metadata} for name in protocols],
    )  # fmt: skip


def sync(side, member, generation, *, assignments=(), instance=None, protocol="range", kind="consumer"):
    return side.call(
        "sync_group", 5, group_id=side.own, generation_id=generation, member_id=member, group_instance_id=instance,
        protocol_type=kind, protocol_name=protocol, assignments=list(assignments),
    )  # fmt: skip


def alive(side, member, generation, instance=None):
    fields = {"group_id": side.own, "generation_id": generation, "member_id": member, "group_instance_id": instance}
    return side.call("heartbeat", 4, **fields)


ALL = struct.pack(">hih12siiii", 1, 1, 12, TOPIC.encode(), 2, 0, 1, -1)
"""ConsumerProtocolAssignment v1 of both partitions of the topic both have."""


@SCENARIOS.of("consumer_group_heartbeat", 1)
def a_classic_group_is_upgraded_and_downgraded(side):
    at_once(side)
    member = join(side)["member_id"]
    yield join(side, member)
    yield sync(side, member, 1, assignments=[{"member_id": member, "assignment": ALL}])
    joined = beat(side, "new", 0)
    yield joined
    yield masked_members(described(side))
    yield alive(side, member, 1)
    yield sync(side, member, 1)
    again = join(side, member)
    yield again
    yield sync(side, member, again["generation_id"])["error_code"]
    yield alive(side, member, again["generation_id"])
    yield beat(side, "new", joined["member_epoch"])["member_epoch"]
    yield alive(side, "new", 2)
    yield join(side, kind="connect")
    yield join(side, protocols=("other",))
    yield join(side, member, protocols=())
    yield beat(side, "new", -1)
    yield side.call("describe_groups", 5, groups=[side.own])["groups"][0]["group_state"]
    yield alive(side, member, again["generation_id"])
    yield masked_members(described(side))


@SCENARIOS.of("consumer_group_heartbeat", 1)
def empty_groups_change_their_kind(side):
    member = join(side)["member_id"]
    join(side, member)
    leaving = [{"member_id": member, "group_instance_id": None, "reason": None}]
    side.call("leave_group", 5, group_id=side.own, members=leaving)
    yield beat(side, "a", 0)
    yield beat(side, "a", -1)
    yield described(side)
    yield join(side, "nobody")
    member = join(side)["member_id"]
    yield join(side, member)
    yield described(side)


@SCENARIOS.of("consumer_group_heartbeat", 1)
def groups_of_other_protocols_stay(side):
    member = join(side, kind="connect")["member_id"]
    join(side, member, kind="connect")
    yield beat(side, "a", 0)
    yield beat(side, "a", 1)
    yield beat(side, "a", -1)


def masked_members(answer):
    """Replace member ids the server made."""
    for group in answer["groups"]:
        for member in group["members"]:
            if len(member["member_id"]) > 20:
                member["member_id"] = "<made>"
        group["members"].sort(key=lambda member: member["member_id"])
    return answer


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_same_answers(sides, run, version):
    compare(sides, run, version)
    assert MISSING_ID

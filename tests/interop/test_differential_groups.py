"""Groups and committed offsets: the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

import struct

import pytest

from support.differential import MISSING_ID, Scenarios, compare

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()
# ConsumerProtocolSubscription v0 of one topic: Apache Kafka's coordinator reads it, and hangs on some of what is none
SUBSCRIPTION = struct.pack(">hih12si", 0, 1, 12, b"differential", -1)


def join(side, member="", version=5, session=10000, group=None, protocols=("range",), instance=None, kind="consumer"):
    return side.call(
        "join_group",
        version,
        group_id=group if group is not None else side.own,
        session_timeout=session,
        rebalance_timeout=10000,
        member_id=member,
        group_instance_id=instance,
        protocol_type=kind,
        protocols=[{"name": name, "metadata": SUBSCRIPTION} for name in protocols],
    )


def stable(side):
    """Make a group of one member, and return its id; its generation is 1."""
    member = join(side)["member_id"]
    assert join(side, member)["generation_id"] == 1
    side.call(
        "sync_group",
        3,
        group_id=side.own,
        generation_id=1,
        member_id=member,
        assignments=[{"member_id": member, "assignment": b"all"}],
    )
    return member


@SCENARIOS.of("find_coordinator")
def find_coordinator(side):
    for kind in (0, 1, 2, 9):
        yield side.call("find_coordinator", key=side.own, key_type=kind, coordinator_keys=[side.own])
    yield side.call("find_coordinator", key="", key_type=0, coordinator_keys=[""])
    if side.version >= 4:
        yield side.call("find_coordinator", key_type=0, coordinator_keys=["a", "b"])


@SCENARIOS.of("join_group")
def join_group(side):
    first = join(side, version=side.version)
    yield first
    member = first["member_id"]
    if first["error_code"] == "member_id_required":
        first = join(side, member, side.version)
        yield first
    yield join(side, "nobody", side.version)
    yield join(side, member, side.version, kind="connect")
    yield join(side, member, side.version, group="")
    yield join(side, "", side.version, session=1)
    yield join(side, "", side.version, session=99_999_999)
    yield join(side, "", side.version, group=f"{side.own}-none", protocols=())
    yield join(side, "", side.version, group=f"{side.own}-nokind", kind="")


@SCENARIOS.of("join_group", 5, 7, 9)
def join_group_static(side):
    first = join(side, version=side.version, instance="one")
    yield first
    side.call(
        "sync_group",
        3,
        group_id=side.own,
        generation_id=1,
        member_id=first["member_id"],
        group_instance_id="one",
        assignments=[{"member_id": first["member_id"], "assignment": b"all"}],
    )
    second = join(side, version=side.version, instance="one")
    yield second
    yield side.call(
        "heartbeat", 4, group_id=side.own, generation_id=1, member_id=first["member_id"], group_instance_id="one"
    )
    yield side.call(
        "heartbeat", 4, group_id=side.own, generation_id=1, member_id=second["member_id"], group_instance_id="one"
    )
    yield side.call("heartbeat", 4, group_id=side.own, generation_id=1, member_id="", group_instance_id="two")


@SCENARIOS.of("sync_group")
def sync_group(side):
    member = join(side)["member_id"]
    join(side, member)

    def sync(generation=1, who=member, group=side.own, protocol="range", kind="consumer"):
        return side.call(
            "sync_group",
            group_id=group,
            generation_id=generation,
            member_id=who,
            protocol_type=kind,
            protocol_name=protocol,
            assignments=[{"member_id": member, "assignment": b"all"}],
        )

    yield sync(generation=2)
    yield sync(who="nobody")
    yield sync(protocol="roundrobin")
    yield sync(kind="connect")
    yield sync(group=f"{side.own}-missing")
    yield sync(group="")
    yield sync()
    yield sync()


@SCENARIOS.of("heartbeat")
def heartbeat(side):
    member = stable(side)
    for group, generation, who in (
        (side.own, 1, member),
        (side.own, 2, member),
        (side.own, 1, "nobody"),
        (f"{side.own}-missing", 1, member),
        ("", 1, member),
    ):
        yield side.call("heartbeat", group_id=group, generation_id=generation, member_id=who)


@SCENARIOS.of("leave_group")
def leave_group(side):
    member = stable(side)
    for group, who in (
        (side.own, "nobody"),
        (f"{side.own}-missing", member),
        ("", member),
        (side.own, member),
        (side.own, member),
    ):
        yield side.call("leave_group", group_id=group, member_id=who, members=[{"member_id": who}])


@SCENARIOS.of("offset_commit")
def offset_commit(side):
    member = stable(side)

    def commit(
        offset=3,
        generation=1,
        who=member,
        group=side.own,
        partition=0,
        topic=side.topic,
        topic_id=side.topic_id,
        text="note",
    ):
        part = {
            "partition_index": partition,
            "committed_offset": offset,
            "committed_metadata": text,
            "committed_leader_epoch": -1,
        }
        return side.call(
            "offset_commit",
            group_id=group,
            generation_id_or_member_epoch=generation,
            member_id=who,
            retention_time=-1,
            topics=[{"name": topic, "topic_id": topic_id, "partitions": [part]}],
        )

    yield commit()
    yield commit(generation=2)
    yield commit(who="nobody")
    yield commit(partition=7)
    yield commit(topic=f"{side.own}-missing", topic_id=MISSING_ID)
    yield commit(text="x" * 5000)
    yield commit(text=None)
    yield commit(group="")
    yield commit(group=f"{side.own}-simple", generation=-1, who="")
    yield commit(group=f"{side.own}-other", generation=4, who="nobody")
    yield side.call("offset_fetch", 5, group_id=side.own, topics=None)


@SCENARIOS.of("offset_fetch")
def offset_fetch(side):
    stored = {
        "name": side.topic,
        "partitions": [
            {"partition_index": 0, "committed_offset": 4, "committed_metadata": "m", "committed_leader_epoch": 0}
        ],
    }
    side.call("offset_commit", 8, group_id=side.own, generation_id_or_member_epoch=-1, member_id="", topics=[stored])

    def ask(group=side.own, topics=((side.topic, side.topic_id, (0, 1, 7)),)):
        asked = (
            [{"name": name, "topic_id": topic_id, "partition_indexes": numbers} for name, topic_id, numbers in topics]
            if topics is not None
            else None
        )
        return side.call(
            "offset_fetch",
            group_id=group,
            topics=asked,
            groups=[{"group_id": group, "topics": asked, "member_epoch": -1}],
        )

    yield ask()
    yield ask(topics=((f"{side.own}-missing", MISSING_ID, (0,)),))
    yield ask(group=f"{side.own}-missing")
    yield ask(group="")
    if side.version >= 2:
        yield ask(topics=None)
        yield ask(group=f"{side.own}-missing", topics=None)


@SCENARIOS.of("list_groups")
def list_groups(side):
    stable(side)

    def listed(**filters):
        answer = side.call("list_groups", **filters)
        answer["groups"] = [group for group in answer["groups"] if group["group_id"] == side.own]
        return answer

    yield listed()
    if side.version >= 4:
        yield listed(states_filter=["Stable"])
        yield listed(states_filter=["stable"])
        yield listed(states_filter=["Empty"])
        yield listed(states_filter=["Nonsense"])
    if side.version >= 5:
        yield listed(types_filter=["classic"])
        yield listed(types_filter=["consumer"])
        yield listed(types_filter=["Nonsense"])


@SCENARIOS.of("describe_groups")
def describe_groups(side):
    member = join(side)["member_id"]
    join(side, member)
    yield side.call("describe_groups", groups=[side.own])
    side.call(
        "sync_group",
        3,
        group_id=side.own,
        generation_id=1,
        member_id=member,
        assignments=[{"member_id": member, "assignment": b"all"}],
    )
    yield side.call("describe_groups", groups=[side.own])
    for group in (f"{side.own}-missing", ""):
        yield side.call("describe_groups", groups=[group])
    if side.version >= 3:
        yield side.call("describe_groups", groups=[side.own], include_authorized_operations=True)
    side.call("leave_group", 2, group_id=side.own, member_id=member)
    yield side.call("describe_groups", groups=[side.own])


@SCENARIOS.of("delete_groups")
def delete_groups(side):
    member = stable(side)
    for group in (side.own, f"{side.own}-missing", ""):
        yield side.call("delete_groups", groups_names=[group])
    side.call("leave_group", 2, group_id=side.own, member_id=member)
    yield side.call("delete_groups", groups_names=[side.own])
    yield side.call("delete_groups", groups_names=[side.own])


@SCENARIOS.of("offset_delete")
def offset_delete(side):
    stored = {
        "name": side.topic,
        "partitions": [
            {"partition_index": 0, "committed_offset": 4, "committed_leader_epoch": 0, "committed_metadata": ""}
        ],
    }
    side.call("offset_commit", 8, group_id=side.own, generation_id_or_member_epoch=-1, member_id="", topics=[stored])
    for group, partition in ((f"{side.own}-missing", 0), ("", 0), (side.own, 7), (side.own, 0)):
        topic = {"name": side.topic, "partitions": [{"partition_index": partition}]}
        yield side.call("offset_delete", group_id=group, topics=[topic])
    yield side.call("offset_fetch", 5, group_id=side.own, topics=None)


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    compare(sides, run, version)

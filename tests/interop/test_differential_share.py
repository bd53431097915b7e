"""Share groups: the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

import re

import pytest

from kopfka_bench.protocol.raw import CLOSED, record_batch
from support.differential import Scenarios, compare
from support.waiting import eventually

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()
MEMBER = "member-one"
GROUP_RESOURCE = 32
STATES = (
    "initialize_share_group_state", "read_share_group_state", "read_share_group_state_summary",
    "delete_share_group_state",
)  # fmt: skip
GAP, ACCEPT, RELEASE, REJECT, RENEW = range(5)


def configure(side, group, **configs):
    """Alter configs of a group; scenarios that wait set what they wait for to little."""
    settings = {"share.auto.offset.reset": "earliest", "share.assignment.interval.ms": "0"}
    settings |= {name.replace("_", "."): str(value) for name, value in configs.items()}
    resource = {
        "resource_type": GROUP_RESOURCE,
        "resource_name": group,
        "configs": [{"name": name, "config_operation": 0, "value": value} for name, value in settings.items()],
    }
    return side.call("incremental_alter_configs", 1, resources=[resource], validate_only=False)


def beat(side, epoch, member=MEMBER, group=None, topics=None, rack=None):
    return side.call(
        "share_group_heartbeat",
        1,
        group_id=side.own if group is None else group,
        member_id=member,
        member_epoch=epoch,
        rack_id=rack,
        subscribed_topic_names=topics,
    )


def join(side, member=MEMBER, group=None, topics=None, **configs):
    """Join a group that reads the scenario's own topic or others, beat until it is assigned; return the epoch."""
    configure(side, side.own if group is None else group, **configs)
    topics = topics or [side.own]
    answer = eventually(lambda: _joined(side, member, group, topics))

    def assigned():
        nonlocal answer
        epoch = answer["member_epoch"]
        if not answer["assignment"] or not answer["assignment"]["topic_partitions"]:
            answer = beat(side, epoch, member, group, topics=topics)
        assert answer["error_code"] == "none", answer
        return answer["assignment"] and answer["assignment"]["topic_partitions"]

    eventually(assigned)
    return answer["member_epoch"]


def _joined(side, member, group, topics):
    answer = beat(side, 0, member, group, topics=topics)
    return answer if answer["error_code"] == "none" else None


def topic(side, records=10, partitions=1, per_batch=1, **configs):
    """Create the scenario's topic with records in batches of `per_batch`; return its id."""
    topic_id = side.create(partitions, **configs)
    for first in range(0, records, per_batch):
        batch = record_batch([b"%d" % number for number in range(first, first + per_batch)])
        answer = side.produce(batch, topic=side.own, topic_id=topic_id)
        assert answer["responses"][0]["partition_responses"][0]["base_offset"] == first
    return topic_id


def ack(first, last, *types):
    return {"first_offset": first, "last_offset": last, "acknowledge_types": list(types)}


def fetch(side, epoch, topic_id, acks=(), partitions=(0,), forget=(), member=MEMBER, group=None, **fields):
    wanted = [{"partition_index": number, "acknowledgement_batches": list(acks)} for number in partitions]
    defaults = {"max_wait": 200, "min_bytes": 1, "max_bytes": 1 << 20, "max_records": 500, "batch_size": 500}
    answer = side.call(
        "share_fetch",
        max(side.version, 1),
        group_id=side.own if group is None else group,
        member_id=member,
        share_session_epoch=epoch,
        topics=[{"topic_id": topic_id, "partitions": wanted}] if wanted else [],
        forgotten_topics_data=[{"topic_id": topic_id, "partitions": list(forget)}] if forget else [],
        **(defaults | fields),
    )
    assert answer is not CLOSED, side.last
    for each in answer["responses"]:
        each["partitions"].sort(key=lambda part: part["partition_index"])
    return answer


def acknowledge(side, epoch, topic_id, *acks, partition=0, member=MEMBER, **fields):
    part = {"partition_index": partition, "acknowledgement_batches": list(acks)}
    return side.call(
        "share_acknowledge",
        max(side.version, 1),
        group_id=side.own,
        member_id=member,
        share_session_epoch=epoch,
        topics=[{"topic_id": topic_id, "partitions": [part]}],
        **fields,
    )


def acquired(answer):
    """Return (first, last, delivery count) of everything a fetch acquired, in order, neighbours alike as one."""
    found = sorted(
        (part["first_offset"], part["last_offset"], part["delivery_count"])
        for each in answer["responses"]
        for partition in each["partitions"]
        for part in partition["acquired_records"]
    )
    joined = []
    for first, last, count in found:
        if joined and joined[-1][1] + 1 == first and joined[-1][2] == count:
            joined[-1] = (joined[-1][0], last, count)
        else:
            joined.append((first, last, count))
    return joined


def relative(answer, epoch, name=""):
    """Return an answer with epochs since one of the group: Apache Kafka's first assignment may take it one more."""
    if isinstance(answer, dict):
        return {key: relative(value, epoch, key) for key, value in answer.items()}
    if isinstance(answer, list):
        return [relative(value, epoch, name) for value in answer]
    if name in {"member_epoch", "group_epoch", "assignment_epoch"} and answer > 0:
        return answer - epoch
    return re.sub(r"\d+", "N", answer) if name == "error_message" and answer else answer


def offsets(side, version=1):
    group = {"group_id": side.own, "topics": None}
    return side.call("describe_share_group_offsets", version, groups=[group])


@SCENARIOS.of("share_group_heartbeat", 1, also=["share_group_describe"])
def membership(side):
    yield beat(side, 1)
    yield beat(side, -1)
    yield beat(side, 0)
    yield beat(side, 0, topics=[])
    yield beat(side, -2)
    yield beat(side, 0, topics=[side.topic], member="")
    yield beat(side, 0, topics=[side.topic], member="x" * 37)
    yield beat(side, 0, topics=[side.topic], group="")
    yield beat(side, 0, topics=[side.topic], group=" ")
    yield beat(side, 0, topics=[side.topic], rack="")
    epoch = join(side, topics=[side.topic])
    yield epoch

    def since(answer):
        return relative(answer, epoch)

    yield since(beat(side, epoch))
    yield since(beat(side, epoch - 1))
    yield since(beat(side, epoch + 1))
    yield since(beat(side, epoch - 2 if epoch > 2 else 7))["error_code"]
    yield since(beat(side, epoch, topics=[side.topic]))
    for group in (side.own, "no-such"):
        yield since(side.call("share_group_describe", 1, group_ids=[group], include_authorized_operations=True))
    yield side.call("share_group_describe", 1, group_ids=[""])
    yield since(beat(side, 0, member="two", topics=[side.topic, "no-such-topic"]))["error_code"]
    yield side.call("list_groups", 5, states_filter=["stable"], types_filter=["share"])["error_code"]
    yield side.call("describe_groups", 6, groups=[side.own])
    yield side.call("consumer_group_describe", 1, group_ids=[side.own])
    yield side.call("delete_groups", 2, groups_names=[side.own])
    yield beat(side, -1, member="nobody")
    yield beat(side, -1)
    yield beat(side, -1, member="two")
    yield since(side.call("share_group_describe", 1, group_ids=[side.own]))
    yield side.call("delete_groups", 2, groups_names=[side.own])
    yield side.call("share_group_describe", 1, group_ids=[side.own])


@SCENARIOS.of("share_fetch")
def sessions(side):
    topic_id = topic(side)
    join(side)
    yield fetch(side, 1, topic_id)
    yield fetch(side, -1, topic_id)
    yield fetch(side, 0, topic_id, acks=[ack(0, 0, ACCEPT)])
    yield fetch(side, 0, topic_id, member="")
    yield fetch(side, 0, topic_id, member="x" * 37)
    yield side.call("share_fetch", group_id=None, member_id=MEMBER)
    yield fetch(side, 0, topic_id, max_records=2)
    yield fetch(side, 0, topic_id, max_records=2)
    yield fetch(side, 2, topic_id)
    yield fetch(side, 1, topic_id, max_records=2)
    yield fetch(side, 2, topic_id, partitions=[5])
    yield fetch(side, 3, topic_id, partitions=(), max_records=0)
    yield fetch(side, 4, topic_id, partitions=(), forget=[0, 5])
    yield fetch(side, 5, topic_id, max_records=1)
    yield fetch(side, -1, topic_id)
    yield fetch(side, 6, topic_id)
    yield fetch(side, 0, topic_id, group=f"{side.own}-no-group")


@SCENARIOS.of("share_fetch")
def limits_and_batches(side):
    topic_id = topic(side, 12, per_batch=3)
    join(side)
    yield fetch(side, 0, topic_id, max_records=4, batch_size=2)
    yield fetch(side, 1, topic_id, max_records=1)
    yield fetch(side, 2, topic_id, max_records=100, max_bytes=1)
    yield fetch(side, 3, topic_id, acks=[ack(0, 5, RELEASE), ack(6, 8, ACCEPT)])
    yield fetch(side, 4, topic_id, max_records=2)
    yield fetch(side, 5, topic_id, max_records=100, batch_size=3)
    yield offsets(side)


@SCENARIOS.of("share_fetch", 2)
def record_limit(side):
    topic_id = topic(side, 12, per_batch=6)
    join(side)
    yield fetch(side, 0, topic_id, max_records=4, share_acquire_mode=1)
    yield acquired(fetch(side, 1, topic_id, max_records=4, share_acquire_mode=1))
    yield acquired(fetch(side, 2, topic_id, acks=[ack(0, 3, RELEASE)], max_records=1, share_acquire_mode=1))
    yield acquired(fetch(side, 3, topic_id, max_records=3, share_acquire_mode=1))
    yield fetch(side, 4, topic_id, is_renew_ack=True)
    yield fetch(side, 4, topic_id, is_renew_ack=True, max_records=0, max_bytes=0, min_bytes=0, max_wait=0)
    renewing = {"is_renew_ack": True, "max_records": 0, "max_bytes": 0, "min_bytes": 0, "max_wait": 0}
    yield fetch(side, 5, topic_id, acks=[ack(0, 1, RENEW)], **renewing)
    yield fetch(side, 6, topic_id, acks=[ack(0, 1, RENEW)])


@SCENARIOS.of("share_acknowledge")
def acknowledging(side):
    topic_id = topic(side, 10, per_batch=5)
    join(side)
    yield acknowledge(side, 0, topic_id, ack(0, 0, ACCEPT))
    yield acknowledge(side, 1, topic_id, ack(0, 0, ACCEPT))
    fetch(side, 0, topic_id, max_records=5)
    epoch = 0

    def say(*acks, **fields):
        nonlocal epoch
        epoch += 1
        return acknowledge(side, epoch, topic_id, *acks, **fields)

    yield say(ack(0, 4, 9))
    yield say(ack(0, 4, RENEW))
    yield say(ack(4, 0, ACCEPT))
    yield say(ack(0, 4))
    yield say(ack(0, 4, ACCEPT, ACCEPT))
    yield say(ack(3, 4, ACCEPT), ack(0, 1, ACCEPT))
    yield say(ack(0, 1, ACCEPT), ack(0, 1, ACCEPT))
    yield say(ack(20, 21, ACCEPT))
    yield say(ack(4, 5, ACCEPT))
    yield say(ack(0, 0, ACCEPT), partition=3)
    yield say()
    yield say(ack(1, 2, ACCEPT, REJECT))
    yield say(ack(1, 1, ACCEPT))
    yield say(ack(0, 4, ACCEPT))
    yield offsets(side)
    yield say(ack(0, 0, GAP))
    yield say(ack(0, 0, ACCEPT))
    yield say(ack(3, 3, RELEASE))
    yield say(ack(3, 3, RELEASE))
    yield offsets(side, 0)
    yield acknowledge(side, epoch, topic_id, ack(4, 4, ACCEPT))
    yield acquired(fetch(side, epoch + 1, topic_id, max_records=1))
    yield acknowledge(side, -1, topic_id, ack(3, 4, ACCEPT))
    yield acknowledge(side, epoch + 2, topic_id, ack(4, 4, ACCEPT))
    yield offsets(side)


@SCENARIOS.of("share_acknowledge", 2)
def two_members(side):
    topic_id = topic(side, 8, per_batch=2)
    join(side)
    join(side, "two")
    yield acquired(fetch(side, 0, topic_id, max_records=2))
    yield acquired(fetch(side, 0, topic_id, max_records=2, member="two"))
    yield acknowledge(side, 1, topic_id, ack(2, 3, ACCEPT))
    yield acknowledge(side, 1, topic_id, ack(2, 3, RELEASE), member="two")
    yield acquired(fetch(side, 2, topic_id, max_records=2))
    yield acquired(fetch(side, 2, topic_id, max_records=10, member="two"))
    yield fetch(side, -1, topic_id, acks=[ack(0, 0, ACCEPT)])
    yield acquired(eventually(lambda: again if acquired(again := fetch(side, 0, topic_id)) else None))
    yield offsets(side)


@SCENARIOS.of("share_fetch", 2)
def released_too_often(side):
    topic_id = topic(side, 8, per_batch=8)
    join(side, share_delivery_count_limit=4)
    answer = fetch(side, 0, topic_id)
    epoch = 0
    for _ in range(20):
        held = acquired(answer)
        yield held
        if not held:
            break
        epoch += 1
        answer = fetch(side, epoch, topic_id, acks=[ack(first, last, RELEASE) for first, last, _ in held])
        yield answer["responses"][0]["partitions"][0]["acknowledge_error_code"] if answer["responses"] else None
        if not acquired(answer):
            epoch += 1
            answer = fetch(side, epoch, topic_id)
    yield offsets(side)


@SCENARIOS.of("alter_share_group_offsets", also=["delete_share_group_offsets"])
def altered_offsets(side):
    topic_id = topic(side)
    asked = [{"topic_name": side.own, "partitions": [{"partition_index": 0, "start_offset": 4}]}]
    epoch = join(side)
    yield side.call("alter_share_group_offsets", group_id=side.own, topics=asked)
    yield side.call("delete_share_group_offsets", group_id=side.own, topics=[{"topic_name": side.own}])
    fetch(side, 0, topic_id, max_records=3)
    yield acknowledge(side, 1, topic_id, ack(0, 2, ACCEPT))
    yield beat(side, -1)["error_code"]
    yield epoch
    side.close()  # Apache Kafka lets go of what it has in memory when the last session of the group ends
    side.settle()
    yield side.call("alter_share_group_offsets", group_id=side.own, topics=asked)
    yield offsets(side)
    missing = [
        {"topic_name": side.own, "partitions": [{"partition_index": 7, "start_offset": 1}]},
        {"topic_name": "no-such-topic", "partitions": [{"partition_index": 0, "start_offset": 1}]},
    ]
    yield by_topic(side.call("alter_share_group_offsets", group_id=side.own, topics=missing))
    yield side.call("alter_share_group_offsets", group_id="", topics=asked)
    join(side, "again")
    yield acquired(fetch(side, 0, topic_id, member="again", max_records=2))
    yield beat(side, -1, member="again")["error_code"]
    topics = [{"topic_name": side.own}, {"topic_name": "no-such-topic"}, {"topic_name": side.topic}]
    yield by_topic(side.call("delete_share_group_offsets", group_id=side.own, topics=topics))
    yield offsets(side)
    yield side.call("delete_share_group_offsets", group_id=side.own, topics=[{"topic_name": side.own}])
    yield side.call("delete_share_group_offsets", group_id="no-such-group", topics=[{"topic_name": side.own}])
    yield side.call("delete_share_group_offsets", group_id="", topics=[])


def by_topic(answer):
    answer["responses"].sort(key=lambda each: each["topic_name"])
    return answer


@SCENARIOS.of("describe_share_group_offsets")
def described_offsets(side):
    topic(side, 5)
    join(side)
    asked = [
        {"topic_name": side.own, "partitions": [0]},
        {"topic_name": "no-such-topic", "partitions": [0]},
    ]
    groups = [
        {"group_id": side.own, "topics": asked},
        {"group_id": "no-such-group", "topics": asked},
        {"group_id": "no-such-group", "topics": None},
        {"group_id": side.own, "topics": []},
    ]
    yield side.call("describe_share_group_offsets", groups=groups)


@SCENARIOS.of("share_group_heartbeat", 1)
def kinds_of_groups(side):
    topic(side, 1)
    join(side)
    yield side.call("offset_fetch", 8, groups=[{"group_id": side.own, "topics": None}])
    part = {"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}
    committed = [{"name": side.own, "partitions": [part]}]
    yield side.call("offset_commit", 8, group_id=side.own, generation_id_or_member_epoch=-1, topics=committed)
    yield side.call("heartbeat", 4, group_id=side.own, generation_id=1, member_id="m")
    consumer = {"member_id": "c" * 22, "member_epoch": 0, "rebalance_timeout": 1000, "topic_partitions": []}
    yield side.call("consumer_group_heartbeat", 1, group_id=side.own, subscribed_topic_names=[side.own], **consumer)
    taken = f"{side.own}-consumer"
    side.call("consumer_group_heartbeat", 1, group_id=taken, subscribed_topic_names=[side.own], **consumer)
    yield beat(side, 0, group=taken, topics=[side.own])
    yield side.call("share_group_describe", 1, group_ids=[taken])


@SCENARIOS.of("write_share_group_state", also=STATES)
def states(side):
    topic_id = topic(side, 1)
    join(side)

    def ask(api, version=0, group=None, **part):
        fields = {"partition": 0} | part
        topics = [{"topic_id": topic_id, "partitions": [fields]}]
        return side.call(api, version, group_id=side.own if group is None else group, topics=topics)

    batches = [{"first_offset": 0, "last_offset": 0, "delivery_state": 2, "delivery_count": 1}]
    yield ask("read_share_group_state", leader_epoch=-1)
    yield ask("read_share_group_state", leader_epoch=-1, group="no-such-group")
    yield ask("read_share_group_state", leader_epoch=-1, partition=-1)
    yield ask("read_share_group_state", leader_epoch=-1, group="")
    yield ask(
        "write_share_group_state", side.version, state_epoch=9, leader_epoch=0, start_offset=0, state_batches=batches
    )
    yield ask(
        "write_share_group_state", side.version, state_epoch=0, leader_epoch=0, start_offset=0, state_batches=batches
    )
    yield ask(
        "write_share_group_state", side.version, group="no-such-group", state_epoch=0, leader_epoch=0, start_offset=0
    )
    yield ask("read_share_group_state", leader_epoch=-1)
    yield ask("read_share_group_state_summary", side.version, leader_epoch=-1)
    yield ask("read_share_group_state_summary", side.version, leader_epoch=-1, group="no-such-group")
    yield ask("read_share_group_state_summary", side.version, leader_epoch=-1, partition=9)
    yield ask("initialize_share_group_state", state_epoch=0, start_offset=3)
    yield ask("initialize_share_group_state", state_epoch=20, start_offset=3)
    yield ask("read_share_group_state", leader_epoch=-1)
    yield ask("delete_share_group_state")
    yield ask("delete_share_group_state")
    yield ask("read_share_group_state", leader_epoch=-1)


@pytest.fixture(scope="module")
def coordinating(sides):
    """Have both make __share_group_state, which Apache Kafka does when a first group asks for it."""
    for side in sides:
        side.own = "share-warm"
        topic(side, 1)
        join(side)
    return sides


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_same_answers(coordinating, run, version):
    compare(coordinating, run, version)

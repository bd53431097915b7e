"""Records of consumer and streams groups: Kafka's dump tool reads the same of what both brokers wrote, and so do we."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import pytest

from broker.groups.harness import Cluster, Log
from kopfka_bench.protocol.raw import RawConnection
from kopfka_broker.groups import GroupCoordinator, GroupSettings, OffsetsRecord
from kopfka_wire.batches import split_batches
from kopfka_wire.records import decode_batch
from support.java import JavaTools
from support.kafka import running_kafka
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.java

CONFIG = (
    "node.id=1\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\n"
    "group.consumer.assignment.interval.ms=0\ngroup.streams.assignment.interval.ms=0\n"
    "group.streams.initial.rebalance.delay.ms=0\n"
)
DUMP = "org.apache.kafka.tools.DumpLogSegments"
SUBSCRIPTION = struct.pack(">hih6sii", 1, 1, 6, b"orders", -1, 0)
PARTITIONS = 2


def heartbeat(wire: RawConnection, group: str, member: str, epoch: int, **fields: Any) -> Any:
    if epoch == 0:
        fields = {"rebalance_timeout": 9_000, "topic_partitions": [], "subscribed_topic_names": ["orders"]} | fields
    values = {"group_id": group, "member_id": member, "member_epoch": epoch, "rebalance_timeout": -1}
    return wire.call("consumer_group_heartbeat", 1, **(values | fields))


def streams_heartbeat(wire: RawConnection, member: str, epoch: int, **fields: Any) -> Any:
    configs = [{"key": "cleanup.policy", "value": "compact"}]
    changelog = {"name": "log", "partitions": 0, "replication_factor": 1, "topic_configs": configs}
    nothing = ("source_topic_regex", "copartition_groups", "repartition_sink_topics", "repartition_source_topics")
    part = {"subtopology_id": "0", "source_topics": ["orders"], "state_changelog_topics": [changelog]}
    part |= dict.fromkeys(nothing, ())
    if epoch == 0:
        fields |= {"rebalance_timeout": 9_000, "process_id": "p", "active_tasks": [], "standby_tasks": [],
                   "warmup_tasks": [], "client_tags": [{"key": "zone", "value": "z"}],
                   "user_endpoint": {"host": "h", "port": 77},
                   "topology": {"epoch": 0, "subtopologies": [part]}}  # fmt: skip
    values = {"group_id": "streams", "member_id": member, "member_epoch": epoch, "endpoint_information_epoch": -1,
              "rebalance_timeout": -1, "shutdown_application": False}  # fmt: skip
    return wire.call("streams_group_heartbeat", 0, **(values | fields))


def use_groups(bootstrap: str) -> None:
    """Have every kind of record written, one after the other."""
    with RawConnection(bootstrap) as wire:
        topics = [{"name": "orders", "num_partitions": PARTITIONS, "replication_factor": 1}]
        wire.call("create_topics", 7, topics=topics, timeout=10_000)
        found = wire.call("metadata", 12, topics=[{"name": "orders"}])["topics"][0]
        topic_id = found["topic_id"]
        wire.call("find_coordinator", 4, key_type=0, coordinator_keys=["warm"])  # creates the topic
        eventually(lambda: heartbeat(wire, "warm", "w", 0)["error_code"] == "none")
        heartbeat(wire, "warm", "w", -1)
        heartbeat(wire, "g", "a", 0, rack_id="r", server_assignor="range")
        heartbeat(wire, "g", "s", 0, instance_id="i")
        both = [{"topic_id": topic_id, "partitions": [0, 1]}]
        kept = heartbeat(wire, "g", "a", 2, topic_partitions=both)["assignment"]["topic_partitions"]
        heartbeat(wire, "g", "a", 2, topic_partitions=kept)
        heartbeat(wire, "g", "s", 3)
        heartbeat(wire, "g", "s", -2, instance_id="i")
        heartbeat(wire, "g", "t", 0, instance_id="i")
        heartbeat(wire, "g", "a", -1)
        heartbeat(wire, "x", "e", 0, subscribed_topic_names=None, subscribed_topic_regex="ord.*s")
        eventually(lambda: heartbeat(wire, "x", "e", 1)["member_epoch"] == 2)
        heartbeat(wire, "x", "e", -1)
        wire.call("delete_groups", 2, groups_names=["x"])
        classic_member_in_consumer_group(wire)
        streams_heartbeat(wire, "a", 0)
        eventually(lambda: streams_heartbeat(wire, "a", 2)["member_epoch"] == 3)
        streams_heartbeat(wire, "b", 0)
        streams_heartbeat(wire, "b", -1)


def classic_member_in_consumer_group(wire: RawConnection) -> None:
    protocols = [{"name": "range", "metadata": SUBSCRIPTION}]
    joining = {"group_id": "c", "session_timeout": 60_000, "rebalance_timeout": 60_000, "protocol_type": "consumer"}
    member = wire.call("join_group", 3, **joining, member_id="", protocols=protocols)["member_id"]
    given = [{"member_id": member, "assignment": struct.pack(">hih6siiii", 1, 1, 6, b"orders", 2, 0, 1, -1)}]
    wire.call("sync_group", 3, group_id="c", generation_id=1, member_id=member, assignments=given)
    heartbeat(wire, "c", "n", 0)
    heartbeat(wire, "c", "n", -1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    need_java()
    folder, found = tmp_path_factory.mktemp("modern"), {}
    for name, running in (("kopfka", running_broker), ("kafka", running_kafka)):
        with running(folder / name, CONFIG) as broker:
            use_groups(broker.bootstrap)
        found[name] = folder / name / "__consumer_offsets-0" / "00000000000000000000.log"
    return found


def same(text: str) -> str:
    """Leave out of a line what differs between two runs."""
    text = re.sub(r"raw-[0-9a-f-]{36}", "made", text)
    text = re.sub(r"\b17\d{11}\b", "time", text)
    text = re.sub(r'("metadataHash": ?)-?\d+', r"\1hash", text)
    text = re.sub(r'("version": ?)\d+(?=,)', r"\1image", text)
    return re.sub(r'("topicId": ?)"[^"]*"', r'\1"id"', text)


def test_the_dump_tool_decodes_the_same_of_both(written: dict[str, Path]) -> None:
    tools = JavaTools()

    def decoded(name: str) -> dict[str, list[str]]:
        """Return what was written of each group: key and value of each record, in order."""
        result = tools.run(DUMP, "--offsets-decoder", "--files", str(written[name]))
        found: dict[str, list[str]] = {}
        for line in (same(line.partition("key: ")[2]) for line in result.lines if "payload" in line):
            group = re.search(r'"group(?:Id)?": ?"(\w+)"', line)
            # Kafka ends a record of an older version whether there is one or not
            if group is not None and group[1] != "warm" and not line.startswith('{"type":"4"'):
                found.setdefault(group[1], []).append(line)
        return found

    try:
        ours, theirs = decoded("kopfka"), decoded("kafka")
    finally:
        tools.close()
    assert ours.keys() == theirs.keys() == {"g", "x", "c", "streams"}
    for group, lines in theirs.items():
        assert sorted(ours[group]) == sorted(lines), group


async def test_what_kafka_wrote_is_loaded_here(written: dict[str, Path]) -> None:
    data, log = written["kafka"].read_bytes(), Log(1)
    for position, header in split_batches(data):
        if header.magic == 2 and not header.is_control:
            records = [OffsetsRecord(record.key or b"", record.value) for record in decode_batch(data, position)]
            log.partitions.setdefault(0, []).extend(records)
    coordinator = GroupCoordinator(log, GroupSettings(), cluster=Cluster({"orders": PARTITIONS}))
    await coordinator.load()
    core = coordinator._core
    assert {"g", "streams"} <= core.modern.groups.keys()
    assert "x" not in core.modern.groups
    assert "c" in core.membership.groups, "it was downgraded"
    assert not any(core.foreign.values())
    group = core.modern.groups["g"]
    (member,) = group.members.values()
    assert (member.member_id, member.instance_id, group.static_members) == ("t", "i", {"i": "t"})
    assert group.assignor() is None
    streams = core.modern.groups["streams"]
    (member,) = streams.members.values()
    assert (member.endpoint, member.client_tags, member.process_id) == (("h", 77), (("zone", "z"),), "p")
    assert [each.changelogs[0].configs for each in streams.topology.subtopologies] == [(("cleanup.policy", "compact"),)]
    assert member.assigned.tasks.active == {("0", 0), ("0", 1)}
    coordinator.close()

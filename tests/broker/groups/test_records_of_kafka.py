"""`__consumer_offsets` as Apache Kafka reads it, and as Apache Kafka writes it."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from broker.groups.harness import Cluster, Log
from broker.groups.peers import TOPICS, commits, enter, join, part, prepare, sync
from kopfka_broker.groups import GroupCoordinator, GroupSettings, OffsetsRecord
from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import split_batches
from kopfka_wire.records import decode_batch
from support.java import JavaTools
from support.kafka import running_kafka
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.java

CONFIG = "node.id=1\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\n"
DUMP = "org.apache.kafka.tools.DumpLogSegments"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
FORMATTERS = {
    "offsets": "org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
    "groups": "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter",
}


def use_groups(bootstrap: str) -> None:
    """Have every kind of record written, one after the other."""
    peer = prepare(bootstrap)
    wire = peer.wire()
    joined = enter(
        wire, _ignore, "members", group_instance_id="i", protocols=("range", "other"), session_timeout=300_000
    )
    given = sync("members", joined, {joined.member_id: b"\0\1all"}, group_instance_id="i")
    assert wire.call(ApiKey.SYNC_GROUP, 5, **given).error_code == 0
    member = {"generation_id_or_member_epoch": joined.generation_id, "member_id": joined.member_id}
    topics = commits({"orders": {0: 7, 3: (2**40, "größer")}, "bills": {1: (0, None)}}, peer.topic_ids)
    wire.call(ApiKey.OFFSET_COMMIT, 10, group_id="members", group_instance_id="i", **member, topics=topics)
    nobody = {"generation_id_or_member_epoch": -1, "member_id": ""}
    wire.call(ApiKey.OFFSET_COMMIT, 8, group_id="simple", **nobody, topics=commits({"orders": {1: 5}}))
    wire.call(
        ApiKey.OFFSET_COMMIT, 3, group_id="old", **nobody, retention_time=3_600_000, topics=commits({"orders": {2: 6}})
    )
    wire.call(ApiKey.OFFSET_COMMIT, 8, group_id="gone", **nobody, topics=commits({"orders": {1: 5}}))
    assert wire.call(ApiKey.DELETE_GROUPS, 2, groups_names=("gone",)).results[0].error_code == 0
    left = enter(wire, _ignore, "left", 3)
    wire.call(ApiKey.SYNC_GROUP, 3, **sync("left", left, {left.member_id: b"all"}))
    wire.call(ApiKey.LEAVE_GROUP, 5, group_id="left", members=[part("MemberIdentity", member_id=left.member_id)])
    asked = wire.call(ApiKey.JOIN_GROUP, 9, **join(9, "asked"))
    assert asked.error_code == 79
    # answered after everything before is written
    assert wire.call(ApiKey.OFFSET_COMMIT, 8, group_id="end", **nobody, topics=commits({"orders": {1: 5}})).topics
    for each in peer.wires:
        each.close()


def _ignore(_: str, answer: Any) -> Any:
    return answer


def consumed(tools: JavaTools, bootstrap: str, formatter: str) -> list[Any]:
    """Return what Kafka's console consumer prints of the topic with one of Kafka's formatters: JSON after JSON.

    Nothing where its first record is longer in coming than it waits.
    """
    text = tools.run(
        CONSUMER, "--bootstrap-server", bootstrap, "--topic", "__consumer_offsets", "--from-beginning",
        "--timeout-ms", "2000", "--formatter", formatter, check=False,
    ).out.strip()  # fmt: skip
    values, decoder = [], json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    return values


@pytest.fixture(scope="module")
def tools() -> Iterator[JavaTools]:
    need_java()
    made = JavaTools()
    yield made
    made.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, tools: JavaTools) -> dict[str, tuple[Path, dict[str, list[Any]]]]:
    """Return the segment each broker wrote, and what Kafka's consumer with Kafka's formatters makes of it."""
    folder = tmp_path_factory.mktemp("records")
    found = {}
    for name, running in (("kopfka", running_broker), ("kafka", running_kafka)):
        with running(folder / name, CONFIG) as broker:
            use_groups(broker.bootstrap)
            seen = {}
            for what, formatter in FORMATTERS.items():
                read = functools.partial(consumed, tools, broker.bootstrap, formatter)
                seen[what] = eventually(read, seconds=60, what=f"Kafka's consumer to read {what}")
        found[name] = (folder / name / "__consumer_offsets-0" / "00000000000000000000.log", seen)
    return found


def same(text: str) -> str:
    """Leave out of a line what differs between two runs."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "uuid", text)
    text = re.sub(r"\b17\d{11}\b", "time", text)
    return re.sub(r'("topicId": ?)"[^"]*"', r'\1"id"', text)


def test_kafkas_formatters_read_the_same_of_both(written: dict[str, Any]) -> None:
    def values(name: str, what: str) -> list[str]:
        lines = [json.dumps(line) for line in written[name][1][what]]
        return [same(line) for line in lines if "console-consumer" not in line]

    for what in FORMATTERS:
        assert values("kopfka", what) == values("kafka", what)
    offsets = values("kopfka", "offsets")
    assert any('"gr\\u00f6\\u00dfer"' in line and str(2**40) in line for line in offsets)
    assert any('"expireTimestamp"' in line for line in offsets)
    assert any('"groupInstanceId": "i"' in line for line in values("kopfka", "groups"))


def test_the_dump_tool_decodes_the_same_of_both(written: dict[str, Any], tools: JavaTools) -> None:
    def decoded(name: str) -> list[str]:
        result = tools.run(DUMP, "--offsets-decoder", "--files", str(written[name][0]))
        lines = [line for line in result.lines if "payload" in line and "console-consumer" not in line]
        return [same(line.partition("key: ")[2]) for line in lines]

    ours = decoded("kopfka")
    assert ours == decoded("kafka")
    assert len(ours) > 10


async def test_what_kafka_wrote_is_loaded_here(written: dict[str, Any]) -> None:
    path, _ = written["kafka"]
    data = path.read_bytes()
    log = Log(1)
    for position, header in split_batches(data):
        if header.magic == 2 and not header.is_control:
            records = [OffsetsRecord(record.key or b"", record.value) for record in decode_batch(data, position)]
            log.partitions.setdefault(0, []).extend(records)
    coordinator = GroupCoordinator(log, GroupSettings(), cluster=Cluster(TOPICS))
    await coordinator.load()
    committed = {(group, topic, index): offset for group, topic, index, offset in coordinator.committed_offsets()}
    for group in ("members", "simple", "old"):
        assert any(key[0] == group for key in committed)
    assert committed["members", "orders", 0] == 7
    assert committed["members", "orders", 3] == 2**40
    assert committed["members", "bills", 1] == 0
    assert not any(key[0] == "gone" for key in committed)
    groups = coordinator._core.membership.groups
    assert {"members", "simple", "old", "left", "asked", "end"} <= groups.keys()
    (member,) = groups["members"].members.values()
    assert (member.group_instance_id, member.assignment) == ("i", b"\0\1all")
    assert (groups["members"].generation, groups["members"].state.value) == (1, "Stable")
    assert (groups["left"].generation, groups["left"].state.value) == (2, "Empty")
    coordinator.close()

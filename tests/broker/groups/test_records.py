"""Kafka's schemas of `__consumer_offsets`, and where a group's records are."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_broker.coordinators.partitions import java_hash, partition_for
from kopfka_broker.groups.errors import MalformedRecordError
from kopfka_broker.groups.records import (
    CommittedOffset,
    GroupKey,
    GroupMetadata,
    MemberMetadata,
    OffsetKey,
    OtherKey,
    decode_group_value,
    decode_key,
    decode_offset_value,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
int32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
members = st.builds(
    MemberMetadata, texts, st.none() | texts, texts, texts, int32, int32, st.binary(max_size=30), st.binary(max_size=30)
)


@settings(deadline=None)
@given(texts, texts, int32)
def test_keys_read_back(group: str, topic: str, partition: int) -> None:
    assert decode_key(encode_offset_key(group, topic, partition)) == OffsetKey(group, topic, partition)
    assert decode_key(encode_group_key(group)) == GroupKey(group)


@settings(deadline=None)
@given(int64, int32, texts, int64, st.none() | st.integers(1, 2**128 - 1).map(lambda number: UUID(int=number)))
def test_offsets_read_back(offset: int, epoch: int, metadata: str, timestamp: int, topic_id: UUID | None) -> None:
    value = CommittedOffset(offset, epoch, metadata, timestamp, -1, topic_id)
    assert decode_offset_value(encode_offset_value(value)) == value


@settings(deadline=None)
@given(int64, texts, int64, int64.filter(lambda time: time != -1))
def test_offsets_with_a_time_to_expire_read_back(offset: int, metadata: str, timestamp: int, expires: int) -> None:
    value = CommittedOffset(offset, -1, metadata, timestamp, expires)
    assert decode_offset_value(encode_offset_value(value)) == value


@settings(deadline=None)
@given(texts, int32, st.none() | texts, st.none() | texts, int64, st.lists(members, max_size=4))
def test_groups_read_back(
    kind: str, generation: int, protocol: str | None, leader: str | None, timestamp: int, given: list[MemberMetadata]
) -> None:
    value = GroupMetadata(kind, generation, protocol, leader, timestamp, tuple(given))
    assert decode_group_value(encode_group_value(value)) == value


def test_bytes_are_kafkas() -> None:
    assert encode_offset_key("g", "t", 3) == bytes.fromhex("0001 000167 000174 00000003")
    assert encode_group_key("g") == bytes.fromhex("0002 000167")
    value = CommittedOffset(5, 2, "m", 9, -1, UUID(int=1))
    assert encode_offset_value(value) == bytes.fromhex(
        "0004 0000000000000005 00000002 026d 0000000000000009 01 00 10 00000000000000000000000000000001"
    )
    old = CommittedOffset(5, 2, "m", 9, 10)
    assert encode_offset_value(old) == bytes.fromhex("0001 0000000000000005 00016d 0000000000000009 000000000000000a")


def test_every_version_of_an_offset_is_read() -> None:
    offset, metadata, time = "0000000000000005", "00016d", "0000000000000009"
    assert decode_offset_value(bytes.fromhex(f"0000{offset}{metadata}{time}")) == CommittedOffset(5, -1, "m", 9)
    assert decode_offset_value(bytes.fromhex(f"0002{offset}{metadata}{time}")) == CommittedOffset(5, -1, "m", 9)
    assert decode_offset_value(bytes.fromhex(f"0003{offset}00000002{metadata}{time}")) == CommittedOffset(5, 2, "m", 9)
    unknown_tag = bytes.fromhex(f"0004{offset}00000002026d{time}01 07 02 ffff")
    assert decode_offset_value(unknown_tag) == CommittedOffset(5, 2, "m", 9)


def test_every_version_of_a_group_is_read() -> None:
    member = MemberMetadata("m", None, "c", "/h", -1, 7, b"s", b"a")
    parts = "00016d {instance} 000163 00022f68 {rebalance} 00000007 00000001 73 00000001 61"
    head = "00026363 00000003 000170 00016d {time} 00000001"

    def read(version: int, **fields: str) -> GroupMetadata:
        given = {"instance": "", "rebalance": "", "time": ""} | fields
        return decode_group_value(bytes.fromhex(f"{version:04x}" + (head + parts).format(**given)))

    whole = GroupMetadata("cc", 3, "p", "m", -1, (member,))
    assert read(0) == whole
    assert read(1, rebalance="ffffffff") == whole
    assert read(2, rebalance="ffffffff", time="ffffffffffffffff") == whole
    assert read(3, rebalance="ffffffff", time="ffffffffffffffff", instance="ffff") == whole
    flexible = (
        "0004 036363 00000003 0270 026d ffffffffffffffff 02 026d 00 0263 032f68 ffffffff 00000007 0273 0261 00 00"
    )
    assert decode_group_value(bytes.fromhex(flexible)) == whole


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_are_more_than_malformed(data: bytes) -> None:
    for decode in (decode_key, decode_offset_value, decode_group_value):
        try:
            decode(data)  # type: ignore[operator]
        except MalformedRecordError:
            continue


def test_other_kinds_are_told_apart() -> None:
    assert decode_key(b"\0\3\0\1g") == OtherKey(3)


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("", 0),
        ("a", 97),
        ("hello", 99162322),
        ("polygenelubricants", -(2**31)),
        ("größer", -1233337215),
        ("🙂", 1772965),
    ],
)
def test_hashes_are_javas(text: str, hashed: int) -> None:
    assert java_hash(text) == hashed


def test_partitions_are_kafkas() -> None:
    assert partition_for("polygenelubricants", 50) == 0
    assert partition_for("hello", 50) == 99162322 % 50

"""The same conversations with the bundled broker and with Apache Kafka 4.3 get the same answers, in every version."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from broker.groups.peers import Peer, Transcript, Wire, commits, enter, join, part, prepare, sync
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from support.kafka import running_kafka
from support.prerequisites import need_java
from support.processes import running_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.java

CONFIG = (
    "node.id=1\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=3\ngroup.max.size=3\n"
    # groups without members and offsets go when somebody looks, ten minutes from the start by default
    "offsets.retention.check.interval.ms=86400000\n"
)


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Peer]]:
    need_java()
    folder = tmp_path_factory.mktemp("peers")
    with running_broker(folder / "kopfka", CONFIG) as ours, running_kafka(folder / "kafka", CONFIG) as theirs:
        yield [prepare(ours.bootstrap), prepare(theirs.bootstrap)]


def versions(key: ApiKey) -> range:
    low, high = KAFKA_VERSIONS[key]
    return range(low, high + 1)


def describe(wire: Wire, note: Any, *groups: str) -> None:
    """Note what an administrator sees."""
    fields = {"groups": groups, "include_authorized_operations": False}
    note("described", wire.call(ApiKey.DESCRIBE_GROUPS, 6, **fields))


# ---- conversations


def nobody_is_there(peer: Peer, note: Any) -> None:
    """Every request about a group that does not exist, or to one without a name."""
    wire = peer.wire()
    for group in ("absent", ""):
        for version in versions(ApiKey.JOIN_GROUP):
            note(f"join v{version} {group}", wire.call(ApiKey.JOIN_GROUP, version, **join(version, group, "who")))
        member = {"group_id": group, "generation_id": 1, "member_id": "who"}
        for version in versions(ApiKey.HEARTBEAT):
            note(f"heartbeat v{version} {group}", wire.call(ApiKey.HEARTBEAT, version, **member))
        for version in versions(ApiKey.SYNC_GROUP):
            fields = member | {"assignments": (), "protocol_type": "consumer", "protocol_name": "range"}
            note(f"sync v{version} {group}", wire.call(ApiKey.SYNC_GROUP, version, **fields))
        note(f"sync without protocol {group}", wire.call(ApiKey.SYNC_GROUP, 5, **member, assignments=()))
        for version in versions(ApiKey.LEAVE_GROUP):
            identity = part("MemberIdentity", member_id="who", group_instance_id=None)
            fields = {"group_id": group, "member_id": "who", "members": [identity]}
            note(f"leave v{version} {group}", wire.call(ApiKey.LEAVE_GROUP, version, **fields))
        for version in versions(ApiKey.OFFSET_COMMIT):
            fields = {"group_id": group, "generation_id_or_member_epoch": 3, "member_id": "who"}
            topics = commits({"orders": {0: 1, 9: 1}, "nowhere": {0: 1}}, peer.topic_ids)
            note(f"commit v{version} {group}", wire.call(ApiKey.OFFSET_COMMIT, version, **fields, topics=topics))
        fetches(peer, wire, note, group)
        for version in versions(ApiKey.DESCRIBE_GROUPS):
            for operations in (False, True):
                fields = {"groups": (group, "gone"), "include_authorized_operations": operations}
                answer = wire.call(ApiKey.DESCRIBE_GROUPS, version, **fields)
                note(f"describe v{version} {group} {operations}", answer)
        for version in versions(ApiKey.DELETE_GROUPS):
            answer = wire.call(ApiKey.DELETE_GROUPS, version, groups_names=(group, "gone", group))
            note(f"delete v{version} {group}", answer)
        topic = part(
            "OffsetDeleteRequestTopic",
            name="orders",
            partitions=[part("OffsetDeleteRequestPartition", partition_index=0)],
        )
        note(f"offset delete {group}", wire.call(ApiKey.OFFSET_DELETE, 0, group_id=group, topics=[topic]))


def fetches(peer: Peer, wire: Wire, note: Any, group: str) -> None:
    """OffsetFetch in every version, of some partitions and of all."""
    wanted = {"orders": (0, 1, 9), "nowhere": (0,)}
    for version in versions(ApiKey.OFFSET_FETCH):
        kind = "OffsetFetchRequestTopics" if version >= 8 else "OffsetFetchRequestTopic"
        some = [
            part(kind, name=name, topic_id=peer.topic_ids.get(name), partition_indexes=indexes)
            for name, indexes in wanted.items()
        ]
        for what, topics in (("some", some), ("all", None)):
            if topics is None and version < 2:
                continue
            one = part("OffsetFetchRequestGroup", group_id=group, member_id=None, member_epoch=-1, topics=topics)
            fields = {"group_id": group, "topics": topics, "groups": [one], "require_stable": version == 7}
            note(f"fetch {what} v{version} {group}", wire.call(ApiKey.OFFSET_FETCH, version, **fields))


def coordinators(peer: Peer, note: Any) -> None:
    """FindCoordinator of groups in every version, and of what is none."""
    wire = peer.wire()
    for version in versions(ApiKey.FIND_COORDINATOR):
        for key_type in (0, 9) if version else (0,):
            fields = {"key": "g", "key_type": key_type, "coordinator_keys": ("g", "h", "")}
            note(f"v{version} type {key_type}", wire.call(ApiKey.FIND_COORDINATOR, version, **fields))
    note("share, too old", wire.call(ApiKey.FIND_COORDINATOR, 5, key_type=2, coordinator_keys=("g:x:0",)))
    note("share, malformed", wire.call(ApiKey.FIND_COORDINATOR, 6, key_type=2, coordinator_keys=("nonsense",)))


def one_member(peer: Peer, note: Any) -> None:
    """A whole life in every version of JoinGroup."""
    for version in versions(ApiKey.JOIN_GROUP):
        wire, group = peer.wire(), f"one-{version}"
        joined = enter(wire, note, group, version)
        synced = wire.call(ApiKey.SYNC_GROUP, min(version, 5), **sync(group, joined, {joined.member_id: b"all"}))
        note("sync", synced)
        describe(wire, note, group)
        member = {"group_id": group, "generation_id": joined.generation_id, "member_id": joined.member_id}
        note("heartbeat", wire.call(ApiKey.HEARTBEAT, min(version, 4), **member))
        note("sync again", wire.call(ApiKey.SYNC_GROUP, min(version, 5), **sync(group, joined)))
        commit = {
            "group_id": group,
            "generation_id_or_member_epoch": joined.generation_id,
            "member_id": joined.member_id,
        }
        topics = commits({"orders": {0: 7, 1: (8, "why")}, "bills": {0: (1, "x" * 5000), 5: 1}}, peer.topic_ids)
        note("commit", wire.call(ApiKey.OFFSET_COMMIT, max(version, 2), **commit, topics=topics))
        fetches(peer, wire, note, group)
        none = {"generation_id_or_member_epoch": -1}
        for wrong in ({"generation_id_or_member_epoch": 99}, {"member_id": "who"}, none, none | {"member_id": ""}):
            answer = wire.call(ApiKey.OFFSET_COMMIT, 9, **(commit | wrong), topics=commits({"orders": {0: 9}}))
            note(f"commit {wrong}", answer)
        note("heartbeat of old", wire.call(ApiKey.HEARTBEAT, 4, **(member | {"generation_id": 0})))
        note("sync of old", wire.call(ApiKey.SYNC_GROUP, 5, **sync(group, joined, generation_id=7)))
        note("sync of other protocol", wire.call(ApiKey.SYNC_GROUP, 5, **sync(group, joined, protocol_name="other")))
        note("sync of other type", wire.call(ApiKey.SYNC_GROUP, 5, **sync(group, joined, protocol_type="connect")))
        note("delete", wire.call(ApiKey.DELETE_GROUPS, 2, groups_names=(group,)))
        note("leader joins again", wire.call(ApiKey.JOIN_GROUP, version, **join(version, group, joined.member_id)))
        identity = part("MemberIdentity", member_id=joined.member_id, group_instance_id=None)
        leave = {"group_id": group, "member_id": joined.member_id, "members": [identity]}
        note("leave", wire.call(ApiKey.LEAVE_GROUP, min(version, 5), **leave))
        describe(wire, note, group)
        note(
            "commit of the one that left",
            wire.call(ApiKey.OFFSET_COMMIT, 9, **commit, topics=commits({"orders": {0: 9}})),
        )
        simple = commit | {"generation_id_or_member_epoch": -1, "member_id": ""}
        note("simple commit", wire.call(ApiKey.OFFSET_COMMIT, 9, **simple, topics=commits({"orders": {2: 3}})))
        note("delete", wire.call(ApiKey.DELETE_GROUPS, 2, groups_names=(group,)))
        fetches(peer, wire, note, group)


def two_members(peer: Peer, note: Any) -> None:
    """A rebalance: what each of two members is told, and what is refused meanwhile."""
    a, b, group = peer.wire(), peer.wire(), "two"
    first = enter(a, note, group)
    second = note("b asks", b.call(ApiKey.JOIN_GROUP, 9, **join(9, group)))
    b.send(ApiKey.JOIN_GROUP, 9, **join(9, group, second.member_id))
    member = {"group_id": group, "generation_id": first.generation_id, "member_id": first.member_id}
    # b may be a moment behind on its own connection: once a is told of the rebalance, b has joined
    while a.call(ApiKey.HEARTBEAT, 4, **member).error_code != 27:
        pass
    describe(a, note, group)
    note("sync while joining", a.call(ApiKey.SYNC_GROUP, 5, **sync(group, first)))
    commit = {"group_id": group, "generation_id_or_member_epoch": first.generation_id, "member_id": first.member_id}
    note("commit while joining", a.call(ApiKey.OFFSET_COMMIT, 9, **commit, topics=commits({"orders": {0: 9}})))
    first = note("a joins again", a.call(ApiKey.JOIN_GROUP, 9, **join(9, group, first.member_id)))
    second = note("b joined", b.receive())
    commit["generation_id_or_member_epoch"] = first.generation_id
    note("commit while syncing", a.call(ApiKey.OFFSET_COMMIT, 9, **commit, topics=commits({"orders": {0: 9}})))
    describe(a, note, group)
    note("b repeats", b.call(ApiKey.JOIN_GROUP, 9, **join(9, group, second.member_id)))
    b.send(ApiKey.SYNC_GROUP, 5, **sync(group, second))
    note("a syncs", a.call(ApiKey.SYNC_GROUP, 5, **sync(group, first, {first.member_id: b"a", second.member_id: b"b"})))
    note("b syncs", b.receive())
    note("b repeats, stable", b.call(ApiKey.JOIN_GROUP, 9, **join(9, group, second.member_id)))
    describe(a, note, group)
    strange = peer.wire()
    note("other protocol", strange.call(ApiKey.JOIN_GROUP, 9, **join(9, group, protocols=("other",))))
    note("no protocol", strange.call(ApiKey.JOIN_GROUP, 9, **join(9, group, protocols=())))
    note("other type", strange.call(ApiKey.JOIN_GROUP, 9, **join(9, group, protocol_type="connect")))
    note("no protocol, new", strange.call(ApiKey.JOIN_GROUP, 9, **join(9, "fresh", protocols=())))
    describe(strange, note, "fresh")
    for timeout in (1, 5_999, 1_800_001):
        note(f"session {timeout}", strange.call(ApiKey.JOIN_GROUP, 9, **join(9, group, session_timeout=timeout)))
    leavers = [
        part("MemberIdentity", member_id=second.member_id, group_instance_id=None, reason="why"),
        part("MemberIdentity", member_id="who", group_instance_id=None),
        part("MemberIdentity", member_id="", group_instance_id="no such"),
        part("MemberIdentity", member_id=first.member_id, group_instance_id="no such"),
    ]
    note("leave", a.call(ApiKey.LEAVE_GROUP, 5, group_id=group, members=leavers))
    describe(a, note, group)


def votes(peer: Peer, note: Any) -> None:
    """Which protocol wins, among equals too."""
    pairs = [(("x", "y"), ("y", "x")), (("range", "roundrobin"), ("roundrobin", "range")),
             (("sticky", "range"), ("range", "other", "sticky")), (("b", "a", "c"), ("c", "b", "a"))]  # fmt: skip
    for number, (one, other) in enumerate(pairs):
        a, b, group = peer.wire(), peer.wire(), f"votes-{number}"
        first = enter(a, note, group, 3, protocols=one)
        b.send(ApiKey.JOIN_GROUP, 3, **join(3, group, protocols=other))
        member = {"group_id": group, "generation_id": first.generation_id, "member_id": first.member_id}
        while a.call(ApiKey.HEARTBEAT, 4, **member).error_code != 27:
            pass
        first = a.call(ApiKey.JOIN_GROUP, 3, **join(3, group, first.member_id, protocols=one))
        note(f"{one} and {other}", (first.protocol_name, b.receive().protocol_name))


def static_members(peer: Peer, note: Any) -> None:
    """A static member comes back under its name, and the one before is fenced."""
    for version in range(5, 10):
        wire, group = peer.wire(), f"static-{version}"
        joined = enter(wire, note, group, version, group_instance_id="i")
        synced = sync(group, joined, {joined.member_id: b"all"}, group_instance_id="i")
        note("sync", wire.call(ApiKey.SYNC_GROUP, 5, **synced))
        again = enter(wire, note, group, version, group_instance_id="i")
        describe(wire, note, group)
        old = {"group_id": group, "generation_id": joined.generation_id, "member_id": joined.member_id}
        fenced = old | {"group_instance_id": "i"}
        note("heartbeat of the fenced", wire.call(ApiKey.HEARTBEAT, 4, **fenced))
        note("heartbeat without name", wire.call(ApiKey.HEARTBEAT, 4, **old))
        note("heartbeat of another name", wire.call(ApiKey.HEARTBEAT, 4, **old, group_instance_id="j"))
        note("sync of the fenced", wire.call(ApiKey.SYNC_GROUP, 5, **synced))
        rejoin = join(version, group, joined.member_id, group_instance_id="i")
        note("join of the fenced", wire.call(ApiKey.JOIN_GROUP, version, **rejoin))
        commit = {"group_id": group, "generation_id_or_member_epoch": joined.generation_id, "group_instance_id": "i"}
        topics = commits({"orders": {0: 9}})
        note(
            "commit of the fenced",
            wire.call(ApiKey.OFFSET_COMMIT, 9, **commit, member_id=joined.member_id, topics=topics),
        )
        note("commit", wire.call(ApiKey.OFFSET_COMMIT, 9, **commit, member_id=again.member_id, topics=topics))
        changed = enter(wire, note, group, version, group_instance_id="i", protocols=("other", "range"))
        note("sync of the new", wire.call(ApiKey.SYNC_GROUP, 5, **sync(group, changed, group_instance_id="i")))
        describe(wire, note, group)
        gone = [part("MemberIdentity", member_id="", group_instance_id="i")]
        note("removed by name", wire.call(ApiKey.LEAVE_GROUP, 5, group_id=group, members=gone))
        describe(wire, note, group)


def too_many(peer: Peer, note: Any) -> None:
    """group.max.size turns the fourth member away."""
    group, wires = "crowd", [peer.wire() for _ in range(3)]
    first = enter(wires[0], note, group, 3)
    for wire in wires[1:]:
        wire.send(ApiKey.JOIN_GROUP, 3, **join(3, group))
    member = {"group_id": group, "generation_id": first.generation_id, "member_id": first.member_id}
    while wires[0].call(ApiKey.HEARTBEAT, 4, **member).error_code != 27:
        pass
    fields = {"groups": (group,), "include_authorized_operations": False}
    while len(wires[0].call(ApiKey.DESCRIBE_GROUPS, 6, **fields).groups[0].members) < 3:
        pass
    note("back", wires[0].call(ApiKey.JOIN_GROUP, 3, **join(3, group, first.member_id)).error_code)
    fourth = peer.wire()
    note("new", fourth.call(ApiKey.JOIN_GROUP, 9, **join(9, group)))
    note("unknown", fourth.call(ApiKey.JOIN_GROUP, 9, **join(9, group, "who")))


def lists(peer: Peer, note: Any) -> None:
    """ListGroups in every version, with and without filters."""
    wire = peer.wire()
    joined = enter(wire, note, "list-stable", session_timeout=60_000)
    wire.call(ApiKey.SYNC_GROUP, 5, **sync("list-stable", joined, {joined.member_id: b"all"}))
    commit = {"group_id": "list-empty", "generation_id_or_member_epoch": -1, "member_id": ""}
    wire.call(ApiKey.OFFSET_COMMIT, 9, **commit, topics=commits({"orders": {0: 1}}))

    def listed(what: str, version: int, **filters: tuple[str, ...]) -> None:
        answer = wire.call(ApiKey.LIST_GROUPS, version, **filters)
        note(what, (answer.error_code, tuple(group for group in answer.groups if group.group_id.startswith("list-"))))

    for version in versions(ApiKey.LIST_GROUPS):
        listed(f"v{version}", version)
    for state in ("Stable", " eMpty ", "Dead", "nonsense", ""):
        listed(f"state {state!r}", 5, states_filter=(state,))
    for kind in ("classic", "CLASSIC", "consumer", "nonsense", ""):
        listed(f"type {kind!r}", 5, types_filter=(kind,))


def deletions(peer: Peer, note: Any) -> None:
    """OffsetDelete with members who read a topic, with members of another kind, and without members."""
    for group, kind in (("kept", "consumer"), ("opaque", "connect"), ("open", None)):
        wire = peer.wire()
        commit = {"group_id": group, "generation_id_or_member_epoch": -1, "member_id": ""}
        topics = commits({"orders": {0: 1, 1: 2}, "bills": {0: 3, 1: 4}})
        note("commit", wire.call(ApiKey.OFFSET_COMMIT, 9, **commit, topics=topics))
        if kind is not None:
            joined = enter(wire, note, group, protocol_type=kind)
            given = sync(group, joined, {joined.member_id: b"all"}, protocol_type=kind)
            note("sync", wire.call(ApiKey.SYNC_GROUP, 5, **given))
        forget = [
            part("OffsetDeleteRequestTopic", name=name, partitions=[
                part("OffsetDeleteRequestPartition", partition_index=index) for index in (0, 3, 7)
            ])
            for name in ("orders", "bills", "nowhere")
        ]  # fmt: skip
        note(f"delete of {group}", wire.call(ApiKey.OFFSET_DELETE, 0, group_id=group, topics=forget))
        fetches(peer, wire, note, group)
        note("delete group", wire.call(ApiKey.DELETE_GROUPS, 2, groups_names=(group,)))


@pytest.mark.parametrize(
    "conversation",
    [nobody_is_there, coordinators, one_member, two_members, votes, static_members, too_many, lists, deletions],
    ids=lambda conversation: conversation.__name__,
)
def test_both_answer_alike(conversation: Callable[[Peer, Any], None], peers: list[Peer]) -> None:
    transcripts = []
    for peer in peers:
        transcript = Transcript(peer.topic_ids)
        try:
            conversation(peer, transcript.note)
        finally:
            for wire in peer.wires:
                with contextlib.suppress(OSError):
                    wire.close()
            peer.wires.clear()
        transcripts.append(transcript.entries)
    ours, theirs = transcripts
    different = [
        f"{what}\n  kopfka       {our}\n  apache kafka {their}"
        for (what, our), (_, their) in zip(ours, theirs, strict=True)
        if our != their
    ]
    assert not different, "\n".join(different)

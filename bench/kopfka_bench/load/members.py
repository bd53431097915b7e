"""A classic group whose members are plain connections: how long the coordinator takes to rebalance it.

All requests of a rebalance are encoded before it begins, so that the client is not what takes the time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kopfka_bench.brokers.waiting import eventually
from kopfka_bench.errors import RefusedError
from kopfka_bench.load.streams import check
from kopfka_bench.protocol.frames import framed
from kopfka_bench.protocol.raw import CLOSED, RawConnection, decode, encode

if TYPE_CHECKING:
    from kopfka_bench.load.workers import Go

_JOIN, _SYNC, _HEARTBEAT = 5, 3, 3
_ERROR_AT = 4 + 4  # of all three: after correlation id and throttle
_SESSION_MS = 60_000
_METADATA = bytes(100)
_ASSIGNMENT = bytes(200)


def rebalances(go: Go, bootstrap: str, group: str, members: int, count: int) -> list[float]:
    """Form a group, and return the seconds of each of so many rebalances: from the leader's join to the last sync."""
    connections = [RawConnection(bootstrap, seconds=60) for _ in range(members)]
    find_coordinator(connections[0], group)
    ids = [_new_id(connection, group) for connection in connections]
    generation = _form(bootstrap, connections, group, ids)
    go()
    times = [_rebalance(connections, group, ids, generation + number) for number in range(count)]
    for connection in connections:
        connection.close()
    return times


def find_coordinator(connection: RawConnection, group: str) -> None:
    """Return when the group's coordinator answers, which has `__consumer_offsets` made first."""

    def found() -> bool:
        answer = connection.call("find_coordinator", 2, key=group, key_type=0)
        if answer is CLOSED or answer["error_code"] != "none":
            return False
        got = connection.call("offset_fetch", 5, group_id=group, topics=[])
        return bool(got is not CLOSED and got["error_code"] == "none")

    eventually(found, seconds=60, what=f"the coordinator of {group}")


def _new_id(connection: RawConnection, group: str) -> str:
    answer = connection.call("join_group", _JOIN, **_join(group, ""))
    if answer is CLOSED or answer["error_code"] != "member_id_required":
        raise RefusedError(f"a new member was answered {answer}")
    return str(answer["member_id"])


def _form(bootstrap: str, connections: list[RawConnection], group: str, ids: list[str]) -> int:
    """Let all members in, and return the generation they are in."""
    connections[0].call("join_group", _JOIN, **_join(group, ids[0]))
    for connection, member in zip(connections[1:], ids[1:], strict=True):
        connection.send(framed(encode("join_group", _JOIN, _join(group, member))))
    with RawConnection(bootstrap) as other:  # who joined waits for the first to come again
        eventually(lambda: _known(other, group) == len(ids), what=f"{len(ids)} members to join")
    answer = connections[0].call("join_group", _JOIN, **_join(group, ids[0]))
    generation = int(answer["generation_id"])
    for connection in connections[1:]:
        _, got = decode("join_group", _JOIN, _received(connection))
        if got["error_code"] != "none" or got["generation_id"] != generation:
            raise RefusedError(f"a member was answered {got}, the leader {answer}")
    _sync(connections, _syncs(group, ids, generation))
    return generation


def _known(connection: RawConnection, group: str) -> int:
    answer = connection.call("describe_groups", 5, groups=[group])
    return 0 if answer is CLOSED else len(answer["groups"][0]["members"])


def _rebalance(connections: list[RawConnection], group: str, ids: list[str], generation: int) -> float:
    joins = [framed(encode("join_group", _JOIN, _join(group, member))) for member in ids]
    syncs = _syncs(group, ids, generation + 1)
    beat = encode("heartbeat", _HEARTBEAT, {"group_id": group, "generation_id": generation, "member_id": ids[1]})
    begun = time.perf_counter()
    connections[0].send(joins[0])
    while int.from_bytes((connections[1].exchange(beat) or b"\xff" * 10)[_ERROR_AT : _ERROR_AT + 2], "big") == 0:
        pass  # the others learn of it by their heartbeats
    for connection, join in zip(connections[1:], joins[1:], strict=True):
        connection.send(join)
    for connection in connections:
        check(bytearray(_received(connection)), _ERROR_AT)
    _sync(connections, syncs)
    return time.perf_counter() - begun


def _received(connection: RawConnection) -> bytes:
    answer = connection.receive()
    if answer is None:
        raise RefusedError("the broker closed a member's connection")
    return answer


def _sync(connections: list[RawConnection], syncs: list[bytes]) -> None:
    for connection, sync in zip(connections, syncs, strict=True):
        connection.send(sync)
    for connection in connections:
        check(bytearray(_received(connection)), _ERROR_AT)


def _syncs(group: str, ids: list[str], generation: int) -> list[bytes]:
    given = [{"member_id": member, "assignment": _ASSIGNMENT} for member in ids]
    return [
        framed(
            encode(
                "sync_group",
                _SYNC,
                {
                    "group_id": group,
                    "generation_id": generation,
                    "member_id": member,
                    "assignments": given if member == ids[0] else [],
                },
            )
        )
        for member in ids
    ]


def _join(group: str, member: str) -> dict[str, Any]:
    return {
        "group_id": group,
        "session_timeout": _SESSION_MS,
        "rebalance_timeout": _SESSION_MS,
        "member_id": member,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": _METADATA}],
    }

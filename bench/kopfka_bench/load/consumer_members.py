"""A group of KIP-848 whose members are plain connections: how long the coordinator takes until all have what is theirs.

Members send heartbeats one after the other without a pause, give up and take partitions at once, and tell of it in the
next heartbeat. What most heartbeats are, one without news, is encoded once for each member.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_bench.errors import NotInTimeError, RefusedError
from kopfka_bench.load.members import find_coordinator
from kopfka_bench.load.streams import check
from kopfka_bench.protocol.frames import framed
from kopfka_bench.protocol.raw import RawConnection, decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.load.workers import Go

_API, _VERSION = "consumer_group_heartbeat", 1
_JOIN, _LEAVE = 0, -1
_REBALANCE_MS = 60_000
_SECONDS = 60.0
_ERROR_AT = 4 + 1 + 4  # correlation id, tags, throttle
_NULL = 0xFF

Owned = dict[str, list[int]]


@dataclass(slots=True)
class Member:
    """One member, and what it knows."""

    group: str
    topic: str
    connection: RawConnection
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    epoch: int = _JOIN
    owned: Owned = field(default_factory=dict)
    told: bool = False
    """Whether the coordinator has heard what it owns."""
    _quiet: bytes = b""
    _epoch_at: int = 0

    def beat(self) -> None:
        """Send the next heartbeat."""
        if self.epoch == _JOIN:
            given = {"rebalance_timeout": _REBALANCE_MS, "subscribed_topic_names": [self.topic], "topic_partitions": []}
            self.connection.send(framed(self._encoded(self.epoch, **given)))
        elif self.told:
            self.connection.send(self._without_news())
        else:
            owned = [{"topic_id": topic, "partitions": numbers} for topic, numbers in self.owned.items()]
            self.connection.send(framed(self._encoded(self.epoch, topic_partitions=owned)))
            self.told = True

    def heard(self) -> None:
        """Take the answer to a heartbeat."""
        answer = self.connection.receive()
        if answer is None:
            raise RefusedError("the broker closed a member's connection")
        check(bytearray(answer), _ERROR_AT)
        at = _ERROR_AT + 2 + 1  # no message where there is no error
        at += max(1, answer[at])  # the member's id, its length and itself
        epoch = int.from_bytes(answer[at : at + 4], "big", signed=True)
        if answer[at + 8] != _NULL:
            _, got = decode(_API, _VERSION, answer)
            self.owned = {part["topic_id"]: part["partitions"] for part in got["assignment"]["topic_partitions"]}
            self.told = False
        elif self.epoch == _JOIN:
            self.told = False
        self.epoch = epoch

    def leave(self) -> None:
        """Leave the group, and be another member from now on."""
        self.connection.send(framed(self._encoded(_LEAVE)))
        self.heard()
        self.id, self.epoch, self.owned, self._quiet = str(uuid.uuid4()), _JOIN, {}, b""

    def _without_news(self) -> bytes:
        if not self._quiet:
            self._quiet, other = framed(self._encoded(1)), framed(self._encoded(0x7EFEFEFE))
            self._epoch_at = next(at for at in range(len(other)) if self._quiet[at] != other[at])
        data = bytearray(self._quiet)
        data[self._epoch_at : self._epoch_at + 4] = self.epoch.to_bytes(4, "big")
        return bytes(data)

    def _encoded(self, epoch: int, **fields: Any) -> bytes:
        given = {"group_id": self.group, "member_id": self.id, "member_epoch": epoch, "rebalance_timeout": -1}
        return encode(_API, _VERSION, given | {"topic_partitions": None, "subscribed_topic_names": None} | fields)


@dataclass(frozen=True, slots=True)
class Shared:
    """A topic, and how many share its partitions."""

    topic: str
    partitions: int
    members: int


def replacements(go: Go, bootstrap: str, group: str, shared: Shared, count: int) -> tuple[float, list[float]]:
    """Form a group over all partitions of a topic; replace one member by a new one, so many times.

    Returns:
        Seconds until all members had what is theirs: of the group's forming, and of each replacement.
    """
    partitions = shared.partitions
    own = [Member(group, shared.topic, RawConnection(bootstrap, seconds=_SECONDS)) for _ in range(shared.members)]
    find_coordinator(own[0].connection, group)
    go()
    begun = time.perf_counter()
    _settle(own, partitions, above=0)
    formed = time.perf_counter() - begun
    times = []
    for number in range(count):
        before = own[0].epoch
        begun = time.perf_counter()
        one = own[number % len(own)]
        one.leave()
        _settle(own, partitions, above=before)
        times.append(time.perf_counter() - begun)
    for member in own:
        member.connection.close()
    return formed, times


def _settle(members: Sequence[Member], partitions: int, *, above: int) -> None:
    """Send heartbeats until all members are in one epoch above `above`, and all partitions are owned and told of."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for member in members:
            member.beat()
        for member in members:
            member.heard()
        epochs = {member.epoch for member in members}
        if len(epochs) == 1 and epochs.pop() > above and all(member.told for member in members):
            owned = [(topic, one) for member in members for topic, all_ in member.owned.items() for one in all_]
            if len(owned) == len(set(owned)) == partitions:
                return
    raise NotInTimeError(f"{len(members)} members had not got {partitions} partitions in {_SECONDS} s")

"""Offsets committed by groups, each until it is taken: what a load of commits needs before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.brokers.waiting import eventually
from kopfka_bench.load.members import find_coordinator
from kopfka_bench.protocol.raw import CLOSED, RawConnection

if TYPE_CHECKING:
    from collections.abc import Sequence


def commit_once(bootstrap: str, topic: str, groups: Sequence[str]) -> None:
    """Have each group commit an offset of the topic's partition 0; returns when the last was taken."""
    part = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1, "committed_metadata": ""}
    with RawConnection(bootstrap, seconds=60) as connection:
        find_coordinator(connection, groups[0])
        for group in groups:
            fields = {
                "group_id": group,
                "generation_id_or_member_epoch": -1,
                "member_id": "",
                "topics": [{"name": topic, "partitions": [part]}],
            }

            def taken(fields: dict[str, object] = fields) -> bool:
                answer = connection.call("offset_commit", 8, **fields)
                return answer is not CLOSED and answer["topics"][0]["partitions"][0]["error_code"] == "none"

            eventually(taken, every=0.01, what=f"an offset of {group} to be committed")

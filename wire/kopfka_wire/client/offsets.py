"""ListOffsets: the start and the end of partitions, and offsets by time. One attempt; retries are the caller's."""

from __future__ import annotations

import asyncio
import enum
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from kopfka_wire.apis import ApiKey
from kopfka_wire.error_codes import StaleMetadataError, broker_error, check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.metadata import Leader

EARLIEST: Final = -2
"""As an offset: the first one there is (ListOffsets' own number for it)."""
LATEST: Final = -1
"""As an offset: the one that the next record gets."""
_CONSUMER: Final = -1
"""The replica id of who is none."""


class Isolation(enum.IntEnum):
    """`isolation.level`."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


async def list_offsets(
    cluster: Cluster, topic: str, partitions: Iterable[int], timestamp: int, isolation: Isolation
) -> dict[int, int]:
    """Ask the leaders of partitions for an offset each: at LATEST, EARLIEST, or a time in milliseconds.

    Raises:
        ClientError: one of them could not be asked, or refused; its metadata is asked for again next time.
    """
    by_node: dict[int, list[Leader]] = {}
    for partition in partitions:
        leader = await cluster.leader(topic, partition)
        by_node.setdefault(leader.node_id, []).append(leader)
    found: dict[int, int] = {}
    answers = [_ask(cluster, node_id, leaders, timestamp, isolation) for node_id, leaders in by_node.items()]
    for answer in await asyncio.gather(*answers):
        found |= answer
    return found


async def _ask(
    cluster: Cluster, node_id: int, leaders: list[Leader], timestamp: int, isolation: Isolation
) -> dict[int, int]:
    topic = leaders[0].topic
    connection = await cluster.connection(node_id)
    form = connection.form(ApiKey.LIST_OFFSETS, least=2 if isolation else 0)
    parts = tuple(
        form.make_part(
            "ListOffsetsPartition",
            partition_index=leader.partition,
            current_leader_epoch=leader.epoch,
            timestamp=timestamp,
        )
        for leader in leaders
    )
    request = form.make_request(
        replica_id=_CONSUMER,
        isolation_level=int(isolation),
        topics=(form.make_part("ListOffsetsTopic", name=topic, partitions=parts),),
        timeout=timedelta(seconds=cluster.settings.request_timeout),
    )
    (answer,) = (await connection.call(form, request)).topics
    found = {}
    for each in answer.partitions:
        what = f"asking for an offset of {topic}-{each.partition_index}"
        if each.error_code and isinstance(broker_error(each.error_code), StaleMetadataError):
            cluster.forget(topic)
        check(each.error_code, what)
        found[each.partition_index] = each.offset
    return found

"""Topics as groups see them: what a subscription matches, and a number that changes when that changes."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.ports import Cluster

    Partitions = Mapping[UUID, frozenset[int]]
    """Numbers of partitions by topic id."""

_INT64 = struct.Struct(">q")
_INT32 = struct.Struct(">i")


def topic_ids(names: Iterable[str], cluster: Cluster) -> frozenset[UUID]:
    """Return the ids of those of the topics that exist."""
    return frozenset(found for name in names if (found := cluster.topic_id(name)) is not None)


def metadata_hash(names: Iterable[str], cluster: Cluster) -> int:
    """Return a number that stands for ids and partition counts of those of the topics that exist; 0 for none.

    It is kept with the group's epoch: where it is another one than before, there is something new to assign. (Kafka
    keeps such a number in the same place, made in another way; a group taken over from Apache Kafka assigns once more.)
    """
    digest = hashlib.blake2b(digest_size=8)
    some = False
    for name in sorted(names):
        found = cluster.topic_id(name)
        if found is not None:
            some = True
            digest.update(found.bytes + _INT32.pack(cluster.partition_count(name)))
    return int(_INT64.unpack(digest.digest())[0]) if some else 0

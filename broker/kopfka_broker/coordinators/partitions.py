"""Which partition of an internal topic a group, a transactional id or a share partition belongs to, as every Kafka tool
computes it.
"""

from __future__ import annotations

from functools import lru_cache

from kopfka_broker.storage.checkpoints import decode_uuid


@lru_cache(maxsize=4096)
def java_hash(text: str) -> int:
    """Return what Java's `String.hashCode` gives: a signed 32-bit integer over UTF-16 code units."""
    value = 0
    for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def partition_for(name: str, partition_count: int) -> int:
    """Return the partition that holds the records of a group or a transactional id."""
    value = java_hash(name)
    return 0 if value == -(1 << 31) else abs(value) % partition_count


def is_share_key(key: str) -> bool:
    """Tell whether a key of FindCoordinator names a share partition: group, topic id and partition."""
    try:
        group, topic_id, partition = key.rsplit(":", 2)
        decode_uuid(topic_id)
        int(partition)
    except ValueError:
        return False
    return bool(group.strip())

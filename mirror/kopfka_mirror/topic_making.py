"""Topics on the target: internal ones, mirrored ones, their partitions and configs. What is to be done is `topics`'."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from kopfka_wire.client.admin import Admin
from kopfka_wire.error_codes import TopicExistsError, UnknownTopicError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_wire.client.cluster import Cluster

INTERNAL_FACTOR: Final = 3
TOPIC_FACTOR: Final = 2
"""MM2's defaults of the replication factors."""

log = logging.getLogger(__name__)


async def factor_for(cluster: Cluster, configured: int | None, default: int) -> int:
    """Return the replication factor: as configured, else MM2's default, but no more than there are brokers."""
    return configured if configured is not None else min(default, len(await cluster.node_ids()))


async def ensure_internal(
    cluster: Cluster, name: str, partitions: int, factor: int | None, configs: Mapping[str, str] | None = None
) -> int:
    """Create an internal topic (compacted, unless `configs` say otherwise) if need be; return its partitions."""
    admin = Admin(cluster)
    with contextlib.suppress(UnknownTopicError):
        return len((await admin.describe_topic(name)).partitions)
    wanted = {"cleanup.policy": "compact"} if configs is None else configs
    with contextlib.suppress(TopicExistsError):
        await admin.create_topic(name, partitions, await factor_for(cluster, factor, INTERNAL_FACTOR), wanted)
        log.info("created topic %s", name)
    return len((await admin.describe_topic(name)).partitions)

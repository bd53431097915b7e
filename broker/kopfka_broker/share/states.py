"""The words of share groups: states of a record's delivery, acknowledgements, ranges of offsets, and refusals."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

UNINITIALIZED: Final = -1
"""The start offset of a share partition that share.auto.offset.reset has not decided yet."""


class DeliveryState(enum.IntEnum):
    """What may happen to a record, numbered as the records of `__share_group_state` number it."""

    AVAILABLE = 0
    ACQUIRED = 1
    ACKNOWLEDGED = 2
    ARCHIVED = 4

    @property
    def final(self) -> bool:
        """Whether the record is never delivered again."""
        return self >= DeliveryState.ACKNOWLEDGED


class AcknowledgeType(enum.IntEnum):
    """What a consumer says about a record, numbered as on the wire."""

    GAP = 0
    """There is no record at this offset."""
    ACCEPT = 1
    RELEASE = 2
    REJECT = 3
    RENEW = 4
    """Not finished yet: keep it for me for another lock duration (KIP-1222)."""


STATE_AFTER: Final = {
    AcknowledgeType.GAP: DeliveryState.ARCHIVED,
    AcknowledgeType.ACCEPT: DeliveryState.ACKNOWLEDGED,
    AcknowledgeType.RELEASE: DeliveryState.AVAILABLE,
    AcknowledgeType.REJECT: DeliveryState.ARCHIVED,
}


class AcquireMode(enum.IntEnum):
    """How strictly a fetch keeps to the number of records it asks for (KIP-1206)."""

    BATCH_OPTIMIZED = 0
    """Whole batches of the log, even where that is more."""
    RECORD_LIMIT = 1


class SharePartitionKey(NamedTuple):
    """One partition as one share group sees it."""

    group: str
    topic_id: UUID
    partition: int


@dataclass(frozen=True, slots=True)
class StateBatch:
    """Offsets of one state, first and last included: how states are stored."""

    first: int
    last: int
    state: DeliveryState
    count: int
    """How often the records were delivered."""


@dataclass(frozen=True, slots=True)
class Acquired:
    """Offsets that were given to a consumer, first and last included."""

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a consumer says about a range of offsets: one type for all, or one for each."""

    first: int
    last: int
    types: Sequence[int]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the group's configs say about one share partition."""

    lock_duration_ms: int = 30_000
    """`share.record.lock.duration.ms`"""
    delivery_count: int = 5
    """`share.delivery.count.limit`"""
    record_locks: int = 2_000
    """`share.partition.max.record.locks`"""
    renew: bool = True
    """`share.renew.acknowledge.enable`"""


class ShareError(RefusedError):
    """A request about a share partition cannot be served, and Kafka's code and words for why."""


NOT_HOSTED: Final = "This server does not host this topic-partition."


def not_hosted() -> ShareError:
    """Return the refusal of a request about a partition that does not exist."""
    return ShareError(ErrorCode.unknown_topic_or_partition, NOT_HOSTED)


def invalid_state(message: str) -> ShareError:
    """Return the refusal of an acknowledgement by someone who does not hold the record."""
    return ShareError(ErrorCode.invalid_record_state, message)


def invalid_request(message: str) -> ShareError:
    """Return the refusal of a request that contradicts itself or the state."""
    return ShareError(ErrorCode.invalid_request, message)

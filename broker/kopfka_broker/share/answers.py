"""What is answered about one partition, by ShareFetch and ShareAcknowledge."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from kopfka_broker.share.sessions import Partition
    from kopfka_broker.share.states import Acquired, Limits, ShareError
    from kopfka_wire.codec import Codec

_NO_LEADER = {"leader_id": 0, "leader_epoch": 0}
"""What Kafka leaves in an answer that names no new leader."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How something about a partition ended."""

    code: ErrorCode = ErrorCode.none
    message: str | None = None


@dataclass(slots=True)
class Fetched:
    """What a fetch gives of a partition."""

    code: ErrorCode = ErrorCode.none
    records: bytes | memoryview = b""
    acquired: Sequence[Acquired] = ()
    acknowledged: Outcome = field(default_factory=Outcome)


def outcome(error: ShareError) -> Outcome:
    """Return what is answered for an error."""
    return Outcome(error.code, str(error))


def fetch_answer(form: Codec, fetched: Mapping[Partition, Fetched], limits: Limits) -> Any:
    """Make the answer of a ShareFetch."""
    topics: dict[UUID, list[Any]] = {}
    for (topic_id, index), each in fetched.items():
        acquired = tuple(
            form.make("AcquiredRecords", first_offset=a.first, last_offset=a.last, delivery_count=a.count)
            for a in each.acquired
        )
        part = form.make(
            "PartitionData",
            partition_index=index,
            error_code=each.code,
            acknowledge_error_code=each.acknowledged.code,
            acknowledge_error_message=each.acknowledged.message,
            current_leader=form.make("LeaderIdAndEpoch", **_NO_LEADER),
            records=bytes(each.records),
            acquired_records=acquired,
        )
        topics.setdefault(topic_id, []).append(part)
    return _whole(form, "ShareFetchableTopicResponse", topics, limits)


def acknowledge_answer(form: Codec, outcomes: Mapping[Partition, Outcome], limits: Limits) -> Any:
    """Make the answer of a ShareAcknowledge."""
    topics: dict[UUID, list[Any]] = {}
    for (topic_id, index), each in outcomes.items():
        part = form.make(
            "PartitionData",
            partition_index=index,
            error_code=each.code,
            error_message=each.message,
            current_leader=form.make("LeaderIdAndEpoch", **_NO_LEADER),
        )
        topics.setdefault(topic_id, []).append(part)
    return _whole(form, "ShareAcknowledgeTopicResponse", topics, limits)


def refused(form: Codec, code: ErrorCode) -> Any:
    """Make the answer of either API to a request that is refused as a whole; Kafka gives no reason besides."""
    return form.make(
        error_code=code,
        error_message=None,
        acquisition_lock_timeout=timedelta(0),
        responses=(),
        node_endpoints=(),
    )


def _whole(form: Codec, kind: str, topics: Mapping[UUID, Sequence[Any]], limits: Limits) -> Any:
    return form.make(
        error_code=ErrorCode.none,
        error_message=None,
        acquisition_lock_timeout=timedelta(milliseconds=limits.lock_duration_ms),
        responses=tuple(form.make(kind, topic_id=topic, partitions=tuple(parts)) for topic, parts in topics.items()),
        node_endpoints=(),
    )

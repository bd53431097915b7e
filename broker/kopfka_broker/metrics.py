"""What a broker counts. How it is shown is in `collector.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopfka_wire.apis import ApiKey


@dataclass(slots=True)
class TopicTraffic:
    """What went into and out of one topic since the start."""

    messages_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    produce_requests: int = 0
    fetch_requests: int = 0
    failed_produce_requests: int = 0
    failed_fetch_requests: int = 0


@dataclass(slots=True)
class RequestMetrics:
    """How many requests were answered, and how long they took, by API."""

    counts: dict[ApiKey, int] = field(default_factory=dict)
    seconds: dict[ApiKey, float] = field(default_factory=dict)

    def answered(self, api: ApiKey, seconds: float) -> None:
        """Count one answer."""
        self.counts[api] = self.counts.get(api, 0) + 1
        self.seconds[api] = self.seconds.get(api, 0.0) + seconds


class BrokerMetrics:
    """Everything the broker counts."""

    def __init__(self) -> None:
        self.requests = RequestMetrics()
        self.topics: dict[str, TopicTraffic] = {}

    def topic(self, name: str) -> TopicTraffic:
        """Return the counters of one topic."""
        found = self.topics.get(name)
        if found is None:
            found = self.topics[name] = TopicTraffic()
        return found

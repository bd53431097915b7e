"""What a broker counts. How it is shown is in `collector.py`."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kopfka_broker.metrics.histogram import Histogram
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

NEVER: Final = math.inf

_APIS: Final = max(ApiKey) + 1

# requests that wait inside of their handlers: for other members of their group
_WAITING: Final = frozenset({ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP})


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

    def add(self, other: TopicTraffic) -> None:
        """Count what another counted as well."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class ApiTimes:
    """How long the requests of one API took: altogether, in work, and waiting for something else."""

    waits: bool
    """Whether its handler waits for others, and does next to nothing else."""
    at_once: Histogram = field(default_factory=Histogram)
    """Of those that did only one of work and waiting, for whom one number says it all."""
    waited: Histogram = field(default_factory=Histogram)
    """Of those that did both: altogether."""
    worked: Histogram = field(default_factory=Histogram)
    """Their work."""
    rested: Histogram = field(default_factory=Histogram)
    """Their waiting."""

    @property
    def total(self) -> Histogram:
        """From a request's start to its answer."""
        return self.at_once + self.waited

    @property
    def local(self) -> Histogram:
        """Of these, in work."""
        return self.worked if self.waits else self.at_once + self.worked

    @property
    def remote(self) -> Histogram:
        """Of these, waiting for records, the disk or other members."""
        return self.at_once + self.rested if self.waits else self.rested


@dataclass(slots=True)
class RequestMetrics:
    """How many requests were answered, how long they took and how they ended, by API."""

    times: list[ApiTimes | None] = field(default_factory=lambda: [None] * _APIS)
    """By API key."""
    errors: Counter[tuple[ApiKey, str]] = field(default_factory=Counter)
    waiting: list[int] = field(default_factory=lambda: [0] * _APIS)
    """Requests that were begun and whose answers are not ready, by API key."""
    log_over: float = NEVER
    """Requests that took so many seconds are to be told to the request log."""

    def answered(self, api: ApiKey, seconds: float, local: float = -1.0) -> None:
        """Count one answer; `local` are the seconds its handler worked, -1 where it did nothing else."""
        times = self.times[api]
        if times is None:
            times = self.times[api] = ApiTimes(waits=api in _WAITING)
        if local < 0:
            times.at_once.add(seconds)
            return
        times.waited.add(seconds)
        times.worked.add(local)
        times.rested.add(seconds - local)

    def apis(self) -> dict[ApiKey, ApiTimes]:
        """Return the times of every API that was asked."""
        return {ApiKey(key): times for key, times in enumerate(self.times) if times is not None}

    def failed(self, api: ApiKey, error: str) -> None:
        """Count an answer that says of its whole request that it failed."""
        self.errors[api, error] += 1


class BrokerMetrics:
    """Everything the broker counts."""

    def __init__(self) -> None:
        self.requests = RequestMetrics()
        self.topics: dict[str, TopicTraffic] = {}
        self.connections: Callable[[], Iterable[tuple[str, int, int]]] = tuple
        """Gives, of each listener, its name, how many connections it has, and how many it has ever had."""
        self._deleted = TopicTraffic()

    def topic(self, name: str) -> TopicTraffic:
        """Return the counters of one topic."""
        found = self.topics.get(name)
        if found is None:
            found = self.topics[name] = TopicTraffic()
        return found

    def all_topics(self) -> TopicTraffic:
        """Return the sums over all topics, deleted ones too."""
        total = TopicTraffic()
        for each in (self._deleted, *self.topics.values()):
            total.add(each)
        return total

    def forget_deleted(self, existing: Container[str]) -> None:
        """Keep no counters of topics that are not there any more."""
        for name in [name for name in self.topics if name not in existing]:
            self._deleted.add(self.topics.pop(name))

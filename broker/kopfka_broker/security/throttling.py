"""Client quotas enforced as Kafka does: what a client did is measured, and who is over its limit is told to wait.

A client over its limit gets its answer at once, with `throttle_time_ms` in it, and its connection is muted for that
long. Clients without a limit are not measured, and a broker without quotas asks nothing here (`active`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.errors import ApiError
from kopfka_broker.security.quotas import QuotaKey
from kopfka_broker.security.rates import Rate, TokenBucket, Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopfka_broker.context import RequestContext
    from kopfka_broker.security.quotas import ClientQuotas, Limit

_MEASURED: Final = frozenset(QuotaKey) - {QuotaKey.CONNECTION_CREATION_RATE}

# a client that was not heard of for so long is forgotten (ClientQuotaManager.InactiveSensorExpirationTimeSeconds)
_FORGET_AFTER_MS = 3_600_000
_SWEEP_ABOVE = 1000


def monotonic_ms() -> float:
    """Return a time that never goes back."""
    return time.monotonic() * 1000


@dataclass(slots=True)
class _Meter:
    """What those who share one limit did."""

    measure: Rate | TokenBucket
    throttled_ms: float = 0.0
    throttled_at: float = 0.0


class Measured(NamedTuple):
    """What the metrics show of one limit."""

    key: QuotaKey
    user: str
    client_id: str
    rate: float
    throttle_ms: float


class Throttling:
    """The meters of one broker."""

    def __init__(
        self,
        quotas: ClientQuotas,
        windows: Windows | None = None,
        mutation_windows: Windows | None = None,
        clock: Callable[[], float] = monotonic_ms,
    ) -> None:
        self._quotas = quotas
        self.windows = windows or Windows()
        self._mutation_windows = mutation_windows or Windows()
        self._clock = clock
        self._limits: dict[tuple[QuotaKey, str, str], Limit | None] = {}
        self._meters: dict[tuple[QuotaKey, str, str], _Meter] = {}
        self.active = False
        """Whether anybody has a quota for what requests do."""
        self.measures_time = False
        """Whether anybody has a quota for the time that requests take."""
        quotas.on_change(self._refresh)

    @classmethod
    def from_config(cls, quotas: ClientQuotas, number: Callable[[str], int]) -> Throttling:
        """Take the windows from the broker's configuration."""
        windows, mutation_windows = (
            Windows(number(f"{prefix}window.num"), number(f"{prefix}window.size.seconds") * 1000)
            for prefix in ("quota.", "controller.quota.")
        )
        return cls(quotas, windows, mutation_windows)

    def _refresh(self) -> None:
        self._limits.clear()
        keys = self._quotas.keys()
        self.active = not keys.isdisjoint(_MEASURED)
        self.measures_time = QuotaKey.REQUEST_PERCENTAGE in keys

    # -- what clients do ----------------------------------------------------------------------------------------------

    def produced(self, context: RequestContext, size: int, seconds: float) -> int:
        """Count a Produce request of `size` bytes that took `seconds` to handle; return the throttle time in ms."""
        now = self._clock()
        wait = self._record(QuotaKey.PRODUCER_BYTE_RATE, context, size, now)
        return self._mute(context, max(wait, self._record_time(context, seconds, now)))

    def fetched(self, context: RequestContext, size: int, seconds: float) -> int:
        """Count a Fetch answer of `size` bytes; return the throttle time in ms.

        Where that is not 0, an empty answer is to be sent instead: its bytes do not count.
        """
        now = self._clock()
        wait = self._record(QuotaKey.CONSUMER_BYTE_RATE, context, size, now)
        wait = max(wait, self._record_time(context, seconds, now))
        if wait:
            limit = self._limit(QuotaKey.CONSUMER_BYTE_RATE, context)
            if limit is not None:
                self._meter(QuotaKey.CONSUMER_BYTE_RATE, limit).measure.record(-size, now)  # type: ignore[union-attr]
        return self._mute(context, wait)

    def most_fetched(self, context: RequestContext) -> int | None:
        """Return how many bytes one Fetch may read at most, lest its answer could never be within the limit."""
        limit = self._limit(QuotaKey.CONSUMER_BYTE_RATE, context)
        return None if limit is None else int(min(limit.value * self.windows.seconds, 2**31 - 1))

    def answered(self, context: RequestContext, seconds: float) -> int:
        """Count a request of any other API that took `seconds` to handle; return the throttle time in ms."""
        return self._mute(context, self._record_time(context, seconds, self._clock()))

    def mutations(self, context: RequestContext, *, strict_since: int) -> MutationQuota:
        """Return the quota on partitions created and deleted, for one request.

        Args:
            context: of the request.
            strict_since: from this version on, what is over the limit is refused; before, it is done and throttled.
        """
        limit = self._limit(QuotaKey.CONTROLLER_MUTATION_RATE, context) if self.active else None
        if limit is None:
            return MutationQuota(self, context, None, 0.0, strict=False)
        bucket = self._meter(QuotaKey.CONTROLLER_MUTATION_RATE, limit)
        return MutationQuota(self, context, bucket, limit.value, strict=context.api_version >= strict_since)

    # -- meters -------------------------------------------------------------------------------------------------------

    def measured(self) -> Iterator[Measured]:
        """Yield what every limit that is in use measures now."""
        now = self._clock()
        for (key, user, client_id), meter in self._meters.items():
            limit = self._quotas.limit(key, user, client_id)
            if limit is None:
                continue
            measure = meter.measure
            rate = measure.value(now) if isinstance(measure, Rate) else measure.tokens(limit.value, now)
            recent = now - meter.throttled_at <= self.windows.samples * self.windows.sample_ms
            yield Measured(key, user, client_id, rate, meter.throttled_ms if recent else 0.0)

    def _record(self, key: QuotaKey, context: RequestContext, amount: float, now: float) -> float:
        limit = self._limit(key, context)
        if limit is None:
            return 0.0
        meter = self._meter(key, limit)
        assert isinstance(meter.measure, Rate)
        meter.measure.record(amount, now)
        wait = meter.measure.excess_ms(limit.value, now)
        if wait:
            meter.throttled_ms, meter.throttled_at = wait, now
        return wait

    def _record_time(self, context: RequestContext, seconds: float, now: float) -> float:
        if not self.measures_time:
            return 0.0
        wait = self._record(QuotaKey.REQUEST_PERCENTAGE, context, seconds * 100, now)
        return min(wait, self.windows.sample_ms)

    def _limit(self, key: QuotaKey, context: RequestContext) -> Limit | None:
        asked = (key, context.principal.name, context.client_id or "")
        try:
            return self._limits[asked]
        except KeyError:
            if len(self._limits) > 10 * _SWEEP_ABOVE:
                self._limits.clear()
            limit = self._limits[asked] = self._quotas.limit(*asked)
            return limit

    def _meter(self, key: QuotaKey, limit: Limit) -> _Meter:
        shared = (key, limit.user, limit.client_id)
        meter = self._meters.get(shared)
        if meter is None:
            if len(self._meters) > _SWEEP_ABOVE:
                self._sweep()
            mutations = key is QuotaKey.CONTROLLER_MUTATION_RATE
            measure = TokenBucket(self._mutation_windows, self._clock()) if mutations else Rate(self.windows)
            meter = self._meters[shared] = _Meter(measure)
        return meter

    def _sweep(self) -> None:
        oldest = self._clock() - _FORGET_AFTER_MS
        for shared in [shared for shared, meter in self._meters.items() if meter.measure.last_ms < oldest]:
            del self._meters[shared]

    def _mute(self, context: RequestContext, wait: float) -> int:
        milliseconds = int(wait + 0.5)
        if milliseconds:
            context.caller.mute(milliseconds)
        return milliseconds


@dataclass(slots=True)
class MutationQuota:
    """What one request may create and delete of partitions (KIP-599)."""

    _throttling: Throttling
    _context: RequestContext
    _meter: _Meter | None
    _limit: float
    strict: bool
    _wait: float = 0.0

    def record(self, partitions: int) -> None:
        """Count partitions that are about to be created or deleted.

        Raises:
            ApiError: they may not be now (THROTTLING_QUOTA_EXCEEDED); nothing was counted.
        """
        meter = self._meter
        if meter is None:
            return
        bucket, now = meter.measure, self._throttling._clock()
        assert isinstance(bucket, TokenBucket)
        if not self.strict or bucket.tokens(self._limit, now) >= 0:
            bucket.take(partitions, self._limit, now)
            if self.strict:
                return
        self._wait = bucket.excess_ms(self._limit, now)
        if self._wait:
            meter.throttled_ms, meter.throttled_at = self._wait, now
        if self.strict:
            raise ApiError(ErrorCode.throttling_quota_exceeded)

    def throttle_time(self) -> timedelta:
        """Return the throttle time for the answer, and mute the client's connection for as long."""
        return timedelta(milliseconds=self._throttling._mute(self._context, self._wait))

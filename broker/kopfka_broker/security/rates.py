"""How fast something happens, measured as Kafka's quotas measure it. Pure: the caller brings the time in ms."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Windows:
    """`quota.window.num` samples of `quota.window.size.seconds` each."""

    samples: int = 11
    sample_ms: int = 1000

    @property
    def seconds(self) -> float:
        """What the whole windows hold, without the one that is being filled."""
        return (self.samples - 1) * self.sample_ms / 1000


@dataclass(slots=True)
class _Sample:
    start_ms: float
    last_ms: float
    total: float = 0.0


@dataclass(slots=True)
class Rate:
    """A sum over the last windows divided by the time they span (Kafka's Rate over a WindowedSum)."""

    windows: Windows
    _samples: deque[_Sample] = field(default_factory=deque)

    @property
    def last_ms(self) -> float:
        """When something was recorded last."""
        return self._samples[-1].last_ms if self._samples else 0.0

    def record(self, amount: float, now_ms: float) -> None:
        """Count an amount; a negative one takes back what was recorded."""
        samples = self._samples
        if not samples or now_ms - samples[-1].start_ms >= self.windows.sample_ms:
            samples.append(_Sample(now_ms, now_ms))
        samples[-1].last_ms = now_ms
        samples[-1].total += amount

    def value(self, now_ms: float) -> float:
        """Return the amount per second."""
        self._forget(now_ms)
        return sum(sample.total for sample in self._samples) / (self.span_ms(now_ms) / 1000)

    def span_ms(self, now_ms: float) -> float:
        """Return the time the rate is taken over: never less than all windows but one, so that a start is no burst."""
        self._forget(now_ms)
        elapsed = now_ms - self._samples[0].start_ms if self._samples else 0.0
        missing = self.windows.samples - 1 - int(elapsed / self.windows.sample_ms)
        return max(elapsed + max(0, missing) * self.windows.sample_ms, 1.0)

    def excess_ms(self, limit: float, now_ms: float) -> float:
        """Return how long nothing may happen until the rate is within the limit again; 0 where it is."""
        value = self.value(now_ms)
        return (value - limit) / limit * self.span_ms(now_ms) if value > limit else 0.0

    def _forget(self, now_ms: float) -> None:
        oldest = now_ms - self.windows.samples * self.windows.sample_ms
        while self._samples and self._samples[0].last_ms <= oldest:
            self._samples.popleft()


@dataclass(slots=True)
class TokenBucket:
    """Tokens come at a rate and are taken in bursts (KIP-599): a burst may be as large as what all windows hold."""

    windows: Windows
    last_ms: float = 0.0
    _tokens: float | None = None

    def take(self, amount: float, limit: float, now_ms: float) -> None:
        """Take tokens, more than there are if need be."""
        self._tokens = min(self._burst(limit), self.tokens(limit, now_ms) - amount)

    def tokens(self, limit: float, now_ms: float) -> float:
        """Return how many tokens there are at a rate of `limit` a second; less than 0: too many were taken."""
        burst = self._burst(limit)
        had = burst if self._tokens is None else self._tokens
        self._tokens = min(burst, had + limit * max(0.0, now_ms - self.last_ms) / 1000)
        self.last_ms = now_ms
        return self._tokens

    def excess_ms(self, limit: float, now_ms: float) -> float:
        """Return how long it takes until there are as many tokens as were taken; 0 where there are."""
        return max(0.0, -self.tokens(limit, now_ms) / limit * 1000)

    def _burst(self, limit: float) -> float:
        return self.windows.samples * self.windows.sample_ms / 1000 * limit

"""How many connections there may be and how fast they may come, and how much memory their requests may take.

Counts only: whether a connection waits in the kernel's queue or is closed is for `server` to do. As in Kafka, too many
connections of one address are closed; where there are too many altogether, or they come too fast, new ones wait.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_broker.security.rates import Rate as WindowedRate
from kopfka_broker.security.rates import Windows
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NO_LIMIT = 2**31 - 1
_SWEEP_ABOVE = 1000
_OVERRIDES = "max.connections.per.ip.overrides"


def parse_overrides(text: str) -> dict[str, int]:
    """Read max.connections.per.ip.overrides: HOST:COUNT,HOST:COUNT…

    Raises:
        SettingsError: it is malformed.
    """
    found: dict[str, int] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, count = entry.rpartition(":")
        if not host or not count.isdecimal():
            raise SettingsError(f"{entry!r} in {_OVERRIDES} is malformed: write HOST:COUNT")
        found[host.strip("[]")] = int(count)
    return found


@dataclass(slots=True)
class Rate:
    """At most so many in a second; what was not used is kept for one second."""

    per_second: float = NO_LIMIT
    _ready: float = 0.0
    """When the credit is full again."""

    def delay(self, now: float) -> float:
        """Return after how many seconds the next one may come."""
        if self.per_second >= NO_LIMIT:
            return 0.0
        return max(0.0, self._ready - now - 1.0 + 1.0 / max(0.001, self.per_second))

    def take(self, now: float) -> None:
        """Count one."""
        if self.per_second < NO_LIMIT:
            self._ready = max(self._ready, now) + 1.0 / max(0.001, self.per_second)


@dataclass(slots=True)
class ListenerLimits:
    """Limits of one listener, beside those of the whole broker."""

    most: int = NO_LIMIT
    """listener.name.NAME.max.connections."""
    rate: Rate = field(default_factory=Rate)
    """listener.name.NAME.max.connection.creation.rate."""
    count: int = 0
    accepted: int = 0
    """How many connections there ever were."""


@dataclass(slots=True)
class ConnectionLimits:
    """Counts the connections of one broker."""

    most: int = NO_LIMIT
    """max.connections."""
    per_host: int = NO_LIMIT
    """max.connections.per.ip."""
    overrides: Mapping[str, int] = field(default_factory=dict)
    rate: Rate = field(default_factory=Rate)
    """max.connection.creation.rate."""
    host_rate: Callable[[str], float | None] | None = None
    """The quota of an address on new connections a second, where somebody altered it (KIP-612)."""
    count: int = 0
    hosts: Counter[str] = field(default_factory=Counter)
    windows: Windows = field(default_factory=Windows)
    """Over which such a quota is measured, as all client quotas are."""
    _host_rates: dict[str, WindowedRate] = field(default_factory=dict)

    def full(self, listener: ListenerLimits) -> bool:
        """Tell whether a further connection has to wait until another one ends."""
        return self.count >= self.most or listener.count >= listener.most

    def delay(self, listener: ListenerLimits, now: float) -> float:
        """Return for how many seconds a further connection has to wait because they come too fast."""
        return max(self.rate.delay(now), listener.rate.delay(now))

    def refusal(self, host: str, now: float) -> str | None:
        """Return why no further connection of an address is taken, None where it is; to be asked once for each."""
        most = self.overrides.get(host, self.per_host)
        if self.hosts[host] >= most:
            return f"it has {self.hosts[host]} connections already (max.connections.per.ip)"
        wanted = None if self.host_rate is None else self.host_rate(host)
        if wanted is None:
            self._host_rates.pop(host, None)
            return None
        return self._quota_refusal(host, wanted, now * 1000)

    def _quota_refusal(self, host: str, wanted: float, now_ms: float) -> str | None:
        rate = self._host_rates.get(host)
        if rate is None:
            if len(self._host_rates) >= _SWEEP_ABOVE:
                self._host_rates = {each: kept for each, kept in self._host_rates.items() if kept.value(now_ms)}
            rate = self._host_rates[host] = WindowedRate(self.windows)
        rate.record(1, now_ms)
        if not rate.excess_ms(wanted, now_ms):
            return None
        rate.record(-1, now_ms)  # what is refused does not count
        return "it opens connections faster than its quota (connection_creation_rate)"

    def enter(self, listener: ListenerLimits, host: str, now: float) -> None:
        """Count a connection in."""
        self.count += 1
        listener.count += 1
        listener.accepted += 1
        self.hosts[host] += 1
        self.rate.take(now)
        listener.rate.take(now)

    def leave(self, listener: ListenerLimits, host: str) -> None:
        """Count a connection out."""
        self.count -= 1
        listener.count -= 1
        self.hosts[host] -= 1
        if not self.hosts[host]:
            del self.hosts[host]


@dataclass(slots=True)
class RequestMemory:
    """Bytes of requests that are being read or worked on, of all connections: queued.max.request.bytes.

    A request is counted in full from when its size is known. A connection begins none while the limit is reached, and
    ends the one it is in: so there is always one that can go on.
    """

    most: int
    used: int = 0
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """What to call once there is room."""

    @property
    def full(self) -> bool:
        """Tell whether no further request may be begun."""
        return self.used >= self.most

    def take(self, size: int) -> None:
        """Count bytes in, or out where `size` is negative."""
        self.used += size
        if size < 0 and self.waiting and not self.full:
            waiting, self.waiting = self.waiting, []
            for resume in waiting:
                resume()

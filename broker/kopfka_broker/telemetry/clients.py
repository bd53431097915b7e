"""Clients that send metrics of themselves (KIP-714): what each is asked for, and when it may speak again.

A state machine without I/O: requests, the time and the subscriptions come from outside. A client is known by the id it
was given; it is asked for what all subscriptions together want of it, at the shortest of their intervals.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kopfka_broker.telemetry.configs import INTERVAL, MATCH, METRICS, patterns
from kopfka_wire.checksum import crc32c

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping
    from uuid import UUID

DEFAULT_INTERVAL_MS: Final = 300_000
"""Of a client that nobody asks for anything (interval.ms)."""
MOST_CLIENTS: Final = 16_384
"""As many as Kafka remembers; beyond, the one that was silent longest is forgotten."""
_ALL: Final = "*"
_SHORTEST_LIFE_MS = 60_000
_LIVES = 3
# errors after which a client may ask for its subscriptions at once
_ASK_AGAIN = frozenset({ErrorCode.unknown_subscription_id, ErrorCode.unsupported_compression_type})


@dataclass(frozen=True, slots=True)
class Client:
    """What a client is known by; the fields are named as `match` names them."""

    client_instance_id: str
    client_id: str
    client_software_name: str
    client_software_version: str
    client_source_address: str
    client_source_port: str

    def matches(self, wanted: Mapping[str, re.Pattern[str]]) -> bool:
        """Tell whether every pattern fits as a whole."""
        return all(pattern.fullmatch(getattr(self, name)) for name, pattern in wanted.items())


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription to clients' metrics."""

    metrics: tuple[str, ...]
    interval_ms: int
    match: Mapping[str, re.Pattern[str]]

    @classmethod
    def from_configs(cls, settings: Mapping[str, str]) -> Subscription:
        """Read the configs of a CLIENT_METRICS resource, which were checked when they were given."""
        names = tuple(name.strip() for name in settings.get(METRICS, "").split(",") if name.strip())
        return cls(names, int(settings.get(INTERVAL, DEFAULT_INTERVAL_MS)), patterns(settings.get(MATCH, "")))


@dataclass(slots=True)
class Instance:
    """One client that asked for its subscriptions or sent metrics."""

    client: Client
    version: int
    """The state of the subscriptions it was asked by."""
    metrics: tuple[str, ...]
    interval_ms: int
    subscription_id: int
    asked_at_ms: int | None = None
    pushed_at_ms: int | None = None
    terminating: bool = False
    last_error: ErrorCode = ErrorCode.none

    def expires_at_ms(self) -> int:
        """Return when it is gone if nothing more is heard of it."""
        heard = max(self.asked_at_ms or 0, self.pushed_at_ms or 0)
        return heard + max(_LIVES * self.interval_ms, _SHORTEST_LIFE_MS)

    def take_ask(self, now_ms: int) -> ErrorCode:
        """Take a request for subscriptions; return why not, or `none`."""
        if self._waited(now_ms):
            self.asked_at_ms = now_ms
            return ErrorCode.none
        if self.last_error in _ASK_AGAIN:
            return ErrorCode.none  # but it does not push sooner by that
        return ErrorCode.throttling_quota_exceeded

    def take_push(self, now_ms: int, *, terminating: bool) -> ErrorCode:
        """Take the time of metrics sent; return why they come too soon, or `none`."""
        if self.terminating:
            return ErrorCode.invalid_request
        # the first one after an ask may come at any time: clients spread them
        first = self.asked_at_ms is not None and self.asked_at_ms > (self.pushed_at_ms or -1)
        if not first and not self._waited(now_ms) and not terminating:
            return ErrorCode.throttling_quota_exceeded
        self.pushed_at_ms = now_ms
        return ErrorCode.none

    def _waited(self, now_ms: int) -> bool:
        times = [time for time in (self.asked_at_ms, self.pushed_at_ms) if time is not None]
        return not times or now_ms - max(times) >= self.interval_ms


class Clients:
    """Every client heard of lately, and the subscriptions."""

    def __init__(self, forgotten: Callable[[str], None], most: int = MOST_CLIENTS) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._version = 0
        self._instances: OrderedDict[UUID, Instance] = OrderedDict()
        self._forgotten = forgotten
        self._most = most

    def __len__(self) -> int:
        """Return how many clients are known."""
        return len(self._instances)

    def subscribe(self, name: str, settings: Mapping[str, str]) -> None:
        """Put a subscription in force as it is configured now; one without configs is gone."""
        if settings:
            self._subscriptions[name] = Subscription.from_configs(settings)
        else:
            self._subscriptions.pop(name, None)
        self._version += 1

    def instance(self, instance_id: UUID, client: Client) -> Instance:
        """Return what is known of a client, asked by the subscriptions as they are now."""
        found = self._instances.get(instance_id)
        if found is None:
            found = self._ask(instance_id, client)
        elif found.version != self._version:
            asked = self._ask(instance_id, client)
            found = replace(
                asked, asked_at_ms=found.asked_at_ms, pushed_at_ms=found.pushed_at_ms, last_error=found.last_error
            )
        self._instances[instance_id] = found
        self._instances.move_to_end(instance_id)
        while len(self._instances) > self._most:
            self._forgotten(str(self._instances.popitem(last=False)[0]))
        return found

    def expire(self, now_ms: int) -> None:
        """Forget clients of whom nothing was heard for three intervals, and at least a minute."""
        gone = [each for each, instance in self._instances.items() if instance.expires_at_ms() <= now_ms]
        for instance_id in gone:
            del self._instances[instance_id]
            self._forgotten(str(instance_id))

    def _ask(self, instance_id: UUID, client: Client) -> Instance:
        wanted = [each for each in self._subscriptions.values() if client.matches(each.match)]
        names = sorted({name for each in wanted for name in each.metrics})
        if _ALL in names:
            names = [_ALL]
        interval = min([DEFAULT_INTERVAL_MS, *(each.interval_ms for each in wanted)])
        subscription_id = _identity(names, interval, instance_id)
        return Instance(client, self._version, tuple(names), interval, subscription_id)


def _identity(names: Iterable[str], interval_ms: int, instance_id: UUID) -> int:
    """Return the id of what a client is asked for: another one as soon as that changes."""
    checksum = crc32c(f"{','.join(names)}{interval_ms}".encode()) ^ (instance_id.int & 0xFFFFFFFF)
    return checksum - (1 << 32) if checksum & (1 << 31) else checksum

"""The log of requests: slow ones always, every one where `kafka.request.logger` is at DEBUG.

A slow request is one that worked or waited for the disk longer than `kopfka.slow.request.ms`. A Fetch that waits for
records and a member that waits for its group do as they were asked and are not slow. At most so many a second are told,
with how many were not.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from kopfka_broker.config.loggers import REQUESTS
from kopfka_broker.metrics.counters import NEVER
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.dispatch import Started
    from kopfka_broker.metrics.counters import RequestMetrics

THRESHOLD: Final = "kopfka.slow.request.ms"
MOST_A_SECOND: Final = 10
# requests that wait because they were asked to
_PATIENT: Final = frozenset({ApiKey.FETCH, ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP, ApiKey.SHARE_FETCH})

log = logging.getLogger(__name__)
requests = logging.getLogger(REQUESTS)


class RequestLog:
    """What is told of requests that were answered."""

    def __init__(
        self, config: BrokerConfig, metrics: RequestMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._slow = NEVER
        self._second = 0
        self._told = 0
        self._untold = 0

    def refresh(self) -> None:
        """Take over the settings and the level of the logger as they are now."""
        slow_ms = self._config.number(THRESHOLD)
        self._slow = slow_ms / 1000 if slow_ms >= 0 else NEVER
        self._metrics.log_over = 0.0 if requests.isEnabledFor(logging.DEBUG) else self._slow

    def answered(self, started: Started, seconds: float, local: float, sent: int) -> None:
        """Tell of a request that took `RequestMetrics.log_over` or longer.

        Args:
            started: the request.
            seconds: from its start to its answer.
            local: of these, those its handler worked; -1 where it did nothing else.
            sent: bytes of the answer.
        """
        if requests.isEnabledFor(logging.DEBUG):
            requests.debug("Completed request:%s", _fields(started, seconds, local, sent))
        worked = local if started.api in _PATIENT and local >= 0 else seconds
        if worked < self._slow or (started.api in _PATIENT and local < 0 and started.api is not ApiKey.FETCH):
            return
        second = int(self._clock())
        if second != self._second:
            if self._untold:
                log.warning("%s more slow requests were not told", self._untold)
            self._second, self._told, self._untold = second, 0, 0
        if self._told >= MOST_A_SECOND:
            self._untold += 1
            return
        self._told += 1
        fields = _fields(started, seconds, local, sent)
        log.warning(
            "slow request: %s version %s of client %s at %s took %s ms (%s ms in work)",
            fields["api"],
            fields.get("version"),
            fields.get("clientId"),
            fields.get("connection"),
            fields["totalTimeMs"],
            fields["localTimeMs"],
            extra={"fields": fields},
        )


def _fields(started: Started, seconds: float, local: float, sent: int) -> dict[str, object]:
    """Return what is told of a request, by the names Kafka's request log has for it."""
    worked = seconds if local < 0 else local
    found: dict[str, object] = {"api": started.api.name.title().replace("_", "")}
    context = started.context
    if context is not None:
        caller = context.caller
        found |= {
            "version": context.api_version,
            "clientId": context.client_id,
            "connection": f"{caller.client_host}:{caller.client_port}",
            "clientAddress": context.client_host,
            "principal": str(context.principal),
            "listener": context.listener,
            "securityProtocol": caller.security_protocol,
            "softwareName": caller.software_name,
            "softwareVersion": caller.software_version,
        }
    return found | {
        "requestSizeBytes": started.size,
        "responseSizeBytes": sent,
        "totalTimeMs": round(seconds * 1000, 3),
        "localTimeMs": round(worked * 1000, 3),
        "remoteTimeMs": round((seconds - worked) * 1000, 3),
    }

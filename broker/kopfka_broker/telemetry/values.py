"""The newest numbers of every client, for `/metrics`: bounded in number, gone with their client.

What clients send as differences is added up here, as whoever scrapes expects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopfka_broker.telemetry.clients import Client
    from kopfka_broker.telemetry.otlp import Point

MOST_SERIES: Final = 20_000
"""Of all clients together. A Java producer sends some sixty when asked for everything."""
_LABELS: Final = ("client_instance_id", "client_id", "client_software_name", "client_software_version")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_]")

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Numbers:
    client: Client
    gauges: dict[Series, float] = field(default_factory=dict)
    counters: dict[Series, float] = field(default_factory=dict)


class TelemetryValues:
    """What `/metrics` shows of clients."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._clients: dict[str, _Numbers] = {}
        self._most = most
        self._series = 0
        self.dropped = 0
        """Numbers that found no room."""
        self.passed_over = 0
        """Metrics of a kind that is not shown."""

    def take(self, client: Client, points: Iterable[Point]) -> None:
        """Keep the numbers of one payload."""
        numbers = self._clients.setdefault(client.client_instance_id, _Numbers(client))
        for point in points:
            series = (_metric_name(point.name), tuple((_label_name(key), text) for key, text in point.labels))
            kept = numbers.counters if point.monotonic else numbers.gauges
            if series not in kept:
                if self._series >= self._most:
                    self.dropped += 1
                    continue
                self._series += 1
            kept[series] = kept.get(series, 0.0) + point.value if point.delta else point.value

    def forget(self, instance_id: str) -> None:
        """Let go of a client's numbers."""
        numbers = self._clients.pop(instance_id, None)
        if numbers is not None:
            self._series -= len(numbers.gauges) + len(numbers.counters)

    def collect(self) -> Iterator[Any]:
        """Give every metric, the numbers of all clients under one name together."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric  # noqa: PLC0415

        for name, what, value in (
            ("kopfka_client_telemetry_clients", "Clients whose metrics are kept.", len(self._clients)),
            ("kopfka_client_telemetry_series", "Numbers of clients that are kept.", self._series),
        ):
            yield GaugeMetricFamily(name, what, value)
        for name, what, value in (
            ("kopfka_client_telemetry_dropped", "Numbers of clients there was no room for.", self.dropped),
            ("kopfka_client_telemetry_passed_over", "Metrics of clients of a kind not shown.", self.passed_over),
        ):
            yield CounterMetricFamily(name, what, value)
        families: dict[str, Metric] = {}
        for numbers in self._clients.values():
            own = {name: getattr(numbers.client, name) for name in _LABELS}
            for kept, kind, suffix in ((numbers.gauges, "gauge", ""), (numbers.counters, "counter", "_total")):
                for (name, labels), number in kept.items():
                    family = families.get(f"{kind} {name}")
                    if family is None:
                        family = families[f"{kind} {name}"] = Metric(name, "Sent by clients (KIP-714).", kind)
                    family.add_sample(name + suffix, own | dict(labels), number)
        yield from families.values()


def _metric_name(name: str) -> str:
    clean = _ILLEGAL.sub("_", name).removesuffix("_total")
    return clean if clean[:1].isalpha() else f"client_{clean}"


def _label_name(name: str) -> str:
    clean = _ILLEGAL.sub("_", name)
    # what the broker knows of a client is not for the client to say
    return f"attribute_{clean}" if clean in _LABELS or not clean[:1].isalpha() else clean

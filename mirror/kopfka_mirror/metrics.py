"""What `/metrics` says of the flows, and what `/readyz` does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from kopfka_mirror.flow import Flow


@dataclass(slots=True)
class Counters:
    """What happened in a flow since the process started."""

    restarts: int = 0
    truncated: int = 0
    expired: int = 0
    checkpoints: int = 0
    group_offsets: int = 0


_FLOW: Final = ("source", "target")
_PART: Final = (*_FLOW, "topic", "partition")
_COUNTERS: Final = {
    "restarts": "writer_restarts",
    "truncated": "source_truncations",
    "expired": "expired_offsets",
    "checkpoints": "checkpoints",
    "group_offsets": "group_offsets_synced",
}
_SAYS: Final = {
    "restarts": "How often writing began anew after a failure",
    "truncated": "How often the log of the source was truncated below what was mirrored",
    "expired": "Offsets that retention took from the source before they were mirrored",
    "checkpoints": "Checkpoints of groups that were written",
    "group_offsets": "Offsets of groups that were committed on the target",
}


class MirrorCollector(Collector):
    """The metrics of every flow; lag is in records (offsets) and in seconds since the target was last level."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._flows = flows

    def describe(self) -> Iterable[Metric]:
        """Names are not known before the first scrape, and need not be."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all of them as of now."""
        now = time.monotonic()
        lag = GaugeMetricFamily(
            "kopfka_mirror_lag_records", "Offsets of the source not yet on the target", labels=_PART
        )
        late = GaugeMetricFamily("kopfka_mirror_lag_seconds", "Seconds since the target was last level", labels=_PART)
        failed = GaugeMetricFamily("kopfka_mirror_partition_failed", "1 where it is not mirrored", labels=_PART)
        records = CounterMetricFamily("kopfka_mirror_records", "Records mirrored", labels=_PART)
        size = CounterMetricFamily("kopfka_mirror_bytes", "Bytes mirrored, as compressed", labels=_PART)
        up = GaugeMetricFamily("kopfka_mirror_up", "1 where both clusters can be reached", labels=_FLOW)
        topics = GaugeMetricFamily("kopfka_mirror_topics_failed", "Topics that are not mirrored in full", labels=_FLOW)
        counted = {
            name: CounterMetricFamily(f"kopfka_mirror_{metric}", _SAYS[name], labels=_FLOW)
            for name, metric in _COUNTERS.items()
        }
        for flow in self._flows:
            pair = [flow.settings.source, flow.settings.target]
            up.add_metric(pair, 0 if flow.trouble() else 1)
            topics.add_metric(pair, len(flow.topics.failures))
            for name, family in counted.items():
                family.add_metric(pair, getattr(flow.counters, name))
            for part in flow.parts.values():
                if part.gone:
                    continue
                labels = [*pair, part.topic, str(part.partition)]
                lag.add_metric(labels, part.lag())
                late.add_metric(labels, 0.0 if part.behind_since is None else now - part.behind_since)
                failed.add_metric(labels, 0 if part.failure is None else 1)
                records.add_metric(labels, part.records)
                size.add_metric(labels, part.bytes)
        yield from (lag, late, failed, records, size, up, topics, *counted.values())

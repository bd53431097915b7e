"""What `/metrics` shows of log compaction and of damage on disk; the names of the first are Kafka's JMX beans'."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from kopfka_broker.storage import LogManager

_NEVER = 0


def storage_metrics(logs: LogManager, now_ms: int) -> Iterator[Metric]:
    """Give the metrics of a data folder at a moment."""
    # imported at the first scrape, as in kopfka_runtime.health
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    cleaner, stats = logs.cleaner, logs.cleaner.stats
    since = now_ms - stats.last_run_ms if stats.last_run_ms != _NEVER else 0
    prefix, managed = "kafka_log_logcleaner", "kafka_log_logcleanermanager"
    for name, what, value in (
        (f"{prefix}_cleaner_recopy_percent", "Bytes left by the last cleaning, in percent.", stats.last_recopy_percent),
        (f"{prefix}_max_clean_time_secs", "Seconds of the last cleaning.", stats.last_seconds),
        (f"{prefix}_max_buffer_utilization_percent", "How full its memory of keys was.", stats.last_buffer_percent),
        (f"{prefix}_deadthreadcount", "Cleaner threads that died.", 0),
        (f"{managed}_max_dirty_percent", "The largest dirty ratio of all logs.", cleaner.dirtiest_percent()),
        (f"{managed}_time_since_last_run_ms", "Milliseconds since a log was cleaned.", since),
        (f"{managed}_uncleanable_partitions_count", "Logs that cannot be cleaned.", len(cleaner.uncleanable)),
        (f"{managed}_uncleanable_bytes", "Size of the logs that cannot be cleaned.", cleaner.uncleanable_bytes()),
    ):
        yield GaugeMetricFamily(name, what, value=value)
    yield CounterMetricFamily(f"{prefix}_runs", "Cleanings since the start.", value=stats.runs)
    yield CounterMetricFamily(f"{prefix}_bytes_read", "Bytes that cleanings read.", value=stats.bytes_read)
    yield CounterMetricFamily(f"{prefix}_bytes_written", "Bytes that cleanings left.", value=stats.bytes_written)
    damaged = GaugeMetricFamily(
        "kopfka_log_damaged_batches", "Places found damaged on disk since the start.", labels=["topic", "partition"]
    )
    for (topic, partition), count in logs.damage.by_partition().items():
        damaged.add_metric([topic, str(partition)], count)
    yield damaged

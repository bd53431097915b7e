"""What `/metrics` shows of transactions; the names are Kafka's JMX beans' where Kafka has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from kopfka_broker.transactions.coordinator import TransactionCoordinator


def transaction_metrics(coordinator: TransactionCoordinator) -> Iterator[Metric]:
    """Give the metrics of a coordinator at a moment."""
    # imported at the first scrape, as in kopfka_runtime.health
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    states = GaugeMetricFamily("kopfka_transactions", "Transactional ids, by state.", labels=["state"])
    for state, count in coordinator.ids_by_state().items():
        states.add_metric([state], count)
    yield states
    yield CounterMetricFamily(
        "kopfka_transactions_timed_out",
        "Transactions aborted because their time was over.",
        value=coordinator.aborted_by_timeout,
    )
    load_ms = coordinator.load_seconds * 1000
    for which in ("max", "avg"):
        yield GaugeMetricFamily(
            f"kafka_server_transaction_coordinator_metrics_partition_load_time_{which}",
            "Milliseconds it took to load the transactional ids at the start.",
            value=load_ms,
        )
    marker = "kafka_coordinator_transaction_transactionmarkerchannelmanager"
    yield GaugeMetricFamily(
        f"{marker}_unknowndestinationqueuesize", "Markers whose broker is unknown: there is one.", value=0
    )
    yield GaugeMetricFamily(
        f"{marker}_logappendretryqueuesize",
        "Transactions whose markers, or whose end, wait for the disk.",
        value=coordinator.waiting_for_the_disk,
    )

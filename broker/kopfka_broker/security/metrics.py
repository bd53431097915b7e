"""What `/metrics` shows of rights and quotas, under the names Kafka's JMX metrics have in the JMX exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_broker.security.authorizer import AllowAll
from kopfka_broker.security.quotas import QuotaKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from kopfka_broker.security.authorizer import Authorizer
    from kopfka_broker.security.throttling import Throttling

_QUOTAS: Final = {
    QuotaKey.PRODUCER_BYTE_RATE: ("produce", "byte_rate", "Bytes a second that a quota counts."),
    QuotaKey.CONSUMER_BYTE_RATE: ("fetch", "byte_rate", "Bytes a second that a quota counts."),
    QuotaKey.REQUEST_PERCENTAGE: ("request", "request_time", "Percent of a thread's time that a quota counts."),
    QuotaKey.CONTROLLER_MUTATION_RATE: (
        "controllermutation",
        "tokens",
        "Partitions that may be created or deleted at once.",
    ),
}


def security_metrics(authorizer: Authorizer, throttling: Throttling) -> Iterator[Metric]:
    """Give the metrics of one moment; of quotas, one sample for each that somebody uses."""
    # imported at the first scrape, as in kopfka_runtime.health
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    if not isinstance(authorizer, AllowAll):
        # not at the start either: who asks for no authorizer does not pay for it
        from kopfka_broker.security.standard_authorizer import StandardAuthorizer  # noqa: PLC0415

        assert isinstance(authorizer, StandardAuthorizer)
        prefix = "kafka_server_authorizer_metrics"
        yield GaugeMetricFamily(f"{prefix}_acls_total_count", "ACLs.", value=len(authorizer.acls))
        yield CounterMetricFamily(f"{prefix}_authorization_denied", "What was denied.", value=authorizer.denied)
    measured = list(throttling.measured())
    labels = ["user", "client_id"]
    for key, (kind, rate_name, what) in _QUOTAS.items():
        rates = GaugeMetricFamily(f"kafka_server_{kind}_{rate_name}", what, labels=labels)
        waits = GaugeMetricFamily(
            f"kafka_server_{kind}_throttle_time", "Milliseconds a client was last told to wait.", labels=labels
        )
        for each in measured:
            if each.key is key:
                rates.add_metric([each.user, each.client_id], each.rate)
                waits.add_metric([each.user, each.client_id], each.throttle_ms)
        yield from (rates, waits)

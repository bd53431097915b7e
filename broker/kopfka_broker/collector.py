"""What `/metrics` shows of a broker, under the names that common Kafka dashboards query (JMX exporter's names)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.metrics import TopicTraffic


class BrokerCollector:
    """What `/metrics` shows of one broker; read at each scrape, nothing is prepared in between."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def collect(self) -> Iterable[Metric]:
        """Give every metric."""
        yield from self._traffic()
        yield from self._requests()
        yield from self._logs()
        yield from self._groups()
        yield from self._cluster.telemetry.collect()

    def _groups(self) -> Iterable[Metric]:
        # names of kafka_exporter, which dashboards of consumer lag are made for
        labels = ["consumergroup", "topic", "partition"]
        offsets = _gauge("kafka_consumergroup_current_offset", "Committed offset of a group on a partition.", labels)
        lags = _gauge("kafka_consumergroup_lag", "Records between a group's committed offset and the end.", labels)
        for group, topic, partition, offset in self._cluster.groups.committed_offsets():
            log = self._cluster.partition(topic, partition)
            if log is not None:
                offsets.add_metric([group, topic, str(partition)], offset)
                lags.add_metric([group, topic, str(partition)], max(0, log.log_end_offset - offset))
        yield from (offsets, lags)
        states = self._cluster.groups.groups_by_state()
        prefix = "kafka_coordinator_group_groupmetadatamanager_numgroups"
        for name, what, count in (
            (prefix, "Groups.", sum(states.values())),
            *((f"{prefix}{state.lower()}", f"Groups in state {state}.", count) for state, count in states.items()),
        ):
            metric = _gauge(name, what, [])
            metric.add_metric([], count)
            yield metric

    def _traffic(self) -> Iterable[Metric]:
        topics = self._cluster.metrics.topics
        for name, what, take in _TRAFFIC:
            metric = _counter(f"kafka_server_brokertopicmetrics_{name}", what, ["topic"])
            for topic, traffic in topics.items():
                metric.add_metric([topic], take(traffic))
            yield metric

    def _requests(self) -> Iterable[Metric]:
        requests = self._cluster.metrics.requests
        counts = _counter("kafka_network_requestmetrics_requests", "Requests answered, by API.", ["request"])
        times = _counter(
            "kafka_network_requestmetrics_totaltime_seconds", "Time from a request's start to its answer.", ["request"]
        )
        for api, count in requests.counts.items():
            label = api.name.title().replace("_", "")
            counts.add_metric([label], count)
            times.add_metric([label], requests.seconds[api])
        yield from (counts, times)

    def _logs(self) -> Iterable[Metric]:
        logs = self._cluster.logs
        sizes = _gauge("kafka_log_log_size", "Bytes of a partition's segments.", ["topic", "partition"])
        starts = _gauge("kafka_log_log_logstartoffset", "First offset of a partition.", ["topic", "partition"])
        ends = _gauge("kafka_log_log_logendoffset", "Offset after the last one of a partition.", ["topic", "partition"])
        count = 0
        for topic in logs.topics.values():
            for log in topic.partitions:
                count += 1
                labels = [topic.name, str(log.partition)]
                sizes.add_metric(labels, log.size)
                starts.add_metric(labels, log.log_start_offset)
                ends.add_metric(labels, log.log_end_offset)
        yield from (sizes, starts, ends)
        for name, what, value in (
            ("kafka_server_replicamanager_partitioncount", "Partitions of this broker.", count),
            ("kafka_server_replicamanager_leadercount", "Partitions led by this broker.", count),
            (
                "kafka_server_replicamanager_underreplicatedpartitions",
                "Partitions that lack a replica; one is all there is.",
                0,
            ),
            (
                "kafka_server_replicamanager_offlinereplicacount",
                "Partitions whose disk failed.",
                count if logs.offline else 0,
            ),
            ("kafka_log_logmanager_offlinelogdirectorycount", "Data folders that failed.", len(logs.offline)),
            ("kafka_controller_kafkacontroller_activecontrollercount", "1: a broker alone is its own controller.", 1),
            ("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader.", 0),
            ("kafka_controller_kafkacontroller_globaltopiccount", "Topics.", len(logs.topics)),
            ("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of all topics.", count),
        ):
            metric = _gauge(name, what, [])
            metric.add_metric([], value)
            yield metric


_TRAFFIC: tuple[tuple[str, str, Callable[[TopicTraffic], int]], ...] = (
    ("messagesin", "Records that came in.", lambda traffic: traffic.messages_in),
    ("bytesin", "Bytes of records that came in.", lambda traffic: traffic.bytes_in),
    ("bytesout", "Bytes of records that went out.", lambda traffic: traffic.bytes_out),
    ("totalproducerequests", "Produce requests, by partition they name.", lambda traffic: traffic.produce_requests),
    (
        "failedproducerequests",
        "Produce requests that failed, by partition.",
        lambda traffic: traffic.failed_produce_requests,
    ),
    ("totalfetchrequests", "Reads of a partition by Fetch.", lambda traffic: traffic.fetch_requests),
    ("failedfetchrequests", "Reads of a partition that failed.", lambda traffic: traffic.failed_fetch_requests),
)


def _counter(name: str, what: str, labels: list[str]) -> Any:
    # imported at the first scrape, as in kopfka_runtime.health
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    return CounterMetricFamily(name, what, labels=labels)


def _gauge(name: str, what: str, labels: list[str]) -> Any:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    return GaugeMetricFamily(name, what, labels=labels)

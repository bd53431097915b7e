"""What `/metrics` shows of a broker, under the names that common Kafka dashboards query.

Names are those the JMX exporter makes with the rules of Strimzi's and Confluent's dashboards, and those of
kafka_exporter for groups and partitions. What there is for each partition is in `partitions.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from kopfka_broker.metrics.histogram import Histogram
from kopfka_broker.security.metrics import security_metrics
from kopfka_broker.storage.manager import wall_clock_ms
from kopfka_broker.storage.metrics import storage_metrics
from kopfka_broker.transactions.metrics import transaction_metrics
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.metrics.counters import ApiTimes, TopicTraffic

_QUANTILES: Final = (0.5, 0.75, 0.95, 0.98, 0.99, 0.999)
_WINDOW_SECONDS: Final = 60.0
"""Quantiles are of at least as long, and of no longer than the time from one scrape to the next beyond it."""


class BrokerCollector:
    """What `/metrics` shows of one broker; read at each scrape, nothing is prepared in between."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._windows = _Windows(clock)

    def collect(self) -> Iterable[Metric]:
        """Give every metric."""
        yield from self._traffic()
        yield from self._requests()
        yield from self._network()
        yield from self._logs()
        yield from storage_metrics(self._cluster.logs, wall_clock_ms())
        yield from self._cluster_state()
        yield from self._groups()
        yield from transaction_metrics(self._cluster.transactions)
        yield from security_metrics(self._cluster.authorizer, self._cluster.throttling)
        if self._cluster.schemas.made is not None:
            yield from self._cluster.schemas.made.collect()
        yield from self._cluster.telemetry.collect()

    def _groups(self) -> Iterable[Metric]:
        labels = ["consumergroup", "topic", "partition"]
        offsets = _gauge("kafka_consumergroup_current_offset", "Committed offset of a group on a partition.", labels)
        lags = _gauge("kafka_consumergroup_lag", "Records between a group's committed offset and the end.", labels)
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for group, topic, partition, offset in self._cluster.groups.committed_offsets():
            log = self._cluster.partition(topic, partition)
            if log is not None:
                lag = max(0, log.log_end_offset - offset)
                offsets.add_metric([group, topic, str(partition)], offset)
                lags.add_metric([group, topic, str(partition)], lag)
                at, behind = sums.get((group, topic), (0, 0))
                sums[group, topic] = at + offset, behind + lag
        yield from (offsets, lags)
        labels = ["consumergroup", "topic"]
        offsets = _gauge("kafka_consumergroup_current_offset_sum", "Committed offsets of a group on a topic.", labels)
        lags = _gauge("kafka_consumergroup_lag_sum", "Records a group has not read of a topic.", labels)
        for (group, topic), (at, behind) in sums.items():
            offsets.add_metric([group, topic], at)
            lags.add_metric([group, topic], behind)
        yield from (offsets, lags)
        members = _gauge("kafka_consumergroup_members", "Members of a group.", ["consumergroup"])
        for group, count in self._cluster.groups.group_sizes():
            members.add_metric([group], count)
        yield members
        states = self._cluster.groups.groups_by_state()
        prefix = "kafka_coordinator_group_groupmetadatamanager_numgroups"
        yield _single(prefix, "Groups.", sum(states.values()))
        for state, count in states.items():
            yield _single(f"{prefix}{state.lower()}", f"Groups in state {state}.", count)
        count = sum(len(each) for each in sums)
        yield _single("kafka_coordinator_group_groupmetadatamanager_numoffsets", "Committed offsets.", count)

    def _traffic(self) -> Iterable[Metric]:
        metrics = self._cluster.metrics
        metrics.forget_deleted(self._cluster.logs.topics)
        total = metrics.all_topics()
        for name, what, take in _TRAFFIC:
            family = f"kafka_server_brokertopicmetrics_{name}"
            metric = _counter(family, what, ["topic"])
            # without the label: of all topics, as Kafka has it
            metric.add_sample(f"{family}_total", {}, take(total))
            for topic, traffic in metrics.topics.items():
                metric.add_metric([topic], take(traffic))
            yield metric

    def _requests(self) -> Iterable[Metric]:
        requests = self._cluster.metrics.requests
        apis = {api.name.title().replace("_", ""): times for api, times in requests.apis().items()}
        prefix = "kafka_network_requestmetrics_"
        counts = _counter(f"{prefix}requests", "Requests answered, by API.", ["request"])
        seconds = _counter(f"{prefix}totaltime_seconds", "Time from requests' start to their answers.", ["request"])
        errors = _counter(f"{prefix}errors", "Requests that failed as a whole, by error.", ["request", "error"])
        for name, times in apis.items():
            counts.add_metric([name], times.total.count)
            seconds.add_metric([name], times.total.seconds)
        for (api, error), count in requests.errors.items():
            errors.add_metric([api.name.title().replace("_", ""), error], count)
        yield from (counts, seconds, errors)
        for part, what, take in _TIMES:
            yield from self._summary(
                f"{prefix}{part}", what, {(("request", name),): take(times) for name, times in apis.items()}
            )
        nothing = Histogram()
        for part in ("requestqueuetimems", "responsequeuetimems", "responsesendtimems"):
            what = "Always 0: the thread that reads a request works on it and writes its answer."
            yield from self._summary(f"{prefix}{part}", what, {(("request", name),): nothing for name in apis})
        sizes = _gauge(
            "kafka_server_delayedoperationpurgatory_purgatorysize",
            "Requests that wait for records, the disk or other members.",
            ["delayedoperation"],
        )
        for api, name in _PURGATORIES.items():
            sizes.add_metric([name], requests.waiting[api])
        yield sizes

    def _summary(
        self, name: str, what: str, histograms: dict[tuple[tuple[str, str], ...], Histogram]
    ) -> Iterator[Metric]:
        """Give quantiles, count and mean in milliseconds as the JMX exporter names them."""
        quantiles = _gauge(name, what, [])
        counts = _gauge(f"{name}_count", f"{what} (how many)", [])
        means = _gauge(f"{name}_mean", f"{what} (on average, ever)", [])
        for labels, histogram in histograms.items():
            shared, count = dict(labels), histogram.count
            since = self._windows.since((name, labels), histogram)
            for share, seconds in zip(_QUANTILES, histogram.quantiles(_QUANTILES, since), strict=True):
                quantiles.add_sample(name, {**shared, "quantile": str(share)}, seconds * 1000)
            counts.add_sample(f"{name}_count", shared, count)
            means.add_sample(f"{name}_mean", shared, histogram.seconds / count * 1000 if count else 0.0)
        yield from (quantiles, counts, means)

    def _network(self) -> Iterable[Metric]:
        labels = ["listener", "networkprocessor"]
        prefix = "kafka_server_socket_server_metrics_connection_"
        counts = _gauge(f"{prefix}count", "Connections of a listener.", labels)
        created = _counter(f"{prefix}creation", "Connections there ever were.", labels)
        closed = _counter(f"{prefix}close", "Connections that have ended.", labels)
        for listener, count, accepted in self._cluster.metrics.connections():
            counts.add_metric([listener, "0"], count)
            created.add_metric([listener, "0"], accepted)
            closed.add_metric([listener, "0"], accepted - count)
        yield from (counts, created, closed)
        idle = self._windows.idle()
        for name, what in (
            ("kafka_network_socketserver_networkprocessoravgidle_percent", "Share of time the one thread is idle."),
            (
                "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
                "Share of time the one thread is idle, which is network processor and request handler.",
            ),
        ):
            yield _single(name, what, idle)

    def _logs(self) -> Iterable[Metric]:
        logs = self._cluster.logs
        yield _single(
            "kafka_log_logmanager_offlinelogdirectorycount", "Partition folders that failed.", len(logs.offline)
        )
        yield from self._summary(
            "kafka_log_logflushstats_logflushrateandtimems",
            "How long the disk took for one group commit, in milliseconds.",
            {(): logs.flush_times},
        )

    def _cluster_state(self) -> Iterable[Metric]:
        cluster = self._cluster
        logs, node = cluster.logs, str(cluster.config.node_id)
        partitions = sum(len(topic.partitions) for topic in logs.topics.values())
        values = {
            "kafka_server_replicamanager_partitioncount": partitions,
            "kafka_server_replicamanager_leadercount": partitions,
            "kafka_server_replicamanager_offlinereplicacount": len(logs.offline),
            "kafka_server_replicamanager_underminisrpartitioncount": 0,
            "kafka_server_replicamanager_atminisrpartitioncount": partitions,
            "kafka_controller_kafkacontroller_globaltopiccount": len(logs.topics),
            "kafka_controller_kafkacontroller_globalpartitioncount": partitions,
            "kafka_server_raft_metrics_high_watermark": cluster.features.epoch + 1,
            "kafka_server_raft_metrics_log_end_offset": cluster.features.epoch + 1,
            "kafka_server_raft_metrics_current_leader": cluster.config.node_id,
            "kafka_server_raft_metrics_current_vote": cluster.config.node_id,
        }
        for name, value in values.items():
            yield _single(name, _WORDS.get(name, "As Kafka's metric of this name."), value)
        for name, what, value in _OF_ONE_BROKER:
            yield _single(name, what, value)
        for name, what in _NEVER:
            yield _counted(name, what, 0)
        yield _single("kafka_brokers", "Brokers of the cluster.", 1)
        endpoint = next(iter(cluster.listeners.advertised.values()))
        info = _gauge("kafka_broker_info", "The broker and its address.", ["id", "address"])
        info.add_metric([node, f"{endpoint.host}:{endpoint.port}"], 1)
        yield info


class _Windows:
    """What the histograms held when the present window of quantiles began; how idle the process was since."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[object, tuple[float, tuple[int, ...], tuple[int, ...]]] = {}
        self._cpu = time.process_time(), clock()

    def since(self, key: object, histogram: Histogram) -> tuple[int, ...]:
        """Return the counts at the beginning of the window, one to two windows ago."""
        now = self._clock()
        began, before, last = self._kept.get(key, (now, (), ()))
        if now - began >= _WINDOW_SECONDS or key not in self._kept:
            self._kept[key] = (now, last, histogram.counts())
            before = last
        return before

    def idle(self) -> float:
        """Return the share of time since the last call that this process did not run."""
        (cpu_before, before), now = self._cpu, (time.process_time(), self._clock())
        self._cpu = now
        passed = now[1] - before
        return 1.0 if passed <= 0 else min(1.0, max(0.0, 1.0 - (now[0] - cpu_before) / passed))


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

_TIMES: tuple[tuple[str, str, Callable[[ApiTimes], Histogram]], ...] = (
    ("totaltimems", "From a request's start to its answer, in milliseconds.", lambda times: times.total),
    ("localtimems", "Of these, in work.", lambda times: times.local),
    ("remotetimems", "Of these, waiting for records, the disk or other members.", lambda times: times.remote),
)

_PURGATORIES: Final = {
    ApiKey.FETCH: "Fetch",
    ApiKey.PRODUCE: "Produce",
    ApiKey.JOIN_GROUP: "Rebalance",
    ApiKey.SHARE_FETCH: "ShareFetch",
}

_WORDS: Final = {
    "kafka_server_replicamanager_partitioncount": "Partitions of this broker.",
    "kafka_server_replicamanager_leadercount": "Partitions led by this broker.",
    "kafka_server_replicamanager_offlinereplicacount": "Partitions whose disk failed.",
    "kafka_server_replicamanager_underminisrpartitioncount": "Partitions of which acks=all is asked for in vain.",
}

# what is so because there is one broker: it leads everything, and nothing can fall behind it
_OF_ONE_BROKER: Final = (
    ("kafka_controller_kafkacontroller_activecontrollercount", "1: a broker alone is its own controller.", 1),
    ("kafka_controller_kafkacontroller_activebrokercount", "Brokers that are up.", 1),
    ("kafka_controller_kafkacontroller_fencedbrokercount", "Brokers that are not.", 0),
    ("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader.", 0),
    ("kafka_controller_kafkacontroller_preferredreplicaimbalancecount", "Partitions led elsewhere.", 0),
    ("kafka_controller_kafkacontroller_metadataerrorcount", "Errors of the controller.", 0),
    (
        "kafka_server_replicamanager_underreplicatedpartitions",
        "Partitions that lack a replica; one is all there is.",
        0,
    ),
    ("kafka_server_replicamanager_reassigningpartitions", "Partitions on their way to another broker.", 0),
    ("kafka_server_replicafetchermanager_maxlag", "Records a follower is behind.", 0),
    ("kafka_server_kafkaserver_brokerstate", "3: running.", 3),
    ("kafka_network_requestchannel_requestqueuesize", "There is no queue between the network and handlers.", 0),
    ("kafka_network_requestchannel_responsequeuesize", "There is no queue between handlers and the network.", 0),
    ("kafka_server_raft_metrics_current_state_leader", "1: the only voter leads.", 1),
)
_NEVER: Final = (
    ("kafka_server_replicamanager_isrshrinks", "Replicas that fell behind."),
    ("kafka_server_replicamanager_isrexpands", "Replicas that caught up."),
    ("kafka_controller_controllerstats_uncleanleaderelections", "Elections of a replica that had fallen behind."),
)


def _single(name: str, what: str, value: float) -> Any:
    metric = _gauge(name, what, [])
    metric.add_metric([], value)
    return metric


def _counted(name: str, what: str, value: float) -> Any:
    metric = _counter(name, what, [])
    metric.add_metric([], value)
    return metric


def _counter(name: str, what: str, labels: list[str]) -> Any:
    # imported at the first scrape, as in kopfka_runtime.health
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    return CounterMetricFamily(name, what, labels=labels)


def _gauge(name: str, what: str, labels: list[str]) -> Any:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    return GaugeMetricFamily(name, what, labels=labels)

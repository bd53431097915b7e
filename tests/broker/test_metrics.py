"""What `/metrics` shows: the names dashboards ask for, quantiles, and a scrape that holds nobody up."""

from __future__ import annotations

import asyncio
import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from broker.live import batch, live_broker
from kopfka_broker.metrics.collector import BrokerCollector
from kopfka_broker.metrics.histogram import Histogram
from kopfka_broker.metrics.partitions import partition_metrics
from kopfka_runtime.health import Health
from kopfka_wire.apis import ApiKey

# what the dashboards of Strimzi (examples/metrics/grafana-dashboards: strimzi-kafka.json, strimzi-kraft.json,
# strimzi-kafka-exporter.json) and of kafka_exporter (Grafana 7589) query of a broker, without those of a JVM
DASHBOARDS = (
    "kafka_server_replicamanager_leadercount",
    "kafka_server_replicamanager_partitioncount",
    "kafka_server_replicamanager_underreplicatedpartitions",
    "kafka_server_replicamanager_underminisrpartitioncount",
    "kafka_server_replicamanager_atminisrpartitioncount",
    "kafka_server_replicamanager_offlinereplicacount",
    "kafka_server_replicamanager_isrshrinks_total",
    "kafka_server_replicamanager_isrexpands_total",
    "kafka_cluster_partition_atminisr",
    "kafka_cluster_partition_underminisr",
    "kafka_cluster_partition_underreplicated",
    "kafka_cluster_partition_replicascount",
    "kafka_cluster_partition_insyncreplicascount",
    "kafka_controller_kafkacontroller_activecontrollercount",
    "kafka_controller_kafkacontroller_offlinepartitionscount",
    "kafka_controller_kafkacontroller_activebrokercount",
    "kafka_controller_kafkacontroller_fencedbrokercount",
    "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
    "kafka_controller_kafkacontroller_globaltopiccount",
    "kafka_controller_kafkacontroller_globalpartitioncount",
    "kafka_controller_controllerstats_uncleanleaderelections_total",
    "kafka_server_brokertopicmetrics_bytesin_total",
    "kafka_server_brokertopicmetrics_bytesout_total",
    "kafka_server_brokertopicmetrics_messagesin_total",
    "kafka_server_brokertopicmetrics_totalproducerequests_total",
    "kafka_server_brokertopicmetrics_failedproducerequests_total",
    "kafka_server_brokertopicmetrics_totalfetchrequests_total",
    "kafka_server_brokertopicmetrics_failedfetchrequests_total",
    "kafka_network_requestmetrics_requests_total",
    "kafka_network_requestmetrics_totaltimems",
    "kafka_network_requestmetrics_totaltimems_count",
    "kafka_network_requestmetrics_requestqueuetimems",
    "kafka_network_requestmetrics_localtimems",
    "kafka_network_requestmetrics_remotetimems",
    "kafka_network_requestmetrics_responsequeuetimems",
    "kafka_network_requestmetrics_responsesendtimems",
    "kafka_network_requestmetrics_errors_total",
    "kafka_network_socketserver_networkprocessoravgidle_percent",
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
    "kafka_server_socket_server_metrics_connection_count",
    "kafka_server_socket_server_metrics_connection_creation_total",
    "kafka_server_delayedoperationpurgatory_purgatorysize",
    "kafka_server_replicafetchermanager_maxlag",
    "kafka_network_requestchannel_requestqueuesize",
    "kafka_network_requestchannel_responsequeuesize",
    "kafka_log_log_size",
    "kafka_log_log_logstartoffset",
    "kafka_log_log_logendoffset",
    "kafka_log_log_numlogsegments",
    "kafka_log_logmanager_offlinelogdirectorycount",
    "kafka_log_logflushstats_logflushrateandtimems",
    "kafka_log_logflushstats_logflushrateandtimems_count",
    "kafka_coordinator_group_groupmetadatamanager_numgroups",
    "kafka_coordinator_group_groupmetadatamanager_numgroupsempty",
    "kafka_coordinator_group_groupmetadatamanager_numgroupsstable",
    "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance",
    "kafka_coordinator_group_groupmetadatamanager_numoffsets",
    "kafka_server_raft_metrics_current_leader",
    "kafka_server_raft_metrics_current_vote",
    "kafka_server_raft_metrics_high_watermark",
    "kafka_server_raft_metrics_log_end_offset",
    "kafka_topic_partitions",
    "kafka_topic_partition_current_offset",
    "kafka_topic_partition_oldest_offset",
    "kafka_topic_partition_in_sync_replica",
    "kafka_topic_partition_leader",
    "kafka_topic_partition_leader_is_preferred",
    "kafka_topic_partition_replicas",
    "kafka_topic_partition_under_replicated_partition",
    "kafka_consumergroup_current_offset",
    "kafka_consumergroup_lag",
    "kafka_consumergroup_current_offset_sum",
    "kafka_consumergroup_lag_sum",
    "kafka_consumergroup_members",
    "kafka_brokers",
    "kafka_broker_info",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_start_time_seconds",
)


async def scraped(live):
    """Return every sample of a scrape: value by name and labels."""
    health = Health()
    health.add_collector(BrokerCollector(live.broker.cluster))
    health.add_text(lambda: partition_metrics(live.broker.cluster))
    found = {}
    for family in text_string_to_metric_families((await health.metrics()).decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            place = (sample.name, tuple(sorted(sample.labels.items())))
            assert place not in found, place
            found[place] = sample.value
    return found


async def test_every_metric_that_dashboards_ask_for_is_there(tmp_path):
    async with live_broker(tmp_path / "data", offsets_topic_num_partitions="1") as live:
        client = await live.client()
        await client.create("t")
        await client.produce("t", batch(b"x"))
        await client.call(ApiKey.LIST_GROUPS, 0)
        committed = client.call(
            ApiKey.OFFSET_COMMIT, 2, group_id="g", generation_id_or_member_epoch=-1, member_id="",
            retention_time_ms=-1, topics=(_committed("t", 0, 0),),
        )  # fmt: skip
        await committed
        await client.call(ApiKey.DESCRIBE_CLUSTER, 1, include_cluster_authorized_operations=False, endpoint_type=2)
        found = await scraped(live)
    names = {name for name, _ in found}
    assert [name for name in DASHBOARDS if name not in names] == []
    assert found["kafka_consumergroup_lag", (("consumergroup", "g"), ("partition", "0"), ("topic", "t"))] == 1
    assert found["kafka_server_brokertopicmetrics_messagesin_total", ()] == 1
    assert found["kafka_server_brokertopicmetrics_messagesin_total", (("topic", "t"),)] == 1
    assert found["kafka_server_socket_server_metrics_connection_count", _labels(listener="PLAINTEXT")] == 1
    refused = (("error", "MISMATCHED_ENDPOINT_TYPE"), ("request", "DescribeCluster"))
    assert found["kafka_network_requestmetrics_errors_total", refused] == 1
    assert found["kafka_log_logflushstats_logflushrateandtimems_count", ()] >= 1


def _labels(**labels):
    return tuple(sorted({"networkprocessor": "0", **labels}.items()))


def _committed(topic, partition, offset):
    from kio.schema.offset_commit.v2.request import OffsetCommitRequestPartition, OffsetCommitRequestTopic

    part = OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset, committed_metadata="")
    return OffsetCommitRequestTopic(name=topic, partitions=(part,))


async def test_what_is_counted_of_a_deleted_topic_stays_in_the_sum(live):
    client = await live.client()
    await client.create("t")
    await client.produce("t", batch(b"x", b"y"))
    await scraped(live)
    await live.broker.cluster.delete_topic("t")
    found = await scraped(live)
    assert found["kafka_server_brokertopicmetrics_messagesin_total", ()] == 2
    assert ("kafka_server_brokertopicmetrics_messagesin_total", (("topic", "t"),)) not in found


async def test_a_request_that_waits_is_in_the_purgatory(live):
    client = await live.client()
    await client.create("t")
    client.send(ApiKey.FETCH, 11, **client.fetch_fields(("t", 0, 0), wait=30.0))
    place = ("kafka_server_delayedoperationpurgatory_purgatorysize", (("delayedoperation", "Fetch"),))
    while (await scraped(live))[place] != 1:
        await asyncio.sleep(0)
    await (await live.client()).produce("t", batch(b"x"))
    await client.receive(ApiKey.FETCH, 11)
    assert (await scraped(live))[place] == 0


async def test_a_scrape_gives_way_between_pieces(live):
    """However many partitions there are, no piece has more than a thousand samples."""
    live.broker.cluster.create_topic("many", 2500, {})
    pieces = list(partition_metrics(live.broker.cluster))
    assert max(piece.count(b"\n") for piece in pieces) == 1000
    sizes = [line for piece in pieces for line in piece.splitlines() if line.startswith(b"kafka_log_log_size{")]
    assert len(sizes) == 2500


# -- histograms -------------------------------------------------------------------------------------------------------

DURATIONS = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=200)


@given(DURATIONS, st.floats(0.01, 1.0))
def test_a_quantile_is_within_an_eighth_of_the_exact_one(durations, share):
    histogram = Histogram()
    for each in durations:
        histogram.add(each)
    assert histogram.count == len(durations)
    exact = sorted(durations)[math.ceil(share * len(durations)) - 1]
    [found] = histogram.quantiles([share])
    # of a bucket's width, a quarter of an octave at most; and what is cut off below a microsecond
    assert exact * 0.79 - 2e-6 <= found <= exact * 1.26 + 2e-6


@given(DURATIONS, DURATIONS)
def test_quantiles_are_of_what_came_since(before, after):
    histogram, alone = Histogram(), Histogram()
    for each in before:
        histogram.add(each)
    since = histogram.counts()
    for each in after:
        histogram.add(each)
        alone.add(each)
    shares = [0.1, 0.5, 0.99, 1.0]
    assert histogram.quantiles(shares, since) == alone.quantiles(shares)


def test_there_is_no_quantile_of_nothing():
    assert Histogram().quantiles([0.5, 0.99]) == [0.0, 0.0]

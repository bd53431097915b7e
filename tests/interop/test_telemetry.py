"""Clients that send metrics of themselves without being told to in their own settings: Java's and librdkafka."""

from __future__ import annotations

import re
import urllib.request

import pytest
from confluent_kafka import Producer

from support.java import JavaProgram
from support.processes import running_broker
from support.waiting import eventually

pytestmark = pytest.mark.java

CLIENT_METRICS = "org.apache.kafka.tools.ClientMetricsCommand"
PRODUCER = "org.apache.kafka.tools.VerifiableProducer"


@pytest.mark.client("Java", "client metrics")
@pytest.mark.client("librdkafka (Python)", "client metrics")
def test_java_and_librdkafka_send_what_a_subscription_asks_for(tools, tmp_path):
    with running_broker(tmp_path / "data") as broker:
        at = ("--bootstrap-server", broker.bootstrap)

        def series():
            text = urllib.request.urlopen(f"http://127.0.0.1:{broker.health_port}/metrics").read().decode()
            found = re.findall(r"^(org_apache_kafka_\w+){(.*)} \S+$", text, re.MULTILINE)
            return [(name, dict(re.findall(r'(\w+)="([^"]*)"', labels))) for name, labels in found]

        def of(software):
            return [each for each in series() if each[1]["client_software_name"] == software]

        producer = Producer({"bootstrap.servers": broker.bootstrap, "client.id": "rd", "log_level": 0})
        producer.produce("t", b"x")
        producer.flush(10)
        assert series() == []

        tools.run(CLIENT_METRICS, *at, "--alter", "--name", "all", "--metrics", "*", "--interval", "100")
        # one that came before the subscription asks again only after five minutes; a new one asks at once
        producer = Producer({"bootstrap.servers": broker.bootstrap, "client.id": "rd", "log_level": 0})
        producer.produce("t", b"x")
        producer.flush(10)
        eventually(lambda: of("librdkafka") or of("confluent-kafka-python"), what="librdkafka's metrics")
        (tmp_path / "producer.properties").write_text("client.id=java\n")
        arguments = (
            *at,
            "--topic",
            "t",
            "--throughput",
            "50",
            "--command-config",
            str(tmp_path / "producer.properties"),
        )

        def of_java():
            names = {name for name, labels in of("apache-kafka-java") if labels["client_id"] == "java"}
            return any(name.startswith("org_apache_kafka_producer_connection_creation") for name in names)

        # one that ends on its own may do so before it has heard of the subscription
        with JavaProgram(tmp_path / "producer", PRODUCER, *arguments):
            eventually(of_java, what="metrics of the Java producer")
        assert {labels["client_id"] for _, labels in series()} >= {"rd", "java"}
        tools.run(CLIENT_METRICS, *at, "--delete", "--name", "all")

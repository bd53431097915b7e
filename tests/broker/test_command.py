"""`kopfka broker` as its user sees it: start, stop, and one clear line for what cannot be."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kopfka_broker.main import main
from support.processes import BrokerProcess, free_port, running_broker
from support.waiting import eventually


def fails(*arguments: str) -> str:
    """Run the command to its end and return its only line on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "kopfka_cli", "broker", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("kopfka: ")]
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


def test_sigterm_ends_it_cleanly(tmp_path):
    broker = BrokerProcess(tmp_path / "data")
    broker.start()
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    producer.produce("t", b"x")
    assert producer.flush(20) == 0
    assert broker.stop() == 0
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()
    assert "stopped cleanly" in broker.log.read_text()
    assert "Traceback" not in broker.log.read_text()


def test_health_and_metrics(tmp_path):
    with running_broker(tmp_path / "data") as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        producer.produce("t", b"x")
        assert producer.flush(20) == 0
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "log_level": 0, "group.id": "g"})
        consumer.commit(offsets=[TopicPartition("t", 0, 0)], asynchronous=False)
        consumer.close()

        def get(path):
            return urllib.request.urlopen(f"http://127.0.0.1:{broker.health_port}{path}", timeout=10).read().decode()

        assert eventually(lambda: get("/readyz"), what="readiness") == "[+] broker\n"
        metrics = get("/metrics")
        for line in (
            'kafka_server_brokertopicmetrics_messagesin_total{topic="t"} 1.0',
            'kafka_network_requestmetrics_requests_total{request="Produce"} 1.0',
            "kafka_server_replicamanager_underreplicatedpartitions 0.0",
            "kafka_controller_kafkacontroller_activecontrollercount 1.0",
            'kafka_log_log_logendoffset{partition="0",topic="t"} 1',
            "kafka_coordinator_group_groupmetadatamanager_numgroups 1.0",
            "kafka_coordinator_group_groupmetadatamanager_numgroupsempty 1.0",
            'kafka_consumergroup_lag{consumergroup="g",partition="0",topic="t"} 1.0',
        ):
            assert line in metrics


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = fails("--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}", "--health", "off")
    assert f"127.0.0.1:{port}" in line


def test_a_health_port_in_use_leaves_the_folder_free(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        health = f"127.0.0.1:{taken.getsockname()[1]}"
        listen = f"127.0.0.1:{free_port()}"
        assert "--health" in fails("--data", str(tmp_path / "data"), "--listen", listen, "--health", health)
    with running_broker(tmp_path / "data"):
        pass


def test_a_folder_in_use(tmp_path):
    with running_broker(tmp_path / "data"):
        line = fails("--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{free_port()}", "--health", "off")
    assert str(tmp_path / "data") in line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("num.partition=3\n", "did you mean num.partitions?"),
        ("num.partitions=many\n", "Not a number of type INT"),
        ("listeners=SSL://:9093\n", "ssl.keystore.location is missing"),
        ("group.consumer.assignors=range,com.example.Mine\n", "group.consumer.assignors=com.example.Mine"),
        ("a=\\uzzzz\n", "malformed escape"),
    ],
)
def test_a_wrong_configuration(tmp_path, text, why):
    config = tmp_path / "server.properties"
    config.write_text(text)
    listen = f"127.0.0.1:{free_port()}"
    line = fails("--data", str(tmp_path / "d"), "--listen", listen, "--health", "off", "--config", str(config))
    assert why in line
    assert not (tmp_path / "d").exists()


def test_a_configuration_that_is_not_there(tmp_path):
    assert "No such file" in fails("--data", str(tmp_path / "d"), "--config", str(tmp_path / "nowhere"))


def test_a_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    line = fails("--data", str(tmp_path / "file" / "data"), "--listen", f"127.0.0.1:{free_port()}", "--health", "off")
    assert "file" in line


def test_addresses_that_are_none(tmp_path):
    assert "--listen" in fails("--data", str(tmp_path / "d"), "--listen", "nonsense")
    assert "--advertise" in fails("--data", str(tmp_path / "d"), "--listen", ":9092", "--advertise", "x:y")
    assert "no data folder" in fails("--listen", ":9092")


def test_settings_without_use_are_noted_once(tmp_path):
    with running_broker(tmp_path / "data", "num.io.threads=8\nnum.network.threads=3\n") as broker:
        text = broker.log.read_text()
    noted = [line for line in text.splitlines() if "num.io.threads" in line]
    assert len(noted) == 1
    assert "num.network.threads" in noted[0]


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for option in ("--data", "--listen", "--config", "--advertise", "--health"):
        assert option in out


def test_killed_while_it_writes_it_starts_again_with_everything_acknowledged(tmp_path):
    broker = BrokerProcess(tmp_path / "data")
    broker.start()
    acknowledged = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0, "linger.ms": 0})
    for number in range(500):
        producer.produce("t", b"%d" % number, on_delivery=lambda error, message: error or acknowledged.append(message))
        producer.poll(0)
    eventually(lambda: producer.poll(0.01) is not None and len(acknowledged) > 100, what="acknowledgements", every=0)
    os.kill(broker.process.pid, signal.SIGKILL)
    broker.process.wait()
    broker.start()
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "log_level": 0})
    _, end = consumer.get_watermark_offsets(TopicPartition("t", 0), timeout=20)
    assert end > max(message.offset() for message in acknowledged)
    consumer.close()
    broker.stop()

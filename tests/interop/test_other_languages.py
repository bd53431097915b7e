"""Clients of Go and Node: each produces, reads in a group of two, and copies in transactions, some of them aborted."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from interop.copies import check_copy, topics_to_copy
from kopfka_bench.brokers.cache import built_once, digest, run_builder
from support.kafka import CODECS, stored_codecs
from support.prerequisites import need_command

HERE = Path(__file__).parent
COUNT = 1000
GROUPS = "idempotent producer, group of two"
TRANSACTIONS = "transactions: read-process-write"


@functools.cache
def go_program():
    go = need_command("go", "install Go 1.26 or newer")
    folder = HERE / "go"
    sources = [folder / name for name in ("main.go", "franz.go", "sarama.go", "go.mod", "go.sum")]
    built = built_once(
        f"go-{digest(*sources)}",
        lambda out: run_builder([go, "build", "-mod=readonly", "-trimpath", "-o", str(out / "interop"), "."], folder),
    )
    return [str(built / "interop")]


@functools.cache
def node_program():
    node, npm = need_command("node", "install Node 18 or newer"), need_command("npm", "install npm")
    packages = [HERE / "node" / name for name in ("package.json", "package-lock.json", ".npmrc", "build.sh")]

    def install(out):
        for source in packages:
            shutil.copy(source, out)
        run_builder([npm, "ci", "--omit=dev", "--ignore-scripts"], out)
        run_builder(["bash", str(out / "build.sh")], out)

    folder = built_once(f"node-{digest(*packages)}", install)
    # the library is found by the loader, as its folder was moved after it was built
    environment = [f"LD_LIBRARY_PATH={folder}/librdkafka/lib", f"INTEROP_MODULES={folder}/node_modules"]
    return ["env", *environment, node, str(HERE / "node" / "interop.mjs")]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def smoke(*command):
    outcome = run(command)
    assert all(outcome.pop("members")), "one member read nothing"
    assert outcome == {"acknowledged": COUNT, "read": COUNT, "twice": 0, "changed": 0, "committed": COUNT}


def copy(broker, name, *command):
    source, sink = topics_to_copy(broker, name, COUNT)
    outcome = run([*command, "copy", broker.bootstrap, source, sink, name, str(COUNT)])
    assert outcome["committed"] == COUNT
    assert outcome["aborted"] > 0
    check_copy(broker, sink, name, source, COUNT)


@pytest.mark.client("franz-go", f"{GROUPS}, all codecs")
@pytest.mark.parametrize("codec", CODECS)
def test_franz_go(broker, create_topic, codec):
    topic = create_topic(6)
    smoke(*go_program(), "franz-go", "smoke", broker.bootstrap, topic, topic, str(COUNT), codec)
    assert stored_codecs(broker.data, topic) == {codec}


@pytest.mark.client("sarama", f"{GROUPS}, all codecs")
@pytest.mark.parametrize("codec", CODECS)
def test_sarama(broker, create_topic, codec):
    topic = create_topic(6)
    smoke(*go_program(), "sarama", "smoke", broker.bootstrap, topic, topic, str(COUNT), codec)
    assert stored_codecs(broker.data, topic) == {codec}


@pytest.mark.client("kafkajs", f"{GROUPS}, gzip")
def test_kafkajs(broker, create_topic):
    topic = create_topic(6)
    smoke(*node_program(), "kafkajs", "smoke", broker.bootstrap, topic, topic, str(COUNT))


@pytest.mark.client("librdkafka (Node)", f"{GROUPS}, gzip")
def test_confluent_for_node(broker, create_topic):
    topic = create_topic(6)
    smoke(*node_program(), "confluent", "smoke", broker.bootstrap, topic, topic, str(COUNT))


@pytest.mark.client("franz-go", TRANSACTIONS)
def test_franz_go_copies(broker, name):
    copy(broker, name, *go_program(), "franz-go")


@pytest.mark.client("sarama", TRANSACTIONS)
def test_sarama_copies(broker, name):
    copy(broker, name, *go_program(), "sarama")


@pytest.mark.client("kafkajs", TRANSACTIONS)
def test_kafkajs_copies(broker, name):
    copy(broker, name, *node_program(), "kafkajs")


@pytest.mark.client("librdkafka (Node)", TRANSACTIONS)
def test_confluent_for_node_copies(broker, name):
    copy(broker, name, *node_program(), "confluent")

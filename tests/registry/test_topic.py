"""The topic in every state it may be found in: missing, foreign, damaged by hand, shortened, made anew."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, OffsetSpec

from registry.http import Rest
from registry.service.schemas import ONE, TWO
from support.processes import RegistryProcess, free_port, killed_at_the_end, running_registry
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from support.processes import BrokerProcess


@pytest.fixture
def admin(broker: BrokerProcess) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap})


def _write(broker, topic, *records):
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for key, value in records:
        producer.produce(topic, value, key)
    assert producer.flush(30) == 0


def _create(admin, name, partitions=1, **config):
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result()


def _set_policy(admin, topic, policy):
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    for altered in admin.incremental_alter_configs(
        [ConfigResource("topic", topic, incremental_configs=[entry])]
    ).values():
        altered.result()


def test_records_of_others_are_told_with_their_offset_and_passed_over(broker, admin, tmp_path):
    _create(admin, "foreign", **{"cleanup.policy": "compact"})
    schema = {"subject": "s", "version": 1, "id": 7, "schema": ONE, "deleted": False}
    _write(
        broker,
        "foreign",
        (b"rubbish", b"\xff\xfe"),
        (json.dumps({"keytype": "NEWS", "magic": 9}), b"{}"),
        (json.dumps({"keytype": "SCHEMA", "subject": "s", "version": 1, "magic": 1}), json.dumps(schema)),
        (json.dumps({"keytype": "SCHEMA", "subject": "t", "version": 1, "magic": 1}), b'{"id":'),
    )
    with running_registry(
        tmp_path / "r", broker.bootstrap, "kafkastore.topic=foreign\nschema.registry.group.id=f\n"
    ) as r:
        rest = Rest(r.url)
        assert rest("GET", "/schemas/ids/7").body["schema"] == ONE
        assert rest("GET", "/subjects").body == ["s"]
        assert rest.register("s", TWO) == 8
        said = r.log.read_text()
        for offset in (0, 1, 3):
            assert f"foreign: the record at offset {offset} is passed over" in said
        assert "Traceback" not in said
        _write(broker, "foreign", (b"more rubbish", b"x"))
        eventually(lambda: "the record at offset 6 is passed over" in r.log.read_text())
        assert rest("GET", "/subjects").body == ["s"]


def test_a_topic_that_was_shortened_is_read_from_where_it_begins(broker, admin, tmp_path):
    config = "kafkastore.topic=short\nschema.registry.group.id=short\n"
    registry = RegistryProcess(tmp_path / "r", broker.bootstrap, config)
    with killed_at_the_end(registry):
        registry.start()
        rest = Rest(registry.url)
        rest.register("s", ONE)
        rest.register("t", TWO)
        place = TopicPartition("short", 0)
        end = admin.list_offsets({place: OffsetSpec.latest()})[place].result().offset
        _set_policy(admin, "short", "compact,delete")  # records of other topics cannot be deleted
        for deleted in admin.delete_records([TopicPartition("short", 0, end - 1)]).values():
            deleted.result()
        _set_policy(admin, "short", "compact")
        registry.kill()
        registry.start()
        assert rest("GET", "/subjects").body == ["t"]
        # the ids that were given stay given: the record of the last one is there
        assert rest.register("u", ONE) == 3
        assert registry.stop() == 0


def test_a_topic_that_was_made_anew_is_read_anew(broker, admin, tmp_path):
    with running_registry(
        tmp_path / "r", broker.bootstrap, "kafkastore.topic=anew\nschema.registry.group.id=anew\n"
    ) as r:
        rest = Rest(r.url)
        rest.register("s", ONE)
        admin.delete_topics(["anew"])["anew"].result()
        _create(admin, "anew", **{"cleanup.policy": "compact"})
        eventually(lambda: rest("GET", "/subjects").body == [])
        eventually(lambda: rest("POST", "/subjects/t/versions", {"schema": TWO}).status == 200)
        assert rest("GET", "/subjects").body == ["t"]


@pytest.mark.parametrize(
    ("partitions", "config", "said"),
    [
        (3, {"cleanup.policy": "compact"}, "has 3 partitions and must have one"),
        (1, {"cleanup.policy": "delete"}, "set cleanup.policy=compact"),
    ],
)
def test_topics_in_which_schemas_would_be_lost(broker, admin, tmp_path, partitions, config, said):
    name = f"lossy-{partitions}"
    _create(admin, name, partitions, **config)
    arguments = "--bootstrap", broker.bootstrap, "--listen", f"127.0.0.1:{free_port()}"
    ended = _run(*arguments, config=f"kafkastore.topic={name}", folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("kopfka: ")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("schema.compatibility.levl=full", "did you mean schema.compatibility.level?"),
        ("schema.compatibility.level=sideways", "Invalid compatibility level"),
        ("kafkastore.topic.replication.factor=none", "write a whole number from 1"),
        ("leader.eligibility=maybe", "write true or false"),
        ("listeners=ftp://x:1", "write http://HOST:PORT or https://HOST:PORT"),
        ("kafkastore.retry.backof.ms=5", "retry.backoff.ms"),
    ],
)
def test_settings_that_cannot_be(broker, tmp_path, config, said):
    arguments = () if config.startswith("listeners") else ("--listen", f"127.0.0.1:{free_port()}")
    ended = _run("--bootstrap", broker.bootstrap, *arguments, config=config, folder=tmp_path)
    assert (ended.returncode, said in ended.stderr) == (1, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_cluster_and_a_taken_port(broker, registry, tmp_path):
    ended = _run("--listen", f"127.0.0.1:{free_port()}", config="", folder=tmp_path)
    assert "pass --bootstrap HOST:PORT" in ended.stderr
    ended = _run("--bootstrap", broker.bootstrap, "--listen", registry.bootstrap, config="", folder=tmp_path)
    assert f"cannot listen on {registry.bootstrap}" in ended.stderr
    assert ended.returncode == 1


def _run(*arguments: str, config: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "registry.properties"
    file.write_text(config)
    command = [sys.executable, "-m", "kopfka_cli", "registry", "--config", str(file), "--health", "off", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

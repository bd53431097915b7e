"""Topics with schema validation, the bundled registry, and producers we did not write: who passes, who is refused, who
waits until the registry is back.
"""

from __future__ import annotations

import contextlib
import json
import re
import urllib.request
from typing import TYPE_CHECKING, NamedTuple

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import (
    Schema,
    SchemaRegistryClient,
    header_schema_id_serializer,
    record_subject_name_strategy,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from support.corpus import write_pairs
from support.java import JavaProgram
from support.java_lines import PRODUCER, acknowledged
from support.processes import BrokerProcess, RegistryProcess, free_port, running, running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

VALIDATION = "confluent.value.schema.validation"
STRATEGY = "confluent.value.subject.name.strategy"
CLASSES = "io.confluent.kafka.serializers.subject."
ORDER = {"type": "record", "name": "Order", "namespace": "com.example", "fields": [{"name": "id", "type": "long"}]}
WORDS = "is rejected by the record interceptor io.confluent.kafka.schemaregistry.validator.RecordSchemaValidator: "


class Ensemble(NamedTuple):
    """A broker that knows a registry, and the registry, which may be stopped and started."""

    broker: BrokerProcess
    registry: RegistryProcess
    admin: AdminClient

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap

    @property
    def schemas(self) -> SchemaRegistryClient:
        return SchemaRegistryClient({"url": self.registry.url})

    @property
    def unchecked(self) -> float:
        """Batches whose producers were told to try again."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.broker.health_port}/metrics").read().decode()
        return float(re.search(r"^kopfka_schema_validation_unchecked_batches_total (\S+)", text, re.MULTILINE)[1])

    @contextlib.contextmanager
    def without_registry(self) -> Iterator[None]:
        """Have no registry for the length of the block."""
        self.registry.kill()
        try:
            yield
        finally:
            self.registry.start()

    def create(self, topic: str, **config: str) -> None:
        new = NewTopic(topic, 1, 1, config={VALIDATION: "true"} | config)
        self.admin.create_topics([new])[topic].result(timeout=30)

    def offsets_of(self, topic: str, *records, **config):
        """Produce (value, headers) records; return the offset of each, or its error."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0} | config)
        ends = {}
        for number, (value, headers) in enumerate(records):
            producer.produce(
                topic, value, headers=headers,
                on_delivery=lambda error, message, number=number: ends.setdefault(number, error or message.offset()),
            )  # fmt: skip
            assert producer.flush(30) == 0
        return [ends[number] for number in range(len(records))]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    folder, port = tmp_path_factory.mktemp("schemas"), free_port()
    config = f"confluent.schema.registry.url=http://127.0.0.1:{port}\n"
    with (
        running_broker(folder / "broker", config) as broker,
        running(RegistryProcess(folder / "registry", broker.bootstrap, port=port), RegistryProcess.stop) as registry,
    ):
        yield Ensemble(broker, registry, AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}))


def serialised(ensemble: Ensemble, topic: str, schema=ORDER, **conf):
    """Return value and headers of a record as Confluent's serialiser writes it, which registers the schema."""
    headers: list[tuple[str, bytes]] = []
    serialise = AvroSerializer(ensemble.schemas, json.dumps(schema), conf=conf)
    return serialise({"id": 7}, SerializationContext(topic, MessageField.VALUE, headers)), headers


@pytest.mark.client("librdkafka (Python)", "schema validation: Avro serialiser with the bundled registry")
def test_what_a_serialiser_registers_passes_and_anything_else_is_refused(ensemble, name):
    ensemble.create(name)
    elsewhere = serialised(ensemble, f"{name}-other", ORDER | {"doc": "registered for another topic"})
    good = serialised(ensemble, name)
    ends = ensemble.offsets_of(name, good, (b"plain text", []), elsewhere, (None, []), good)
    assert [ends[0], ends[3], ends[4]] == [0, 1, 2]
    for refused in (ends[1], ends[2]):
        assert refused.code() == KafkaError.INVALID_RECORD
        assert not refused.retriable()


@pytest.mark.client("librdkafka (Python)", "schema validation: the schema's GUID in a header")
def test_a_serialiser_that_leaves_the_data_as_it_is(ensemble, name):
    ensemble.create(name)
    value, headers = serialised(ensemble, name, **{"schema.id.serializer": header_schema_id_serializer})
    assert headers[0][0] == "__value_schema_id"
    assert value == b"\x0e"
    stranger = [("__value_schema_id", b"\1" + bytes(16))]
    ends = ensemble.offsets_of(name, (value, headers), (value, stranger), (value, []))
    assert ends[0] == 0
    assert [each.code() for each in ends[1:]] == [KafkaError.INVALID_RECORD] * 2


@pytest.mark.client("librdkafka (Python)", "schema validation: subjects called after the record")
@pytest.mark.parametrize(
    ("strategy", "theirs"),
    [
        ("RecordNameStrategy", record_subject_name_strategy),
        ("TopicRecordNameStrategy", topic_record_subject_name_strategy),
    ],
)
def test_subjects_that_are_called_after_the_record(ensemble, name, strategy, theirs):
    ensemble.create(name, **{STRATEGY: CLASSES + strategy})
    schema = ORDER | {"name": f"Order{strategy}"}
    by_topic = serialised(ensemble, name, schema)
    [refused] = ensemble.offsets_of(name, by_topic)
    assert refused.code() == KafkaError.INVALID_RECORD
    named = serialised(ensemble, name, schema, **{"subject.name.strategy": theirs})
    assert named == by_topic  # the same schema has the same id; what is new is the subject
    # what was missing a moment ago is asked for again
    eventually(lambda: ensemble.offsets_of(name, named) == [0], what="the new subject to count")


@pytest.mark.client("librdkafka (Python)", "schema validation: a registry that is away")
def test_a_producer_waits_for_a_registry_that_is_away(ensemble, name):
    ensemble.create(name)
    value, headers = serialised(ensemble, name)
    ends: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": ensemble.bootstrap, "retry.backoff.ms": 50})
    asked = ensemble.unchecked
    with ensemble.without_registry():
        producer.produce(name, value, headers=headers, on_delivery=lambda error, _: ends.append(error))
        eventually(lambda: producer.poll(0) or ensemble.unchecked > asked + 1, what="the producer to try again")
        assert ends == []
    assert producer.flush(30) == 0
    assert ends == [None]
    # once, and not in doubt
    low, high = _watermarks(ensemble, name)
    assert (low, high) == (0, 1)


def _watermarks(ensemble: Ensemble, topic: str) -> tuple[int, int]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": ensemble.bootstrap, "group.id": "none"})
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    finally:
        consumer.close()


@pytest.mark.java
@pytest.mark.client("Java", "schema validation")
def test_java(ensemble, tools, name, tmp_path):
    ensemble.create(name)
    number = ensemble.schemas.register_schema(f"{name}-value", Schema(json.dumps(ORDER), "AVRO"))
    value = b"\0" + number.to_bytes(4, "big") + b"\x0e"
    at = ("--bootstrap", ensemble.bootstrap, "--topic", name)
    good = tools.run(PRODUCER, *at, "--file", str(write_pairs(tmp_path / "good", [(None, value)] * 100)))
    assert len(acknowledged(good.lines)) == 100
    bad = tools.run(PRODUCER, *at, "--file", str(write_pairs(tmp_path / "bad", [(b"k", b"plain")])), check=False)
    assert bad.exit == 1
    assert "org.apache.kafka.common.InvalidRecordException: Log record DefaultRecord(offset=0, timestamp=" in bad.err
    assert f"key=1 bytes, value=5 bytes) {WORDS}of its value, there is no schema id: it begins with 70 6c" in bad.err


@pytest.mark.java
@pytest.mark.client("Java", "schema validation: a registry that is away")
def test_java_waits_for_a_registry_that_is_away(ensemble, name, tmp_path):
    ensemble.create(name)
    number = ensemble.schemas.register_schema(f"{name}-value", Schema(json.dumps(ORDER), "AVRO"))
    source = write_pairs(tmp_path / "in", [(None, b"\0" + number.to_bytes(4, "big") + b"\x0e")] * 100)
    asked, at = ensemble.unchecked, ("--bootstrap", ensemble.bootstrap, "--topic", name)
    with contextlib.ExitStack() as stack:
        with ensemble.without_registry():
            producing = stack.enter_context(JavaProgram(tmp_path / "out", PRODUCER, *at, "--file", str(source)))
            eventually(lambda: ensemble.unchecked > asked + 1, seconds=60, what="the producer to try again")
            assert producing.running()
            assert producing.lines() == []
        assert len(acknowledged(producing.wait(60))) == 100


@pytest.mark.java
@pytest.mark.client("Kafka's command-line tools", "kafka-configs: schema validation")
def test_kafka_configs(ensemble, tools, name):
    command = "kafka.admin.ConfigCommand"
    at = ("--bootstrap-server", ensemble.bootstrap, "--entity-type", "topics", "--entity-name", name)
    ensemble.create(name, **{VALIDATION: "false"})
    assert ensemble.offsets_of(name, (b"plain", [])) == [0]
    tools.run(command, *at, "--alter", "--add-config", f"{VALIDATION}=true")
    [refused] = ensemble.offsets_of(name, (b"plain", []))
    assert refused.code() == KafkaError.INVALID_RECORD
    shown = tools.run(command, *at, "--describe", "--all").out
    assert f"{VALIDATION}=true sensitive=false synonyms={{DYNAMIC_TOPIC_CONFIG:{VALIDATION}=true}}" in shown
    assert f"{STRATEGY}={CLASSES}TopicNameStrategy sensitive=false synonyms={{}}" in shown
    mistaken = tools.run(command, *at, "--alter", "--add-config", f"{STRATEGY}=com.example.Mine", check=False)
    assert mistaken.exit == 1
    assert f"Invalid value com.example.Mine for configuration {STRATEGY}" in mistaken.out + mistaken.err
    tools.run(command, *at, "--alter", "--delete-config", VALIDATION)
    assert ensemble.offsets_of(name, (b"plain", [])) == [1]

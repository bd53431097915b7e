"""Serialisers that know several replicas, while those are killed, stopped and continued, over both kinds of broker."""

from __future__ import annotations

import itertools
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from interop.registry.stack import schema_id
from support.processes import RegistryProcess, killed_at_the_end
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = "Confluent's serialisers (Python)"
PATIENT = {"max.retries": 40, "retries.wait.ms": 50, "retries.max.wait.ms": 500, "ssl.ca.location": False}
"""Settings of a client that outlasts an election."""
WORKERS = 3


@pytest.fixture
def replicas(broker, name, tmp_path) -> Iterator[list[RegistryProcess]]:
    """Run three replicas with a topic and a group of their own."""
    config = (
        f"kafkastore.topic={name}-schemas\nschema.registry.group.id={name}\nhost.name=127.0.0.1\n"
        "schema.registry.session.timeout.ms=6000\nschema.registry.heartbeat.interval.ms=1000\n"
    )
    made = [RegistryProcess(tmp_path / f"replica-{number}", broker.bootstrap, config) for number in range(3)]
    with killed_at_the_end(*made):
        for each in made:
            each.start(wait=False)
        for each in made:
            eventually(each.serves)
        yield made
        for each in made:
            each.stop()


def leader(replicas: list[RegistryProcess]) -> RegistryProcess:
    """Return the replica that says last that it leads."""
    said = [
        (line.split()[0], each)
        for each in replicas
        for line in each.log.read_text().splitlines()
        if f"this instance (http://127.0.0.1:{each.port}) leads" in line
    ]
    return max(said, key=lambda pair: pair[0])[1]


def client_of(replicas: list[RegistryProcess]) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": ",".join(each.url for each in replicas)} | PATIENT)


class Traffic:
    """Producers in threads that register a schema for each record: whatever goes wrong with one, ends the test."""

    def __init__(self, bootstrap: str, topic: str, replicas: list[RegistryProcess]) -> None:
        self.acknowledged: list[tuple[str, int]] = []
        """The subject of each record, and the id in it."""
        self._bootstrap = bootstrap
        self._topic = topic
        self._replicas = replicas
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        with ThreadPoolExecutor(WORKERS) as pool:
            workers = [pool.submit(self._produce, number) for number in range(WORKERS)]
            try:
                yield self
            finally:
                self._over.set()
        for worker in workers:
            worker.result()

    def goes_on(self) -> None:
        """Wait until there are records of all producers that were begun from now on."""
        seen = len(self.acknowledged)
        eventually(lambda: self._over.is_set() or len(self.acknowledged) > seen + 5 * WORKERS, seconds=90)

    def _produce(self, worker: int) -> None:
        # each asks another replica first
        urls = self._replicas[worker:] + self._replicas[:worker]
        client = client_of(urls)
        producer = Producer({"bootstrap.servers": self._bootstrap, "linger.ms": 0, "log_level": 0})
        try:
            for number in itertools.count():
                if self._over.is_set():
                    return
                subject = f"w{worker}n{number}"
                serialize = AvroSerializer(client, text(subject), conf={"subject.name.strategy.type": "RECORD"})
                value = serialize({"n": number}, SerializationContext(self._topic, MessageField.VALUE))
                producer.produce(self._topic, value, on_delivery=_delivered)
                assert producer.flush(30) == 0
                self.acknowledged.append((subject, schema_id(value)))
        finally:
            client.close()

    def check(self) -> None:
        """Read every record as a consumer that knows one replica only, whichever that is."""
        ids = [number for _, number in self.acknowledged]
        assert len(set(ids)) == len(ids) > 10 * WORKERS
        messages = self._messages()
        for replica in self._replicas:
            client = client_of([replica])
            deserialize = AvroDeserializer(client)
            for message in messages:
                data = deserialize(message.value(), SerializationContext(self._topic, MessageField.VALUE))
                assert data["n"] >= 0
            for subject, number in self.acknowledged:
                assert client.get_latest_version(subject).schema_id == number
            client.close()

    def _messages(self):
        settings = {"bootstrap.servers": self._bootstrap, "group.id": self._topic, "log_level": 0}
        consumer = Consumer(settings)
        try:
            consumer.assign([TopicPartition(self._topic, 0, 0)])
            return consumer.consume(len(self.acknowledged), timeout=30)
        finally:
            consumer.close()


def _delivered(error: object, _: object) -> None:
    assert error is None


def text(name: str) -> str:
    return json.dumps({"type": "record", "name": name, "fields": [{"name": "n", "type": "long"}]})


@pytest.mark.client(CLIENT, "several replicas: one is killed, the leader is killed, while producers register and go on")
def test_producers_go_on_while_replicas_are_killed(broker, topic, replicas):
    traffic = Traffic(broker.bootstrap, topic, replicas)
    with traffic.running():
        traffic.goes_on()
        follower = next(each for each in replicas if each is not leader(replicas))
        follower.kill()
        traffic.goes_on()
        follower.start()
        former = leader(replicas)
        former.kill()
        traffic.goes_on()
        assert leader([each for each in replicas if each is not former]) is not former
        former.start()
        traffic.goes_on()
    traffic.check()


@pytest.mark.client(CLIENT, "several replicas: a leader that was stopped for long cannot write when it goes on")
def test_a_former_leader_that_goes_on_is_fenced(broker, replicas):
    with ExitStack() as clients:
        everyone = clients.enter_context(client_of(replicas))
        first = everyone.register_schema("first", Schema(text("First"), "AVRO"))
        former = leader(replicas)
        others = [each for each in replicas if each is not former]
        rest, alone = (clients.enter_context(client_of(each)) for each in (others, [former]))
        former.process.send_signal(signal.SIGSTOP)
        try:
            second = rest.register_schema("second", Schema(text("Second"), "AVRO"))
        finally:
            former.process.send_signal(signal.SIGCONT)
        # it still believes that it leads: what it is asked for now, it must not write
        third = alone.register_schema("third", Schema(text("Third"), "AVRO"))
        fourth = rest.register_schema("fourth", Schema(text("Fourth"), "AVRO"))
        assert len({first, second, third, fourth}) == 4
        for replica in replicas:
            found = clients.enter_context(client_of([replica]))
            named = {subject: found.get_latest_version(subject).schema_id for subject in found.get_subjects()}
            assert named == {"first": first, "second": second, "third": third, "fourth": fourth}

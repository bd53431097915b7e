"""The schema registry: from its start to its first answer over many schemas, look-ups by id, and registration.

Nothing is beside it: Confluent's registry is not to be had from a public registry of packages. The topic of many
schemas is written as another registry would have written it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from kopfka_bench.brokers.processes import RegistryProcess
from kopfka_bench.errors import LostRecordsError
from kopfka_bench.figures import KOPFKA, percentile
from kopfka_bench.load import workers
from kopfka_bench.load.http import Rate, Timed, encode, one_by_one, paced, told
from kopfka_bench.load.topics import create_topic
from kopfka_bench.machine import usage

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "schema registry"
AIM = ""
_CONNECTIONS = 20
_CLIENTS = 20


def run(session: Session) -> None:
    """Measure it over the bundled broker."""
    target = next((each for each in session.targets if each.name == KOPFKA), None)
    if target is None:
        session.results.note("the schema registry was not measured: that is done over the bundled broker")
        return
    with target.running("registry", "group.initial.rebalance.delay.ms=0\n") as broker:
        _loaded(session, broker, target.folder)
        for turn in range(session.plan.rounds):
            _registering(session, _registry(broker, target.folder, f"registering-{turn}", turn))


def _loaded(session: Session, broker: Broker, folder: Path) -> None:
    plan = session.plan
    _fill(broker.bootstrap, "loaded", plan.schemas)
    name = f"{plan.schemas} schemas"
    for turn in range(plan.rounds):
        registry = _registry(broker, folder, "loaded", turn)
        begun = time.perf_counter()
        registry.start()
        session.add(f"{name}, start to ready", KOPFKA, time.perf_counter() - begun, "s")
        try:
            session.add(f"{name}, RSS", KOPFKA, usage(_pid(registry), exact=True).rss, "MB")
            _look_up(session, registry)
            session.add(f"{name}, RSS after look-ups", KOPFKA, usage(_pid(registry), exact=True).rss, "MB")
        finally:
            registry.stop()


def _look_up(session: Session, registry: RegistryProcess) -> None:
    plan = session.plan
    ids = range(1, plan.schemas + 1, max(1, plan.schemas // 1000))
    requests = [encode(registry.url, "GET", f"/schemas/ids/{each}") for each in ids]
    # each once, so that what is measured is a warm replica
    workers.run(one_by_one, registry.url, requests)
    before = usage(_pid(registry)).cpu
    done = workers.run(paced, registry.url, requests, Rate(plan.lookups, plan.seconds, _CONNECTIONS))
    took = done.results[0].seconds
    name = f"look-up by id, {plan.lookups} a second"
    for part in (50, 99, 99.9):
        session.add(f"{name}, p{part:g}", KOPFKA, percentile(took, part / 100) * 1000, "ms")
    cpu = (usage(_pid(registry)).cpu - before) / len(took)
    session.add(name, KOPFKA, cpu * 1e6, "µs each", cost="registry's CPU")


def _registering(session: Session, registry: RegistryProcess) -> None:
    plan = session.plan
    registry.start()
    try:
        each = plan.registrations // _CLIENTS
        calls = []
        for client in range(_CLIENTS):
            numbers = range(client * each, (client + 1) * each)
            requests = [
                encode(registry.url, "POST", f"/subjects/subject-{number}/versions", _body(number))
                for number in numbers
            ]
            calls.append((registry.url, requests))
        done: workers.Done[Timed] = workers.together(one_by_one, calls)
        ids = [said["id"] for said in told(done.results)]
        if len(set(ids)) != len(ids):
            raise LostRecordsError(f"{len(ids) - len(set(ids))} of {len(ids)} ids were given twice")
        took = sorted(seconds for timed in done.results for seconds in timed.seconds)
        name = f"registration, {_CLIENTS} clients"
        session.add(name, KOPFKA, len(ids) / done.seconds, "schemas/s", more_is_better=True)
        session.add(f"{name}, p99", KOPFKA, percentile(took, 0.99) * 1000, "ms")
    finally:
        registry.stop()


def _registry(broker: Broker, folder: Path, topic: str, turn: int) -> RegistryProcess:
    config = f"kafkastore.topic={topic}\nschema.registry.group.id={topic}-{turn}\n"
    return RegistryProcess(folder / f"registry-{topic}-{turn}", broker.bootstrap, config)


def _pid(registry: RegistryProcess) -> int:
    assert registry.process is not None
    return registry.process.pid


def _fill(bootstrap: str, topic: str, count: int) -> None:
    """Write a topic of schemas: five versions a subject."""
    create_topic(bootstrap, topic, configs={"cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "linger.ms": 20})
    for number in range(count):
        subject, version = f"subject-{number // 5}-value", number % 5 + 1
        key = {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}
        value = {"subject": subject, "version": version, "id": number + 1, "schema": _schema(number), "deleted": False}
        producer.produce(topic, json.dumps(value, separators=(",", ":")), json.dumps(key, separators=(",", ":")))
        producer.poll(0)
    if producer.flush(60):
        raise LostRecordsError(f"not all of {count} schemas were written")


def _schema(number: int) -> str:
    fields = [
        {"name": f"field_{index}", "type": ["null", "string"], "default": None, "doc": f"field {index} of {number}"}
        for index in range(8)
    ]
    said = {"type": "record", "name": f"Record{number}", "namespace": "io.kopfka.bench", "fields": fields}
    return json.dumps(said, separators=(",", ":"))


def _body(number: int) -> bytes:
    return json.dumps({"schema": _schema(number)}).encode()

"""Tuning profiles: what each gains and costs on both brokers. Text of 1 KB a record, by confluent-kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.load import librdkafka, workers
from kopfka_bench.load.paced import Pace
from kopfka_bench.load.topics import create_topic, delete_topics
from kopfka_bench.load.warming import warm
from kopfka_bench.profiles import PROFILES, VARIED, of_librdkafka
from kopfka_bench.scenarios.latency import measure

if TYPE_CHECKING:
    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.profiles import Profile
    from kopfka_bench.session import Session

TITLE = "tuning profiles"
AIM = ""
_RATE = 1000
_PACED = "profiles-paced"


def run(session: Session) -> None:
    """Measure each profile in turns."""
    with session.brokers("profiles") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            create_topic(broker.bootstrap, _PACED)
        for turn, profile in enumerate((*PROFILES, *VARIED) if session.plan.combinations else PROFILES):
            producer, consumer = of_librdkafka(profile.producer), of_librdkafka(profile.consumer)
            for number, broker in session.turns(brokers):
                _throughput(session, broker, profile, f"profiles-{turn}-{number}")
            for _, broker in session.turns(brokers):
                pace = Pace(_PACED, _RATE, session.plan.seconds, producer, consumer)
                measure(session, broker, f"{profile.name}, {_RATE:,} records/s", pace)


def _throughput(session: Session, broker: Broker, profile: Profile, topic: str) -> None:
    each = int(profile.producer["batch.size"]) // 1000 or 0.1  # a request for each record takes its time
    count = int(session.plan.megabytes * 1000 * min(1, each))
    create_topic(broker.bootstrap, topic)
    job = librdkafka.Job(topic, count, 1000, of_librdkafka(profile.producer), text=True)
    with broker.metered() as meter:
        sent = workers.run(librdkafka.produce, broker.bootstrap, job)
    name = f"{profile.name}, in"
    session.throughput(name, broker.name, count / 1000 / sent.seconds, 1000)
    session.cost(name, broker.name, meter, gigabytes=count / 1e6, client=sent.cpu / sent.seconds)
    job = librdkafka.Job(topic, count, 1000, of_librdkafka(profile.consumer))
    with broker.metered() as meter:
        read = workers.run(librdkafka.consume, broker.bootstrap, job)
    name = f"{profile.name}, out"
    session.throughput(name, broker.name, count / 1000 / read.results[0], 1000)
    session.cost(name, broker.name, meter, gigabytes=count / 1e6, client=read.cpu / read.seconds)
    size = sum(file.stat().st_size for file in broker.process.data.glob(f"{topic}-*/*.log"))
    session.add(f"{profile.name}, bytes on disk", broker.name, 100 * size / (count * 1000), "% of what was sent")
    delete_topics(broker.bootstrap, topic)

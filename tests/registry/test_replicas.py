"""Several replicas over one topic: one writes, all answer the same, and a leader that was deposed cannot write."""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from registry.http import Rest
from registry.service.schemas import ONE, TWO, record
from support.processes import BrokerProcess, RegistryProcess, killed_at_the_end, running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = (
    "schema.registry.session.timeout.ms=2000\nschema.registry.heartbeat.interval.ms=500\nkafkastore.timeout.ms=5000\n"
)
_names = itertools.count(1)


@pytest.fixture
def broker_of_one_test(tmp_path: Path) -> Iterator[BrokerProcess]:
    config = (
        "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\n"
        "transaction.state.log.num.partitions=1\ngroup.min.session.timeout.ms=1000\n"
    )
    with running_broker(tmp_path / "broker", config) as process:
        yield process


@pytest.fixture
def replicas(broker_of_one_test: BrokerProcess, tmp_path: Path) -> Iterator[list[RegistryProcess]]:
    made = [
        RegistryProcess(tmp_path / f"registry-{number}", broker_of_one_test.bootstrap, QUICK + "host.name=127.0.0.1\n")
        for number in range(3)
    ]
    with killed_at_the_end(*made):
        for each in made:
            each.start(wait=False)
        for each in made:
            eventually(each.serves)
        yield made
        for each in made:
            each.stop()


def _leader(replicas: list[RegistryProcess]) -> RegistryProcess:
    """Return the replica that says last that it leads."""
    lines = [
        (line.split()[0], each)
        for each in replicas
        for line in each.log.read_text().splitlines()
        if f"this instance (http://127.0.0.1:{each.port}) leads" in line
    ]
    return max(lines, key=lambda pair: pair[0])[1]


def _registered(url: str, subject: str, schema: str) -> int:
    return eventually(lambda: Rest(url)("POST", f"/subjects/{subject}/versions", {"schema": schema}).body.get("id"))


def test_every_replica_takes_changes_and_sees_its_own(replicas):
    for number, replica in enumerate(replicas):
        rest = Rest(replica.url)
        schema = record(f"R{number}", x="int")
        schema_id = _registered(replica.url, f"s{number}", schema)
        assert rest("GET", f"/schemas/ids/{schema_id}").body["schema"] == schema
        assert rest("GET", f"/subjects/s{number}/versions").body == [1]
        assert rest("PUT", f"/config/s{number}", {"compatibility": "NONE"}).status == 200
        assert rest("GET", f"/config/s{number}").body == {"compatibilityLevel": "NONE"}
        # another replica, asked at once for the id a producer wrote
        other = Rest(replicas[number - 1].url)
        assert other("GET", f"/schemas/ids/{schema_id}").body["schema"] == schema
    assert Rest(replicas[0].url)("DELETE", "/subjects/s1").body == [1]
    assert Rest(replicas[2].url)("POST", "/subjects/s2/versions", {"schema": "{"}).error == (422, 42201)


def test_many_clients_at_all_replicas_get_one_id_a_schema(replicas):
    _registered(replicas[0].url, "first", ONE)
    texts = {f"Many{number}": record(f"Many{number}", x="int") for number in range(40)}

    def one(job):
        index, name = job
        rest = Rest(replicas[index % len(replicas)].url)
        answer = rest("POST", f"/subjects/{name}-{index % 4}/versions", {"schema": texts[name]})
        assert answer.status == 200, answer
        return name, answer.body["id"]

    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(one, enumerate([*texts] * 6)))
    ids = dict(results)
    assert len(set(ids.values())) == len(texts)
    assert all(ids[name] == schema_id for name, schema_id in results)


def test_a_killed_leader_loses_nothing_and_no_id_is_given_twice(replicas):
    """Clients register while leaders are killed: whatever was acknowledged is there, under one id and no other."""
    acknowledged: dict[str, int] = {}
    stop = False

    def client(worker):
        turns = itertools.cycle(replicas[worker:] + replicas[:worker])
        for number in itertools.count():
            if stop:
                return
            text = record(f"W{worker}N{number}", x="int")
            try:
                answer = Rest(next(turns).url)("POST", f"/subjects/w{worker}n{number}/versions", {"schema": text})
            except (OSError, HTTPException):  # killed while it answered
                continue
            if answer.status == 200:
                acknowledged[text] = answer.body["id"]

    _registered(replicas[0].url, "first", ONE)
    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(client, worker) for worker in range(3)]
        for _ in range(2):
            before = len(acknowledged)
            eventually(lambda before=before: len(acknowledged) > before + 20)
            leader = _leader(replicas)
            leader.kill()
            after = len(acknowledged)
            eventually(lambda after=after: len(acknowledged) > after + 20, seconds=60)
            leader.start()
        stop = True
        for worker in workers:
            worker.result()
    assert len(set(acknowledged.values())) == len(acknowledged)
    for replica in replicas:
        rest = Rest(replica.url)
        for text, schema_id in acknowledged.items():
            assert rest("GET", f"/schemas/ids/{schema_id}").body["schema"] == text


def test_a_leader_that_was_stopped_for_long_cannot_write_when_it_goes_on(replicas):
    """Two leaders at once: the former one, stopped and continued, still believes that it leads."""
    _registered(replicas[0].url, "first", ONE)
    former = _leader(replicas)
    others = [each for each in replicas if each is not former]
    former.process.send_signal(signal.SIGSTOP)
    try:
        second = _registered(others[0].url, "second", TWO)
    finally:
        former.process.send_signal(signal.SIGCONT)
    third = _registered(former.url, "third", record("Third", x="int"))
    fourth = _registered(others[1].url, "fourth", record("Fourth", x="int"))
    assert len({second, third, fourth}) == 3
    for replica in replicas:
        rest = Rest(replica.url)
        assert rest("GET", f"/schemas/ids/{third}").body == rest("GET", f"/schemas/ids/{third}").body
        assert rest("GET", "/subjects").body == ["first", "fourth", "second", "third"]


def test_while_the_broker_is_away_schemas_are_read_and_changes_refused(broker_of_one_test, replicas):
    schema_id = _registered(replicas[0].url, "s", ONE)
    leader = Rest(_leader(replicas).url)
    broker_of_one_test.kill()
    assert leader("GET", f"/schemas/ids/{schema_id}").body["schema"] == ONE
    assert leader("GET", "/subjects/s/versions/latest").body["id"] == schema_id
    refused = leader("POST", "/subjects/s/versions", {"schema": TWO})
    assert refused.status == 500
    assert refused.body["error_code"] in range(50001, 50005)
    broker_of_one_test.start()
    assert _registered(replicas[1].url, "s", TWO) == schema_id + 1

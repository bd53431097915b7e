"""Kopfka's own client (`kopfka_wire.client`) against both brokers, and beside clients that others wrote."""

from __future__ import annotations

import asyncio
import struct
import subprocess

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Producer as OtherProducer
from kio.schema.errors import ErrorCode

from kopfka_wire.client.admin import Admin
from kopfka_wire.client.errors import TlsError
from kopfka_wire.client.fetcher import EARLIEST, Fetcher, Isolation
from kopfka_wire.client.member import Loss, Member
from kopfka_wire.client.producer import Producer
from kopfka_wire.client.settings import known_names
from kopfka_wire.compression import NAMES
from kopfka_wire.error_codes import (
    AuthorizationError,
    FencedError,
    InvalidConfigError,
    InvalidRecordError,
    OffsetOutOfRangeError,
    SaslError,
    TopicExistsError,
    UnknownTopicError,
    broker_error,
    name_of,
)
from kopfka_wire.records import Record
from support.certificates import Authority
from support.java import java_command
from support.prerequisites import need_java
from support.proxy import TcpProxy
from support.waiting import eventually_async
from support.wire_clients import behind, connected, logged_in


@pytest.fixture
async def cluster(broker):
    async with connected(broker.bootstrap) as cluster:
        yield cluster


def port_of(broker):
    return int(broker.bootstrap.rpartition(":")[2])


async def values(cluster, topic, **options):
    async with Fetcher(cluster, topic, 0, max_wait=0.05, **options) as fetcher:
        end = await fetcher.end_offset()
        return [record.value async for record in fetcher.records_until(end)]


async def test_topics_and_their_configs(cluster, name):
    admin = Admin(cluster)
    assert await cluster.check()
    await admin.create_topic(name, 3, 1, {"cleanup.policy": "compact"})
    topic = await admin.describe_topic(name)
    assert (len(topic.partitions), topic.replication_factor, topic.internal) == (3, 1, False)
    with pytest.raises(TopicExistsError, match=name):
        await admin.create_topic(name, 3, 1)
    configs = await admin.topic_configs(name, ["cleanup.policy", "retention.ms"])
    assert {key: (each.value, each.is_default) for key, each in configs.items()} == {
        "cleanup.policy": ("compact", False),
        "retention.ms": ("604800000", True),
    }
    await admin.alter_topic_configs(name, {"cleanup.policy": None, "retention.ms": "1000"})

    async def altered():
        configs = await admin.topic_configs(name, ["cleanup.policy", "retention.ms"])
        return {key: each.value for key, each in configs.items()} == {
            "cleanup.policy": "delete",
            "retention.ms": "1000",
        }

    await eventually_async(altered)
    with pytest.raises(InvalidConfigError):
        await admin.alter_topic_configs(name, {"no.such.config": "1"})
    assert await admin.list_offsets(name, [0, 1, 2]) == {0: 0, 1: 0, 2: 0}
    await admin.delete_topic(name)

    async def gone():
        try:
            await admin.describe_topic(name)
        except UnknownTopicError:
            return True
        return False

    await eventually_async(gone)


@pytest.mark.parametrize("compression", NAMES)
async def test_others_read_what_it_writes_and_it_reads_what_others_write(broker, cluster, topic, compression):
    other = OtherProducer({"bootstrap.servers": broker.bootstrap, "compression.type": compression, "linger.ms": 20})
    for number in range(100):
        other.produce(topic, b"theirs %d" % number, b"k", timestamp=1_700_000_000_000 + number, headers=[("h", b"x")])
    await asyncio.to_thread(other.flush)
    async with Producer(cluster, compression=compression) as producer:
        writer = producer.partition(topic, 0)
        await asyncio.gather(*(writer.send(b"ours %d" % n, b"k", headers=(("h", b"x"),)) for n in range(100)))
    async with Fetcher(cluster, topic, 0) as fetcher:
        records = [record async for record in fetcher.records_until(200)]
    expected = [*(b"theirs %d" % number for number in range(100)), *(b"ours %d" % number for number in range(100))]
    assert [record.value for record in records] == expected
    assert records[7] == Record(7, 1_700_000_000_007, b"k", b"theirs 7", (("h", b"x"),))

    def read():
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": topic, "check.crcs": True})
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = []
        while len(messages) < 200:
            messages += consumer.consume(200, 1.0)
        consumer.close()
        return messages

    messages = await asyncio.to_thread(read)
    assert [message.value() for message in messages] == expected
    assert {tuple(message.headers()) for message in messages} == {(("h", b"x"),)}


async def test_the_older_of_two_writers_with_one_id_is_deposed(broker, cluster, topic):
    """Plain idempotent batches under a transactional id's producer id and epoch: what fences the registry's leaders."""
    async with connected(broker.bootstrap) as elsewhere:
        older, newer = Producer(cluster, transactional_id=topic), Producer(elsewhere, transactional_id=topic)
        assert (await older.partition(topic, 0).send(b"1")).offset == 0
        await newer.start()
        assert (newer.producer_id, newer.epoch) == (older.producer_id, older.epoch + 1)
        assert (await newer.partition(topic, 0).send(b"2")).offset == 1
        with pytest.raises(FencedError):
            await older.partition(topic, 0).send(b"3")
        with pytest.raises(FencedError):
            await older.partition(topic, 0).send(b"3")
        # a session of its own does not help it: the coordinator knows its epoch for an old one
        older_again = Producer(cluster, transactional_id=topic)
        older_again._session._identity = older._session.identity
        with pytest.raises(FencedError):
            await older_again._session.renew(older._session.identity)
        assert (await newer.partition(topic, 0).send(b"4")).offset == 2
        await asyncio.gather(older.close(), newer.close(), older_again.close())
    # no transaction anywhere: who reads what is committed sees every record at once
    assert await values(cluster, topic, isolation=Isolation.READ_COMMITTED) == [b"1", b"2", b"4"]


async def test_an_owner_may_claim_its_id_again(cluster, topic):
    async with Producer(cluster, transactional_id=topic) as producer:
        await producer.partition(topic, 0).send(b"1")
        used = producer._session.identity
        renewed = await producer._session.renew(used)
        assert (renewed.producer_id, renewed.epoch) == (used.producer_id, used.epoch + 1)
        assert (await producer.partition(topic, 0).send(b"2")).offset == 1
        producer._session._identity = used  # as if the answer had been lost, and the claim were repeated
        assert await producer._session.renew(used) == renewed
        assert (await producer.partition(topic, 0).send(b"3")).offset == 2


async def test_what_is_sent_again_is_written_once(broker, topic):
    proxy = TcpProxy(port_of(broker))
    try:
        async with connected(proxy.bootstrap) as cluster:
            behind(cluster, proxy)
            async with Producer(cluster, transactional_id=topic, max_batch_bytes=60) as producer:
                writer = producer.partition(topic, 0)
                assert (await writer.send(b"0")).offset == 0
                with proxy.losing_answers():
                    before = proxy.answers_lost
                    waiting = [asyncio.ensure_future(writer.send(b"%d" % number)) for number in range(1, 30)]
                    await eventually_async(lambda: proxy.answers_lost >= before + 3)
                assert [each.offset for each in await asyncio.gather(*waiting)] == list(range(1, 30))
                for number in range(30, 60):
                    proxy.cut()
                    assert (await writer.send(b"%d" % number)).offset == number
            assert await values(cluster, topic) == [b"%d" % number for number in range(60)]
    finally:
        proxy.close()


async def test_several_batches_at_a_time_stay_in_order(cluster, topic):
    async with Producer(cluster, max_batch_bytes=60) as producer:
        writer = producer.partition(topic, 0)
        sent = await asyncio.gather(*(writer.send(b"%d" % number) for number in range(500)))
    assert [each.offset for each in sent] == list(range(500))
    assert await values(cluster, topic) == [b"%d" % number for number in range(500)]


async def test_a_record_that_is_not_taken_hinders_no_other(cluster, create_topic):
    topic = create_topic(cleanup_policy="compact")
    async with Producer(cluster) as producer:
        writer = producer.partition(topic, 0)
        calls = [writer.send(b"%d" % number, b"%d" % number) for number in range(20)]
        calls.insert(7, writer.send(b"no key"))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(outcomes.pop(7), InvalidRecordError)
        assert sorted(each.offset for each in outcomes) == list(range(20))
        assert (await writer.send(b"and on", b"last")).offset == 20


@pytest.mark.parametrize("isolation", Isolation)
async def test_transactions_of_others(broker, cluster, topic, isolation):
    def write():
        other = OtherProducer({"bootstrap.servers": broker.bootstrap, "transactional.id": topic})
        other.init_transactions(30)
        for number, ends in enumerate((True, False, True)):
            other.begin_transaction()
            other.produce(topic, b"%d" % number)
            other.flush()
            other.commit_transaction(30) if ends else other.abort_transaction(30)

    await asyncio.to_thread(write)
    expected = [b"0", b"2"] if isolation is Isolation.READ_COMMITTED else [b"0", b"1", b"2"]
    assert await values(cluster, topic, isolation=isolation) == expected


async def test_ready_made_batches(broker, cluster, create_topic, topic):
    other = OtherProducer({"bootstrap.servers": broker.bootstrap, "compression.type": "lz4", "linger.ms": 50})
    for number in range(300):
        other.produce(topic, b"value %d" % number)
    await asyncio.to_thread(other.flush)
    await Admin(cluster).create_topic(topic + "-copy", 1, 1)
    async with Fetcher(cluster, topic, 0) as fetcher, Producer(cluster) as producer:
        writer = producer.partition(topic + "-copy", 0)
        while fetcher.position != 300:
            await asyncio.gather(*(writer.send_batch(batch.data) for batch in await fetcher.poll()))
    assert await values(cluster, topic + "-copy") == [b"value %d" % number for number in range(300)]


async def test_offsets_that_are_not_there_and_topics_that_are_others(broker, cluster, topic):
    admin = Admin(cluster)
    async with Producer(cluster) as producer:
        for number in range(5):
            await producer.partition(topic, 0).send(b"%d" % number)
    broker.admin.delete_records([TopicPartition(topic, 0, 3)])[TopicPartition(topic, 0)].result(timeout=30)
    async with Fetcher(cluster, topic, 0, 1) as fetcher:
        with pytest.raises(OffsetOutOfRangeError):
            await fetcher.poll()
        assert (fetcher.log_start_offset, fetcher.high_watermark) == (3, 5)
        fetcher.seek(EARLIEST)
        assert [record.value async for record in fetcher.records_until(5)] == [b"3", b"4"]
        assert await fetcher.start_offset() == 3
    assert await admin.list_offsets(topic, [0], -2) == {0: 3}


# -- groups -------------------------------------------------------------------------------------------------------


class Instance:
    def __init__(self, metadata=b"", protocol="v0"):
        self.metadata = metadata
        self.protocol = protocol
        self.assignment = None
        self.losses = []

    def protocols(self):
        return [(self.protocol, self.metadata)]

    def assign(self, election):
        first = min(election.members, key=lambda member: member.metadata)
        return {member.member_id: b"leads" if member is first else b"follows" for member in election.members}

    async def assigned(self, assignment):
        self.assignment = assignment

    async def lost(self, loss):
        self.assignment = None
        self.losses.append(loss)

    @property
    def has(self):
        return self.assignment and self.assignment.data


async def test_members_of_a_group_of_registries(broker, cluster, name):
    one, two = Instance(b"1"), Instance(b"2")
    async with connected(broker.bootstrap) as elsewhere:
        first = Member(cluster, name, "sr", one, heartbeat_interval=0.1)
        second = Member(elsewhere, name, "sr", two, heartbeat_interval=0.1)
        first.start()
        await eventually_async(lambda: one.has == b"leads")
        second.start()
        await eventually_async(lambda: (one.has, two.has) == (b"leads", b"follows"))
        assert first.assignment.generation == second.assignment.generation
        assert first.is_valid()
        assert second.is_valid()
        until = second.valid_until
        await eventually_async(lambda: second.valid_until > until)
        two.metadata = b"0"
        second.rejoin()
        await eventually_async(lambda: (one.has, two.has) == (b"follows", b"leads"))
        await second.close()
        await eventually_async(lambda: one.has == b"leads")
        await first.close()
    assert one.losses[-1] is Loss.CLOSED


async def test_a_member_of_a_group_of_consumers(broker, cluster, create_topic):
    """librdkafka's consumer and ours are in one group; whoever leads, both get a partition."""
    topic = create_topic(2)
    names = struct.pack(">hi", 0, 1) + struct.pack(">h", len(topic)) + topic.encode() + struct.pack(">i", -1)

    class Ours(Instance):
        def assign(self, election):
            part = {member.member_id: partition for partition, member in enumerate(election.members)}
            return {
                member_id: struct.pack(">hi", 0, 1) + struct.pack(">h", len(topic)) + topic.encode()
                + struct.pack(">iii", 1, partition, -1)
                for member_id, partition in part.items()
            }  # fmt: skip

    ours = Ours(names, "range")
    theirs = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": topic, "heartbeat.interval.ms": 100,
                       "partition.assignment.strategy": "range"})  # fmt: skip
    theirs.subscribe([topic])
    async with Member(cluster, topic, "consumer", ours, heartbeat_interval=0.1):

        async def shared():
            await asyncio.to_thread(theirs.poll, 0.1)
            return len(theirs.assignment()) == 1 and ours.has and ours.assignment.generation

        await eventually_async(shared)
        (partition,) = struct.unpack_from(">i", ours.has, 12 + len(topic))
        assert {partition, theirs.assignment()[0].partition} == {0, 1}
    await asyncio.to_thread(theirs.close)


# -- logins -------------------------------------------------------------------------------------------------------

FOREIGN = Authority("Somebody else")


def logins(settings):
    """Return by name: whose topic is written to, the settings, and the exception that is expected."""
    token = settings.provider.token
    return {
        "tls": ("ann", settings.anonymous("TLS"), None),
        "mtls": ("dora", settings.certificate("MTLS", "Dora"), None),
        "mtls as another": ("ann", settings.certificate("MTLS", "Dora"), AuthorizationError),
        "mtls without a certificate": ("dora", settings.anonymous("MTLS"), TlsError),
        "mtls of another authority": ("dora", settings.certificate("MTLS", "Dora", authority=FOREIGN), TlsError),
        "plain": ("ann", settings.password("SASL", "PLAIN", "ann", "ann-secret"), None),
        "plain and tls": ("ann", settings.password("SASLTLS", "PLAIN", "ann", "ann-secret"), None),
        "plain as another": ("bob", settings.password("SASL", "PLAIN", "ann", "ann-secret"), AuthorizationError),
        "wrong password": ("ann", settings.password("SASL", "PLAIN", "ann", "wrong"), SaslError),
        "scram-sha-256": ("bob", settings.password("SASL", "SCRAM-SHA-256", "bob", "bob-secret"), None),
        "scram-sha-512 and tls": ("cleo", settings.password("SASLTLS", "SCRAM-SHA-512", "cleo", "cleo-secret"), None),
        "wrong scram password": ("bob", settings.password("SASL", "SCRAM-SHA-256", "bob", "wrong"), SaslError),
        "a mechanism that is off": ("ann", settings.password("OAUTH", "PLAIN", "ann", "ann-secret"), SaslError),
        "bearer": ("dora", settings.bearer("wire-good", token("dora")), None),
        "client credentials": ("dora", settings.credentials("dora", "dora-secret"), None),
        "wrong client credentials": ("dora", settings.credentials("dora", "wrong"), SaslError),
        "bearer expired": ("dora", settings.bearer("wire-old", token("dora", seconds=-300)), SaslError),
    }


async def test_logins(guarded, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for what, (topic, settings, expected) in logins(guarded.settings).items():
        async with logged_in(settings | {"default.api.timeout.ms": "20000"}) as cluster:
            producer = Producer(cluster, delivery_timeout=20)
            send = producer.partition(topic, 0).send(what.encode())
            if expected is None:
                assert (await send).offset >= 0, what
            else:
                with pytest.raises(expected) as caught:
                    await send
                assert not caught.value.retriable, what
                assert "secret" not in str(caught.value)
            await producer.close()


async def test_the_words_of_the_broker(guarded):
    for mechanism, user in (("PLAIN", "ann"), ("SCRAM-SHA-256", "bob")):
        async with logged_in(guarded.settings.password("SASL", mechanism, user, "wrong")) as cluster:
            with pytest.raises(SaslError, match=r"(?i)authentication failed"):
                await cluster.check()


async def test_a_session_that_is_renewed(guarded):
    """`connections.max.reauth.ms` of this listener is 3 s; one connection outlives it, as it logs in again."""
    async with (
        logged_in(guarded.settings.password("SASL", "PLAIN", "ann", "ann-secret")) as cluster,
        Producer(cluster) as producer,
    ):
        writer = producer.partition("ann", 0)
        await writer.send(b"first")
        connection = await cluster.connection(1, producer._lane)
        first = connection.renew_at
        loop = asyncio.get_running_loop()
        assert first < loop.time() + 3

        async def renewed():
            await writer.send(b"again")
            return connection.renew_at > first

        await eventually_async(renewed)
        began = loop.time()
        await eventually_async(lambda: loop.time() > began + 1)
        await writer.send(b"still")
        assert await cluster.connection(1, producer._lane) is connection


# -- what Kafka's clients know by name ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def facts():
    need_java()
    output = subprocess.run(
        java_command("io.kopfka.interop.ClientFacts"), capture_output=True, text=True, check=True, timeout=60
    ).stdout
    return [line.split(" ")[1:] for line in output.splitlines() if line.startswith("config ")], [
        line.split(" ")[1:] for line in output.splitlines() if line.startswith("error ")
    ]


@pytest.mark.java
def test_every_setting_of_kafkas_clients_is_known(facts):
    java = {name for (name,) in facts[0]}
    ours = {name for name in known_names() if name not in java}
    assert java <= known_names()
    assert ours == {"sasl.username", "sasl.password", "sasl.mechanisms", "kopfka.sasl.oauthbearer.token"}


@pytest.mark.java
def test_error_codes_are_kafkas(facts):
    theirs = {int(code): (name, retriable == "true") for code, name, retriable in facts[1]}
    assert {code.value: (name_of(code), broker_error(code).retriable) for code in ErrorCode} == theirs

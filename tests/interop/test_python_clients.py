"""The two clients written in Python: produce, read in a group of two, copy in transactions, administrate."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import aiokafka
import aiokafka.admin
import kafka
import kafka.admin
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as Place

from interop.copies import check_copy, topics_to_copy
from support.kafka import CODECS, stored_codecs
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.conftest import Peer

COUNT = 400
PARTITIONS = 4
BATCH = 50
ABORT_EVERY = 3
SECONDS = 60
VALUES = [b"value %d, which is here twice: value %d" % (number, number) for number in range(COUNT)]
GROUP = "idempotent producer, group of two"
COPY = "transactions: read-process-write"
ADMIN = "admin: topics, configs, partitions, records, groups, offsets"


@pytest.mark.client("aiokafka", f"{GROUP}, all codecs")
@pytest.mark.parametrize("codec", CODECS)
async def test_aiokafka(broker: Peer, create_topic: Callable[..., str], codec: str) -> None:
    topic = create_topic(PARTITIONS)
    at = {"bootstrap_servers": broker.bootstrap}
    async with aiokafka.AIOKafkaProducer(
        **at, enable_idempotence=True, compression_type=None if codec == "none" else codec, linger_ms=20
    ) as producer:
        sent = [await producer.send(topic, value, partition=number % PARTITIONS) for number, value in enumerate(VALUES)]
        acknowledged = {(done.partition, done.offset) for done in await asyncio.gather(*sent)}
    assert len(acknowledged) == COUNT

    members = [
        aiokafka.AIOKafkaConsumer(topic, **at, group_id=topic, auto_offset_reset="earliest", heartbeat_interval_ms=300)
        for _ in range(2)
    ]
    read: list[list[Any]] = [[], []]

    async def read_all(number: int) -> None:
        # not before both have partitions: one alone would have read everything before the other is there
        while {len(each.assignment()) for each in members} != {PARTITIONS // 2}:
            await asyncio.sleep(0.05)
        while sum(map(len, read)) < COUNT:
            for records in (await members[number].getmany(timeout_ms=200)).values():
                read[number] += records
        await members[number].commit()

    await asyncio.gather(*(each.start() for each in members))
    await asyncio.wait_for(asyncio.gather(read_all(0), read_all(1)), SECONDS)
    ends = await members[0].end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
    committed = {place: await members[0].committed(place) for place in ends}
    await asyncio.gather(*(each.stop() for each in members))
    _check_read(read, acknowledged)
    assert committed == ends
    assert stored_codecs(broker.data, topic) == {codec}


def _check_read(read: list[list[Any]], acknowledged: set[tuple[int, int]]) -> None:
    assert all(read), "one member read nothing"
    everything = [record for records in read for record in records]
    assert sorted(record.value for record in everything) == sorted(VALUES)
    assert {(record.partition, record.offset) for record in everything} == acknowledged


@pytest.mark.client("aiokafka", COPY)
async def test_aiokafka_copies(broker: Peer, name: str) -> None:
    source, sink = topics_to_copy(broker, name, COUNT)
    at = {"bootstrap_servers": broker.bootstrap}
    consumer = aiokafka.AIOKafkaConsumer(
        source, **at, group_id=name, isolation_level="read_committed", enable_auto_commit=False,
        auto_offset_reset="earliest", max_poll_records=BATCH,
    )  # fmt: skip
    producer = aiokafka.AIOKafkaProducer(**at, transactional_id=name)
    await asyncio.gather(consumer.start(), producer.start())
    done = transactions = 0
    committed: dict[TopicPartition, int] = {}
    while done < COUNT:
        batches = await consumer.getmany(timeout_ms=1000)
        if not batches:
            continue
        transactions += 1
        await producer.begin_transaction()
        for records in batches.values():
            for record in records:
                await producer.send(sink, record.value.upper())
        places = {partition: records[-1].offset + 1 for partition, records in batches.items()}
        await producer.send_offsets_to_transaction(places, name)
        if transactions % ABORT_EVERY == 0:
            await producer.abort_transaction()
            for place in batches:  # `seek_to_committed` stays where it is if nothing was committed yet
                consumer.seek(place, committed.get(place, 0))
        else:
            await producer.commit_transaction()
            committed |= places
            done += sum(map(len, batches.values()))
    await asyncio.gather(consumer.stop(), producer.stop())
    check_copy(broker, sink, name, source, COUNT)


@pytest.mark.client("aiokafka", ADMIN)
async def test_aiokafka_administrates(broker: Peer, create_topic: Callable[..., str]) -> None:
    topic = create_topic(1)
    place = TopicPartition(topic, 0)
    admin = aiokafka.admin.AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        created = await admin.create_topics([aiokafka.admin.NewTopic(f"{topic}-new", 2, 1)])
        assert [error for _, error, *_ in created.topic_errors] == [0]
        again = await admin.create_topics([aiokafka.admin.NewTopic(f"{topic}-new", 2, 1)])
        assert [error for _, error, *_ in again.topic_errors] == [36]
        assert {topic, f"{topic}-new"} <= set(await admin.list_topics())
        assert [f"{node['host']}:{node['port']}" for node in (await admin.describe_cluster())["brokers"]] == [
            broker.bootstrap
        ]
        grown = await admin.create_partitions({topic: aiokafka.admin.NewPartitions(2)})
        assert [error for _, error, *_ in grown.topic_errors] == [0]
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "7000"})
        await admin.alter_configs([resource])

        async def retention() -> str:
            [described] = await admin.describe_configs([resource])
            [(*_, entries)] = described.resources
            return {name: value for name, value, *_ in entries}["retention.ms"]

        while await retention() != "7000":  # Apache Kafka answers before it is in force
            await asyncio.sleep(0.05)
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            for _ in range(5):
                await producer.send_and_wait(topic, b"value", partition=0)
        deleted = await admin.delete_records({place: aiokafka.admin.RecordsToDelete(before_offset=3)})
        assert deleted == {place: 3}
        async with aiokafka.AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap, group_id=topic, enable_auto_commit=False
        ) as consumer:
            consumer.assign([place])
            assert await consumer.beginning_offsets([place]) == {place: 3}
            await consumer.commit({place: 4})
        assert (await admin.list_consumer_group_offsets(topic))[place].offset == 4
        assert topic in [group for group, *_ in await admin.list_consumer_groups()]
        [described] = await admin.describe_consumer_groups([topic])
        assert [(error, group, state) for error, group, state, *_ in described.groups] == [(0, topic, "Empty")]
        gone = await admin.delete_topics([f"{topic}-new"])
        assert [error for _, error, *_ in gone.topic_error_codes] == [0]
    finally:
        await admin.close()


@pytest.mark.client("kafka-python", f"{GROUP}, gzip")
@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_kafka_python(broker: Peer, create_topic: Callable[..., str], codec: str) -> None:
    """The other codecs need packages of C code beside it; what they write is what others' write."""
    topic = create_topic(PARTITIONS)
    at = {"bootstrap_servers": broker.bootstrap}
    read: list[list[Any]] = [[], []]
    sizes = [0, 0]
    consumers = [
        kafka.KafkaConsumer(
            topic, **at, group_id=topic, auto_offset_reset="earliest", enable_auto_commit=False,
            heartbeat_interval_ms=300, session_timeout_ms=10_000,
        )
        for _ in range(2)
    ]  # fmt: skip

    # who leads a group without knowing the topic yet gives out nothing, and stays with it for minutes
    eventually(
        lambda: all(each.partitions_for_topic(topic) for each in consumers), what="kafka-python to know the topic"
    )
    ended = threading.Event()

    def read_and_commit(number: int) -> None:
        while not ended.is_set():
            batches = consumers[number].poll(100)
            sizes[number] = len(consumers[number].assignment())
            if batches:
                consumers[number].commit()
                for records in batches.values():
                    read[number] += records

    with ThreadPoolExecutor() as members:
        try:
            reading = [members.submit(read_and_commit, number) for number in range(2)]
            eventually(lambda: sizes == [PARTITIONS // 2] * 2, seconds=30, what="both members to have partitions")
            producer = kafka.KafkaProducer(**at, compression_type=None if codec == "none" else codec, linger_ms=20)
            sent = [producer.send(topic, value, partition=number % PARTITIONS) for number, value in enumerate(VALUES)]
            acknowledged = {(done.partition, done.offset) for done in (each.get(SECONDS) for each in sent)}
            producer.close()
            eventually(lambda: sum(map(len, read)) >= COUNT, seconds=30, what=f"{COUNT} records to be read")
        finally:
            ended.set()
    for each in reading:
        each.result()
    for each in consumers:
        each.close()
    assert len(acknowledged) == COUNT
    _check_read(read, acknowledged)
    reader = kafka.KafkaConsumer(**at, group_id=topic)
    places = [Place(topic, number) for number in range(PARTITIONS)]
    assert {place: reader.committed(place) for place in places} == reader.end_offsets(places)
    reader.close()
    assert stored_codecs(broker.data, topic) == {codec}


@pytest.mark.client("kafka-python", COPY)
def test_kafka_python_copies(broker: Peer, name: str) -> None:
    source, sink = topics_to_copy(broker, name, COUNT)
    at = {"bootstrap_servers": broker.bootstrap}
    consumer = kafka.KafkaConsumer(
        source, **at, group_id=name, isolation_level="read_committed", enable_auto_commit=False,
        auto_offset_reset="earliest", max_poll_records=BATCH,
    )  # fmt: skip
    producer = kafka.KafkaProducer(**at, transactional_id=name)
    producer.init_transactions()
    done = transactions = 0
    committed: dict[Place, int] = {}

    def copied() -> bool:
        nonlocal done, transactions
        batches = consumer.poll(1000)
        if not batches:
            return False
        transactions += 1
        producer.begin_transaction()
        for records in batches.values():
            for record in records:
                producer.send(sink, record.value.upper())
        places = {place: OffsetAndMetadata(records[-1].offset + 1, "", -1) for place, records in batches.items()}
        producer.send_offsets_to_transaction(places, consumer.group_metadata())
        if transactions % ABORT_EVERY == 0:
            producer.flush()
            producer.abort_transaction()
            for place in batches:
                consumer.seek(place, committed.get(place, 0))
        else:
            producer.commit_transaction()
            committed.update((place, at.offset) for place, at in places.items())
            done += sum(map(len, batches.values()))
        return done == COUNT

    eventually(copied, seconds=SECONDS, every=0, what="the copy")
    consumer.close()
    producer.close()
    check_copy(broker, sink, name, source, COUNT)


@pytest.mark.client("kafka-python", f"{ADMIN}, transactions, SCRAM")
def test_kafka_python_administrates(broker: Peer, create_topic: Callable[..., str]) -> None:
    topic = create_topic(1)
    place = Place(topic, 0)
    at = {"bootstrap_servers": broker.bootstrap}
    admin = kafka.admin.KafkaAdminClient(**at)
    try:
        new = f"{topic}-new"
        admin.create_topics([kafka.admin.NewTopic(new, 2, 1)])
        with pytest.raises(kafka.errors.TopicAlreadyExistsError):
            admin.create_topics([kafka.admin.NewTopic(new, 2, 1)])
        eventually(lambda: {topic, new} <= set(admin.list_topics()))
        admin.create_partitions({topic: kafka.admin.NewPartitions(2)})
        eventually(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 2)
        resource = kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.TOPIC, topic, {"retention.ms": "7000"})
        admin.alter_configs([resource])
        eventually(lambda: "7000" in str(admin.describe_configs([resource])))

        producer = kafka.KafkaProducer(**at)
        for _ in range(5):
            producer.send(topic, b"value", partition=0).get(SECONDS)
        producer.close()
        assert admin.delete_records({place: 3})[place]["low_watermark"] == 3
        latest = admin.list_partition_offsets({place: kafka.admin.OffsetSpec.LATEST})
        assert latest[place].offset == 5
        admin.alter_group_offsets(topic, {place: OffsetAndMetadata(4, "", -1)})
        assert admin.list_group_offsets({topic: None})[topic][place].offset == 4
        assert topic in [group["group_id"] for group in admin.list_groups()]
        assert admin.describe_groups([topic])[topic]["group_state"] == "Empty"
        admin.delete_groups([topic])
        assert topic not in [group["group_id"] for group in admin.list_groups()]

        open_one = kafka.KafkaProducer(**at, transactional_id=topic)
        open_one.init_transactions()
        open_one.begin_transaction()
        open_one.send(topic, b"value", partition=0).get(SECONDS)
        assert admin.describe_transactions([topic])[topic].state.value == "Ongoing"
        assert topic in str(admin.list_transactions())
        open_one.commit_transaction()
        open_one.close()

        scram = kafka.admin.UserScramCredentialUpsertion(topic, kafka.admin.ScramMechanism.SCRAM_SHA_256, b"secret")
        admin.alter_user_scram_credentials([scram])
        eventually(lambda: topic in str(admin.describe_user_scram_credentials([topic])))
        admin.delete_topics([new])
        eventually(lambda: new not in admin.list_topics())
    finally:
        admin.close()

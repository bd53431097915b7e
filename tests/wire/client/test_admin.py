"""Administrative calls against the bundled broker."""

from __future__ import annotations

import asyncio

import pytest

from kopfka_wire.client.admin import Admin
from kopfka_wire.client.producer import Producer
from kopfka_wire.error_codes import InvalidConfigError, TopicExistsError, UnknownTopicError
from support.waiting import eventually_async


@pytest.fixture
def admin(cluster):
    return Admin(cluster)


async def test_a_topic_from_its_creation_to_its_end(admin, name):
    await admin.create_topic(name, 3, 1, {"cleanup.policy": "compact"})
    topic = await admin.describe_topic(name)
    assert [each.partition for each in topic.partitions] == [0, 1, 2]
    assert {(each.leader, each.replicas, each.in_sync) for each in topic.partitions} == {(1, (1,), (1,))}
    assert (topic.replication_factor, topic.internal, topic.name) == (1, False, name)
    assert topic.topic_id is not None
    with pytest.raises(TopicExistsError):
        await admin.create_topic(name, 3, 1)
    await admin.delete_topic(name)
    with pytest.raises(UnknownTopicError):
        await admin.describe_topic(name)
    with pytest.raises(UnknownTopicError):
        await admin.delete_topic(name)


async def test_numbers_that_are_left_to_the_broker(admin, name):
    await admin.create_topic(name)
    topic = await admin.describe_topic(name)
    assert (len(topic.partitions), topic.replication_factor) == (1, 1)


async def test_configs(admin, name):
    await admin.create_topic(name, 1, 1, {"retention.ms": "1000"})
    configs = await admin.topic_configs(name)
    assert configs["retention.ms"].value == "1000"
    assert not configs["retention.ms"].is_default
    assert configs["cleanup.policy"].value == "delete"
    assert configs["cleanup.policy"].is_default
    await admin.alter_topic_configs(name, {"cleanup.policy": "compact", "retention.ms": None})
    configs = await admin.topic_configs(name, ["cleanup.policy", "retention.ms"])
    assert configs.keys() == {"cleanup.policy", "retention.ms"}
    assert configs["cleanup.policy"].value == "compact"
    assert configs["retention.ms"].is_default
    broker = await admin.broker_configs(1, ["log.retention.hours", "node.id"])
    assert broker["node.id"].value == "1"
    assert broker["node.id"].read_only


async def test_what_is_refused(admin, name):
    with pytest.raises(InvalidConfigError, match="no/name"):
        await admin.create_topic("no/name", 1, 1)
    with pytest.raises(InvalidConfigError):
        await admin.create_topic(name, 0, 1)
    with pytest.raises(InvalidConfigError, match=r"no\.such\.config"):
        await admin.create_topic(name, 1, 1, {"no.such.config": "1"})
    with pytest.raises(UnknownTopicError):
        await admin.describe_topic(name)


async def test_offsets(admin, cluster, name):
    await admin.create_topic(name, 2, 1)
    async with Producer(cluster) as producer:
        for timestamp in (1000, 2000, 3000):
            await producer.partition(name, 1).send(b"value", timestamp=timestamp)
    assert await admin.list_offsets(name, [0, 1]) == {0: 0, 1: 3}
    assert await admin.list_offsets(name, [0, 1], -2) == {0: 0, 1: 0}
    assert await admin.list_offsets(name, [0, 1], 1500) == {0: -1, 1: 1}
    assert await admin.list_offsets(name, [1], committed=True) == {1: 3}


async def test_an_answer_that_is_lost(through, proxy, name):
    admin = Admin(through)
    await through.check()
    for call in (lambda: admin.create_topic(name, 2), lambda: admin.delete_topic(name)):
        before = proxy.answers_lost
        with proxy.losing_answers():
            waiting = asyncio.ensure_future(call())
            await eventually_async(lambda before=before: proxy.answers_lost > before + 2)
        await waiting
    with pytest.raises(UnknownTopicError):
        await admin.describe_topic(name)

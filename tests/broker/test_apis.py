"""Data and admin APIs, where no comparison with Apache Kafka reaches (tests/interop compares the answers)."""

from __future__ import annotations

import errno
from datetime import timedelta

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from broker.live import batch, live_broker
from kopfka_broker.transactions.producer_ids import ProducerIds
from kopfka_runtime.errors import SettingsError
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from support.processes import running_broker
from support.storage import replace_sync


@pytest.fixture(scope="module")
def admin(tmp_path_factory):
    config = "message.max.bytes=2000000\noffsets.topic.num.partitions=1\n"
    with running_broker(tmp_path_factory.mktemp("apis") / "data", config) as process:
        yield AdminClient({"bootstrap.servers": process.bootstrap, "log_level": 0})


async def test_every_api_of_apache_kafka_is_advertised_in_its_versions(live):
    client = await live.client()
    answer = await client.call(ApiKey.API_VERSIONS, 3, client_software_name="test", client_software_version="1")
    found = {each.api_key: (each.min_version, each.max_version) for each in answer.api_keys}
    assert found == KAFKA_VERSIONS


async def test_a_client_software_name_of_other_characters_is_refused(live):
    client = await live.client()
    answer = await client.call(ApiKey.API_VERSIONS, 3, client_software_name="a b", client_software_version="1")
    assert answer.error_code.name == "invalid_request"


async def test_topics_are_created_by_asking_for_them_only_where_the_broker_allows_it(tmp_path):
    wanted = {"include_cluster_authorized_operations": False, "include_topic_authorized_operations": False}
    from kio.schema.metadata.v8.request import MetadataRequestTopic

    topics = (MetadataRequestTopic(name="asked"),)
    for allowed, by_client, exists in ((True, True, True), (True, False, False), (False, True, False)):
        folder = tmp_path / f"{allowed}-{by_client}"
        async with live_broker(folder, auto_create_topics_enable=str(allowed).lower(), num_partitions="3") as live:
            client = await live.client()
            answer = await client.call(ApiKey.METADATA, 8, topics=topics, allow_auto_topic_creation=by_client, **wanted)
            assert len(answer.topics[0].partitions) == (3 if exists else 0)
            assert ("asked" in live.broker.cluster.logs.topics) is exists


async def test_each_client_is_told_the_address_of_the_listener_it_came_in_by(tmp_path):
    from support.processes import free_port

    ports = free_port(), free_port()
    async with live_broker(
        tmp_path / "data",
        listeners=f"INSIDE://127.0.0.1:{ports[0]},OUTSIDE://127.0.0.1:{ports[1]}",
        advertised_listeners="INSIDE://inside:1,OUTSIDE://outside:2",
        listener_security_protocol_map="INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
    ) as live:
        for port, told in zip(ports, (("inside", 1), ("outside", 2)), strict=True):
            live.port = port
            client = await live.client()
            found = await client.call(ApiKey.DESCRIBE_CLUSTER, 0, include_cluster_authorized_operations=False)
            assert (found.brokers[0].host, found.brokers[0].port) == told
            coordinator = await client.call(ApiKey.FIND_COORDINATOR, 1, key="g", key_type=0)
            assert (coordinator.host, coordinator.port) == told


async def test_acks_all_is_answered_after_the_disk_and_not_before(live, monkeypatch):
    """The answer comes when `flushed` returns; a failed disk turns the success into an error."""
    from kopfka_broker.storage import KafkaStorageError, PartitionLog

    client = await live.client()
    await client.create("t")
    asked = []

    async def flushed(self, offset):
        asked.append(offset)
        raise KafkaStorageError(f"the disk says {errno.ENOSPC}")

    monkeypatch.setattr(PartitionLog, "flushed", flushed)
    answer = await client.produce("t", batch(b"a", b"b"))
    assert answer.error_code.name == "kafka_storage_error"
    assert answer.base_offset == -1
    assert asked == [2]


async def test_internal_topics_are_not_for_clients(live):
    client = await live.client()
    live.broker.cluster.create_topic("__consumer_offsets", 1, {"cleanup.policy": "compact"})
    assert (await client.produce("__consumer_offsets", batch(b"x"))).error_code.name == "invalid_topic_exception"


async def test_one_large_batch_is_read_whatever_the_limits(live):
    client = await live.client()
    await client.create("t", partitions=2)
    large = batch(bytes(100_000))
    for partition in (0, 1):
        await client.produce("t", large, partition=partition)
    answer = await client.fetch(("t", 0, 0), ("t", 1, 0), max_bytes=1, partition_max_bytes=1)
    sizes = [len(part.records) for topic in answer.responses for part in topic.partitions]
    assert sorted(sizes) == [0, len(large)]


async def test_a_session_is_closed_by_deleting_all_of_its_partitions(live):
    from kio.schema.fetch.v11.request import ForgottenTopic

    client = await live.client()
    await client.create("t")
    session = (await client.fetch(("t", 0, 0), session_epoch=0)).session_id
    forgotten = (ForgottenTopic(topic="t", partitions=(0,)),)
    answer = await client.fetch(session_id=session, session_epoch=1, forgotten_topics_data=forgotten)
    assert answer.session_id == 0


def test_producer_ids_never_repeat_whatever_happens(tmp_path):
    taken = []
    for count in (1, 5, 1000, 2500, 3):
        ids = ProducerIds(tmp_path)  # as after a kill: nothing is said at the end
        ids.load()
        taken += [ids.take() for _ in range(count)]
    assert len(set(taken)) == len(taken)
    assert taken == sorted(taken)


def test_producer_ids_begin_after_those_that_somebody_has(tmp_path):
    ids = ProducerIds(tmp_path)
    assert not ids.load()
    ids.skip(5_500)
    assert ids.take() == 5_501
    again = ProducerIds(tmp_path)
    assert again.load()
    again.skip(17)
    assert again.take() > 5_501


def test_damaged_producer_ids_are_not_guessed(tmp_path):
    (tmp_path / "producer-ids").write_text("12x")
    with pytest.raises(SettingsError, match="above every producer id"):
        ProducerIds(tmp_path).load()


async def test_idempotent_producers_get_an_id_each(live):
    client = await live.client()
    fields = {
        "transactional_id": None,
        "transaction_timeout": timedelta(seconds=1),
        "producer_id": -1,
        "producer_epoch": -1,
    }
    first, second = [await client.call(ApiKey.INIT_PRODUCER_ID, 4, **fields) for _ in range(2)]
    assert first.error_code == second.error_code == 0
    assert first.producer_id != second.producer_id
    half = await client.call(ApiKey.INIT_PRODUCER_ID, 4, **fields | {"producer_id": 3})
    assert half.error_code.name == "invalid_request"


SET, DELETE = 0, 1


def alter(admin, kind, name, *changes):
    resource = ConfigResource(kind, name, incremental_configs=[
        ConfigEntry(key, value, incremental_operation=operation) for key, operation, value in changes
    ])  # fmt: skip
    admin.incremental_alter_configs([resource])[resource].result(10)


def described(admin, kind, name):
    resource = ConfigResource(kind, name)
    return admin.describe_configs([resource])[resource].result(10)


async def alter_broker(client, name, operation, key, value):
    """Alter one broker config; return the error code's name."""
    from kio.schema.incremental_alter_configs.v1.request import AlterableConfig, AlterConfigsResource

    change = AlterableConfig(name=key, config_operation=operation, value=value)
    resource = AlterConfigsResource(resource_type=4, resource_name=name, configs=(change,))
    answer = await client.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, resources=(resource,), validate_only=False)
    return answer.responses[0].error_code.name


async def test_a_broker_config_altered_changes_what_topics_do(tmp_path):
    large = batch(bytes(1000))
    async with live_broker(tmp_path / "data", message_max_bytes="2000000") as live:
        client = await live.client()
        await client.create("t")
        assert await alter_broker(client, "", SET, "message.max.bytes", "300") == "none"
        assert (await client.produce("t", large)).error_code.name == "message_too_large"
        assert await alter_broker(client, "1", SET, "message.max.bytes", "5000") == "none"
        assert (await client.produce("t", large)).error_code.name == "none"
        assert await alter_broker(client, "1", DELETE, "message.max.bytes", None) == "none"
        assert (await client.produce("t", large)).error_code.name == "message_too_large"
    async with live_broker(tmp_path / "data") as live:  # and it is kept
        assert (await (await live.client()).produce("t", large)).error_code.name == "message_too_large"


async def test_whether_acks_all_waits_for_the_disk_may_be_altered_while_the_broker_runs(tmp_path, monkeypatch):
    synced = []
    replace_sync(monkeypatch, synced.append)
    async with live_broker(tmp_path / "data") as live:
        client = await live.client()
        await client.create("t")
        for value, waits in (("false", 0), ("true", 1)):
            assert await alter_broker(client, "", SET, "kopfka.acks.all.fsync", value) == "none"
            synced.clear()
            assert (await client.produce("t", batch(b"x"))).error_code.name == "none"
            assert len(synced) == waits
        assert await alter_broker(client, "", SET, "kopfka.acks.all.fsync", "false") == "none"
    synced.clear()
    async with live_broker(tmp_path / "data") as live:  # and it is kept
        assert (await (await live.client()).produce("t", batch(b"x"))).error_code.name == "none"
        assert not synced


@pytest.mark.parametrize(
    ("name", "key", "value", "code"),
    [
        ("1", "num.partitions", "5", "invalid_request"),
        ("", "listeners", "A://:1", "invalid_request"),
        ("2", "log.retention.ms", "1", "invalid_request"),
        ("x", "log.retention.ms", "1", "invalid_request"),
        ("", "log.retention.ms", "x", "invalid_request"),
        ("1", "log.retention.ms", None, "invalid_request"),
    ],
)
async def test_what_may_not_be_altered(live, name, key, value, code):
    assert await alter_broker(await live.client(), name, SET, key, value) == code
    assert live.broker.cluster.config.altered == {"": {}}


def test_lists_are_appended_to_and_subtracted_from(admin):
    admin.create_topics([NewTopic("lists", 1, 1)])["lists"].result(10)
    alter(admin, ResourceType.TOPIC, "lists", ("cleanup.policy", AlterConfigOpType.APPEND, "compact"))
    assert described(admin, ResourceType.TOPIC, "lists")["cleanup.policy"].value == "delete,compact"
    alter(admin, ResourceType.TOPIC, "lists", ("cleanup.policy", AlterConfigOpType.SUBTRACT, "delete"))
    assert described(admin, ResourceType.TOPIC, "lists")["cleanup.policy"].value == "compact"

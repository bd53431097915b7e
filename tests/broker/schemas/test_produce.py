"""Producing to topics with schema validation: what passes, what is refused in which words, who waits for whom."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from broker.live import batch, live_broker
from broker.schemas.stand_in import guid_header, serving, written
from kopfka_wire.apis import ApiKey
from kopfka_wire.records import Record, encode_batch
from support.processes import free_port
from support.waiting import eventually_async

INVALID_RECORD = 87
NOT_ENOUGH_REPLICAS = 19
CORRUPT_MESSAGE = 2
STRATEGIES = "io.confluent.kafka.serializers.subject."
AVRO = '{"type": "record", "name": "Order", "namespace": "com.example", "fields": []}'
PROTO = 'syntax = "proto3"; package shop; message First { message In {} message Second {} } message Other {}'


def records(*items, **fields):
    """Return a batch; an item is a value, or key, value and headers."""
    made = []
    for item in items:
        key, value, headers = item if isinstance(item, tuple) else (None, item, ())
        made.append(Record(0, 1_700_000_000_000, key, value, tuple(headers)))
    return encode_batch(made, **fields)


def end_of(live, topic):
    return live.broker.cluster.partition(topic, 0).log_end_offset


async def validated(client, topic="t", **config):
    await client.create(topic, **({"confluent_value_schema_validation": "true"} | config))


async def switch(client, topic, value):
    """Switch the check of values on or off."""
    from kio.schema.incremental_alter_configs.v1.request import AlterableConfig, AlterConfigsResource

    config = AlterableConfig(name="confluent.value.schema.validation", config_operation=0, value=value)
    resource = AlterConfigsResource(resource_type=2, resource_name=topic, configs=(config,))
    answer = await client.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, resources=(resource,), validate_only=False)
    assert answer.responses[0].error_code == 0


async def begin(client):
    """Begin to be the transactional producer `mine`."""
    fields = {"transactional_id": "mine", "transaction_timeout": timedelta(seconds=60)}
    while (begun := await client.call(ApiKey.INIT_PRODUCER_ID, 2, **fields)).error_code:
        pass
    return begun


async def test_a_registered_schema_passes_and_any_other_is_refused(checking, registry):
    client = await checking.client()
    await validated(client)
    known, elsewhere = registry.register("t-value"), registry.register("other-value")
    assert (await client.produce("t", records(written(known)))).error_code == 0
    for value, why in (
        (written(elsewhere), "the value's schema id 2 is not registered under subject t-value"),
        (written(77), "the value's schema id 77 is not registered under subject t-value"),
        (b"plain", "of its value, there is no schema id: it begins with 70 6c 61 69 6e"),
        (b"", "of its value, there is no schema id: it begins with nothing"),
        (b"\0\0\0", "of its value, there is no schema id: it begins with 00 00 00"),
        (b"\0\xff\xff\xff\xff", "of its value, -1 is no schema id"),
    ):
        refused = await client.produce("t", records(written(known), value, written(known)))
        [error] = refused.record_errors
        assert (refused.error_code, error.batch_index, refused.base_offset) == (INVALID_RECORD, 1, -1)
        assert error.batch_index_error_message == (
            f"Log record DefaultRecord(offset=1, timestamp=1700000000000, key=0 bytes, value={len(value)} bytes) "
            "is rejected by the record interceptor io.confluent.kafka.schemaregistry.validator.RecordSchemaValidator: "
            f"{why} in topic partition t-0"
        )
        assert refused.error_message.startswith(
            "One or more records have been rejected due to 1 record errors in total, and only showing the first three "
            "errors at most: [RecordError(batchIndex=1, message='Log record DefaultRecord("
        )
    assert end_of(checking, "t") == 1


@pytest.mark.parametrize("compression", range(5))
async def test_batches_of_every_codec_are_looked_into(checking, registry, compression):
    client = await checking.client()
    await validated(client)
    known = registry.register("t-value")
    good, bad = written(known, b"x" * 500), b"x" * 500
    assert (await client.produce("t", records(good, good, compression=compression))).error_code == 0
    refused = await client.produce("t", records(good, bad, bad, compression=compression))
    assert refused.error_code == INVALID_RECORD
    assert [each.batch_index for each in refused.record_errors] == [1, 2]
    assert end_of(checking, "t") == 2


async def test_nothing_is_asked_of_records_without_a_value_or_key(checking, registry):
    client = await checking.client()
    await validated(client, confluent_key_schema_validation="true")
    value, key = registry.register("t-value"), registry.register("t-key")
    passing = [
        (None, written(value), ()),
        (written(key), None, ()),
        (None, None, ()),
        (written(key), written(value), ()),
    ]
    assert (await client.produce("t", records(*passing))).error_code == 0
    refused = await client.produce("t", records((b"plain", written(value), ()), (written(value), written(key), ())))
    texts = [each.batch_index_error_message for each in refused.record_errors]
    assert "of its key, there is no schema id" in texts[0]
    assert "the key's schema id 1 is not registered under subject t-key" in texts[1]
    assert registry.asked("/schemas/ids/1/versions") == 3  # once for t-value; twice, to be sure, for t-key


async def test_only_what_the_topic_asks_for_is_looked_at(checking, registry):
    client = await checking.client()
    await client.create("keys", confluent_key_schema_validation="true")
    await client.create("off", confluent_value_schema_validation="false")
    key = registry.register("keys-key")
    assert (await client.produce("keys", records((written(key), b"plain", ())))).error_code == 0
    assert (await client.produce("off", records(b"plain"))).error_code == 0
    assert registry.paths == ["/schemas/ids/1/versions"]


async def test_the_id_may_be_in_a_header(checking, registry):
    client = await checking.client()
    await validated(client)
    known = registry.register("t-value")
    guid, stranger = registry.guid_of(known), registry.guid_of(registry.register("other-value"))
    by_id = ("__value_schema_id", written(known, b""))
    good = [(None, b"plain", [guid_header(guid)]), (None, b"plain", [by_id]), (None, written(known), [("x", b"y")])]
    assert (await client.produce("t", records(*good))).error_code == 0
    last_wins = [guid_header(stranger), guid_header(guid)]
    assert (await client.produce("t", records((None, b"plain", last_wins)))).error_code == 0
    null_is_none = [("__value_schema_id", None)]
    assert (await client.produce("t", records((None, written(known), null_is_none)))).error_code == 0
    bad = {
        guid_header(stranger): f"GUID {stranger} is not registered under subject t-value",
        ("__value_schema_id", b"\1" + bytes(16)): "GUID 00000000-0000-0000-0000-000000000000 is not in the registry",
        ("__value_schema_id", b"\1short"): "header __value_schema_id begins with 01 73 68 6f 72",
        ("__key_schema_id", b"\1" + guid.bytes): "it begins with 70 6c 61 69 6e",
    }
    for header, why in bad.items():
        refused = await client.produce("t", records((None, b"plain", [header])))
        assert why in refused.record_errors[0].batch_index_error_message
    assert end_of(checking, "t") == 5


@pytest.mark.parametrize(("strategy", "prefix"), [("RecordNameStrategy", ""), ("TopicRecordNameStrategy", "t-")])
async def test_subjects_that_are_called_after_the_record(checking, registry, strategy, prefix):
    client = await checking.client()
    await validated(client, confluent_value_subject_name_strategy=STRATEGIES + strategy)
    avro = registry.register(f"{prefix}com.example.Order", AVRO)
    titled = registry.register(f"{prefix}Ticket", '{"title": "Ticket"}', "JSON")
    proto = registry.register(f"{prefix}shop.First.Second", PROTO, "PROTOBUF")
    registry.register(f"{prefix}shop.First", PROTO, "PROTOBUF", proto)
    by_topic = registry.register("t-value", AVRO)
    nameless = registry.register("t-value", '"string"')
    guid = registry.guid_of(proto)
    good = [
        written(avro), written(avro, b"\x04\x02\x08 other data"), written(titled),
        written(proto, b"\x00data"), written(proto, b"\x04\x00\x02data"),
        (None, b"data", [guid_header(guid, behind=b"\0")]),
    ]  # fmt: skip
    answer = await client.produce("t", records(*good))
    assert (answer.error_code, answer.record_errors) == (0, ())
    bad = {
        written(proto, b"\x02\x02data"): f"is not registered under subject {prefix}shop.Other",
        written(proto, b"\x02\x08data"): f"schema id {proto} has no record whose name {strategy} could take",
        written(proto, b""): f"schema id {proto} has no record whose name",
        written(by_topic): f"id {by_topic} is not registered under subject {prefix}com.example.Order",
        written(nameless): f"schema id {nameless} has no record whose name {strategy} could take",
        written(99): "the value's schema id 99 is not in the registry",
    }
    refused = await client.produce("t", records(*good, *bad))
    assert [each.batch_index for each in refused.record_errors] == list(range(6, 12))
    for error, why in zip(refused.record_errors, bad.values(), strict=True):
        assert why in error.batch_index_error_message
    assert end_of(checking, "t") == 6


async def test_a_subject_may_be_an_alias(checking, registry):
    client = await checking.client()
    await validated(client)
    known = registry.register("orders-value")
    assert (await client.produce("t", records(written(known)))).error_code == INVALID_RECORD
    registry.aliases["t-value"] = "orders-value"
    assert (await client.produce("t", records(written(known)))).error_code == 0


async def test_a_schema_registered_a_moment_later_counts(checking, registry):
    client = await checking.client()
    await validated(client)
    assert (await client.produce("t", records(written(1)))).error_code == INVALID_RECORD
    assert (await client.produce("t", records(written(registry.register("t-value"))))).error_code == 0


async def test_many_producers_ask_once(checking, registry):
    clients = [await checking.client() for _ in range(8)]
    await clients[0].create("t", partitions=3, confluent_value_schema_validation="true")
    known = registry.register("t-value")
    registry.open.clear()
    for number, client in enumerate(clients):
        fields = client.produce_fields("t", records(written(known)), partition=number % 3)
        client.send(ApiKey.PRODUCE, 8, **fields)
    waiting = checking.broker.cluster.metrics.requests.waiting
    await eventually_async(lambda: waiting[ApiKey.PRODUCE] == 8, what="all requests to wait")
    registry.open.set()
    answers = [(await client.receive(ApiKey.PRODUCE, 8))[1] for client in clients]
    assert [each.responses[0].partition_responses[0].error_code for each in answers] == [0] * 8
    assert registry.paths == [f"/schemas/ids/{known}/versions"]


async def test_others_are_served_and_a_connection_keeps_its_order(checking, registry):
    client, other = await checking.client(), await checking.client()
    await validated(client)
    await client.create("free")
    known, slow = registry.register("t-value"), registry.register("t-value")
    assert (await client.produce("t", records(written(known)))).error_code == 0
    registry.open.clear()
    sent = [
        client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", records(written(number))))
        for number in (slow, known, slow, known)
    ]
    await eventually_async(lambda: registry.asked(f"/schemas/ids/{slow}"), what="the question")
    # another connection goes on, to the same topic too where the answer is known
    assert (await other.produce("free", batch(b"plain"))).error_code == 0
    assert (await other.produce("t", records(written(known)))).base_offset == 1
    assert end_of(checking, "t") == 2
    registry.open.set()
    answers = [await client.receive(ApiKey.PRODUCE, 8) for _ in sent]
    assert [number for number, _ in answers] == sent
    assert [each.responses[0].partition_responses[0].base_offset for _, each in answers] == [2, 3, 4, 5]


async def test_partitions_of_one_request_are_judged_one_by_one(checking, registry):
    from kio.schema.produce.v8.request import PartitionProduceData, TopicProduceData

    client = await checking.client()
    await client.create("t", partitions=3, confluent_value_schema_validation="true")
    await client.create("free")
    known = registry.register("t-value")
    batches = [records(written(known)), records(b"plain"), records(written(known))[:-1] + b"!"]
    topics = (
        TopicProduceData(
            name="t",
            partition_data=tuple(PartitionProduceData(index=at, records=each) for at, each in enumerate(batches)),
        ),
        TopicProduceData(name="free", partition_data=(PartitionProduceData(index=0, records=records(b"plain")),)),
        TopicProduceData(name="missing", partition_data=(PartitionProduceData(index=0, records=records(b"x")),)),
    )
    answer = await client.call(
        ApiKey.PRODUCE, 8, transactional_id=None, acks=-1, timeout=timedelta(seconds=5), topic_data=topics
    )
    codes = [[each.error_code for each in topic.partition_responses] for topic in answer.responses]
    assert codes == [[0, INVALID_RECORD, CORRUPT_MESSAGE], [0], [3]]
    traffic = checking.broker.cluster.metrics.topic("t")
    assert (traffic.produce_requests, traffic.failed_produce_requests, traffic.messages_in) == (3, 2, 1)


async def test_without_an_answer_producers_are_told_to_try_again_and_nothing_is_taken(checking, registry, caplog):
    client = await checking.client()
    await validated(client)
    known, new = registry.register("t-value"), registry.register("t-value")
    assert (await client.produce("t", records(written(known)))).error_code == 0
    registry.instead = web.Response(status=503, text="down")
    for _ in range(3):
        told = await client.produce("t", records(written(new)))
        assert (told.error_code, told.record_errors) == (NOT_ENOUGH_REPLICAS, ())
        assert told.error_message.startswith("Nothing was written, as the schema registry gives no answer: http://127")
        assert "HTTP status 503" in told.error_message
    # what is known already goes on
    assert (await client.produce("t", records(written(known)))).error_code == 0
    assert end_of(checking, "t") == 2
    lines = [each.getMessage() for each in caplog.records if "schema registry" in each.getMessage()]
    assert len(lines) == 1
    assert "producers whose schemas are not known are told to try again" in lines[0]
    # left alone for a moment
    assert registry.asked(f"/schemas/ids/{new}") == 1
    registry.instead = None
    checking.broker.cluster.schemas().answers._not_before = 0.0
    assert (await client.produce("t", records(written(new)))).error_code == 0


async def test_acks_0_that_is_refused_ends_the_connection(checking, registry):
    client, other = await checking.client(), await checking.client()
    await validated(client)
    known = registry.register("t-value")
    for value in (written(known), b"plain"):
        client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", records(value), acks=0))
    assert await client.closed()
    assert (await other.fetch(("t", 0, 0))).responses[0].partitions[0].high_watermark == 1


async def test_switched_on_and_off_while_producers_are_known_by_their_bytes(checking, registry):
    """The short ways of plain batches and of requests like the last one are closed and open again."""
    client, admin = await checking.client(), await checking.client()
    await client.create("t")

    async def codes(acks=1):
        return [(await client.produce("t", batch(b"plain"), acks=acks)).error_code for _ in range(3)]

    assert await codes() == [0, 0, 0]
    await switch(admin, "t", "true")
    assert await codes() == [INVALID_RECORD] * 3
    await switch(admin, "t", "false")
    assert await codes() == [0, 0, 0]
    assert end_of(checking, "t") == 6
    assert registry.paths == []
    assert checking.broker.cluster.checked_topics == set()


async def test_switched_on_while_a_request_waits(checking, registry):
    """It waits for the registry about one topic, and the other one it writes to is to be checked by then."""
    from kio.schema.produce.v8.request import PartitionProduceData, TopicProduceData

    client, admin = await checking.client(), await checking.client()
    await validated(client)
    await client.create("late")
    known = registry.register("t-value")
    registry.open.clear()
    topics = tuple(
        TopicProduceData(name=name, partition_data=(PartitionProduceData(index=0, records=records(value)),))
        for name, value in (("t", written(known)), ("late", b"plain"))
    )
    client.send(ApiKey.PRODUCE, 8, transactional_id=None, acks=1, timeout=timedelta(seconds=5), topic_data=topics)
    await eventually_async(lambda: registry.paths, what="the question")
    await switch(admin, "late", "true")
    registry.open.set()
    _, answer = await client.receive(ApiKey.PRODUCE, 8)
    assert [each.partition_responses[0].error_code for each in answer.responses] == [0, INVALID_RECORD]
    assert end_of(checking, "late") == 0


async def test_deleted_and_made_again_while_a_request_waits(checking, registry):
    client, admin = await checking.client(), await checking.client()
    await validated(client)
    known = registry.register("t-value")
    registry.open.clear()
    client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", records(written(known)), acks=1))
    await eventually_async(lambda: registry.paths, what="the question")
    await admin.call(ApiKey.DELETE_TOPICS, 1, topic_names=("t",), timeout=timedelta(seconds=5))
    assert checking.broker.cluster.checked_topics == set()
    await validated(admin, confluent_value_subject_name_strategy=STRATEGIES + "TopicRecordNameStrategy")
    registry.open.set()
    _, answer = await client.receive(ApiKey.PRODUCE, 8)
    [result] = answer.responses[0].partition_responses
    assert result.error_code == INVALID_RECORD
    assert "TopicRecordNameStrategy" in result.record_errors[0].batch_index_error_message


async def test_what_is_wrong_anyway_is_told_as_without_the_check(checking, registry):
    client = await checking.client()
    await validated(client, cleanup_policy="compact", max_message_bytes="500", message_timestamp_before_max_ms="1000")
    known = registry.register("t-value")
    fresh = [Record(0, 4_000_000_000_000, b"k", written(known))]
    cases = {
        records(written(known))[:-1] + b"?": CORRUPT_MESSAGE,
        records(written(known, b"x" * 600)): 10,
        records((b"k", written(known), ())): 32,
        encode_batch(fresh): 32,
        b"": INVALID_RECORD,
    }
    for sent, code in cases.items():
        assert (await client.produce("t", sent)).error_code == code, code
    assert registry.paths == []


async def test_who_makes_ids_up_does_not_keep_the_registry_busy(checking, registry):
    client = await checking.client()
    await validated(client)
    refused = await client.produce("t", records(*[written(number) for number in range(1000)]))
    assert (refused.error_code, len(refused.record_errors)) == (INVALID_RECORD, 64)
    assert registry.asked("/schemas/ids/") == 2 * 64
    # where all are registered, all are asked for
    known = [registry.register("t-value") for _ in range(200)]
    assert (await client.produce("t", records(*map(written, known)))).error_code == 0
    assert (await client.produce("t", records(*map(written, known), written(999)))).record_errors[0].batch_index == 200


async def test_a_batch_names_no_more_than_a_thousand_records_at_fault(checking):
    client = await checking.client()
    await validated(client)
    refused = await client.produce("t", records(*[b"plain"] * 1500))
    assert (refused.error_code, len(refused.record_errors)) == (INVALID_RECORD, 1000)


async def test_what_was_switched_on_is_so_after_a_restart(tmp_path, registry, url):
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=url) as live:
        await validated(await live.client())
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=url) as live:
        client = await live.client()
        assert (await client.produce("t", records(b"plain"))).error_code == INVALID_RECORD


async def test_after_a_restart_without_a_registry_nothing_is_taken(tmp_path, url, caplog):
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=url) as live:
        await validated(await live.client())
    async with live_broker(tmp_path / "data") as live:
        client = await live.client()
        told = await client.produce("t", records(written(1)))
        assert told.error_code == NOT_ENOUGH_REPLICAS
        assert "set confluent.schema.registry.url" in told.error_message
        # what needs no question is still judged
        assert (await client.produce("t", records(b"plain"))).error_code == INVALID_RECORD
        assert (await client.produce("t", records((b"k", None, ())))).error_code == 0
    assert "nothing can be produced to topics with schema validation: set confluent.schema.registry.url" in caplog.text


async def test_a_broker_that_stops_does_not_wait_for_the_registry(tmp_path, registry, url):
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=url) as live:
        client = await live.client()
        await validated(client)
        registry.open.clear()
        client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", records(written(1))))
        await eventually_async(lambda: registry.paths, what="the question")
        await live.broker.close()
        _, answer = await client.receive(ApiKey.PRODUCE, 8)
        assert answer.responses[0].partition_responses[0].error_code == NOT_ENOUGH_REPLICAS


async def test_the_registry_comes_up_after_the_broker(tmp_path, registry):
    port = free_port()
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=f"http://127.0.0.1:{port}") as live:
        client = await live.client()
        await validated(client)
        known = registry.register("t-value")
        assert (await client.produce("t", records(written(known)))).error_code == NOT_ENOUGH_REPLICAS
        async with serving(registry, port=port):

            async def taken():
                return (await client.produce("t", records(written(known)))).error_code == 0

            while not await taken():
                pass
        assert end_of(live, "t") == 1


async def test_transactions_are_checked_before_their_coordinator_is_asked(checking, registry):
    from kio.schema.produce.v12.request import PartitionProduceData, TopicProduceData

    client = await checking.client()
    await validated(client)
    known = registry.register("t-value")
    begun = await begin(client)
    transactional = {
        "producer_id": begun.producer_id, "producer_epoch": begun.producer_epoch, "transactional": True,
    }  # fmt: skip
    for sequence, value in ((0, b"plain"), (0, written(known)), (1, written(known))):
        sent = records(value, base_sequence=sequence, **transactional)
        data = TopicProduceData(name="t", partition_data=(PartitionProduceData(index=0, records=sent),))
        client.send(
            ApiKey.PRODUCE, 12, transactional_id="mine", acks=-1, timeout=timedelta(seconds=5), topic_data=(data,)
        )
    answers = [(await client.receive(ApiKey.PRODUCE, 12))[1] for _ in range(3)]
    results = [answer.responses[0].partition_responses[0] for answer in answers]
    assert [(each.error_code, each.base_offset) for each in results] == [(INVALID_RECORD, -1), (0, 0), (0, 1)]
    log = checking.broker.cluster.partition("t", 0)
    assert (log.last_stable_offset, log.log_end_offset) == (0, 2)


async def test_switched_on_while_the_coordinator_of_a_transaction_is_asked(checking, registry, monkeypatch):
    from kio.schema.produce.v12.request import PartitionProduceData, TopicProduceData

    client, admin = await checking.client(), await checking.client()
    await client.create("t")
    begun = await begin(client)
    transactions, asked, gate = checking.broker.cluster.transactions, asyncio.Event(), asyncio.Event()
    verify = transactions.verify

    async def held_up(*arguments, **options):
        asked.set()
        await gate.wait()
        return await verify(*arguments, **options)

    monkeypatch.setattr(transactions, "verify", held_up)
    sent = records(
        b"plain",
        producer_id=begun.producer_id,
        producer_epoch=begun.producer_epoch,
        transactional=True,
        base_sequence=0,
    )
    data = TopicProduceData(name="t", partition_data=(PartitionProduceData(index=0, records=sent),))
    fields = {"transactional_id": "mine", "acks": -1, "timeout": timedelta(seconds=5), "topic_data": (data,)}
    client.send(ApiKey.PRODUCE, 12, **fields)
    await asked.wait()
    await switch(admin, "t", "true")
    gate.set()
    codes = []
    for _ in range(2):
        _, answer = await client.receive(ApiKey.PRODUCE, 12)
        codes.append(answer.responses[0].partition_responses[0].error_code)
        client.send(ApiKey.PRODUCE, 12, **fields)
    # not checked, so not taken; and checked when it comes again
    assert codes == [NOT_ENOUGH_REPLICAS, INVALID_RECORD]
    assert end_of(checking, "t") == 0


async def test_what_the_metrics_show(checking, registry):
    from kopfka_broker.metrics.collector import BrokerCollector

    client = await checking.client()
    await validated(client)
    known = registry.register("t-value")
    for value in (written(known), written(known), b"plain"):
        await client.produce("t", records(value, value))
    registry.instead = web.Response(status=500)
    await client.produce("t", records(written(50)))
    shown = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in BrokerCollector(checking.broker.cluster).collect()
        for sample in metric.samples
        if sample.name.startswith("kopfka_schema")
    }
    assert shown == {
        ("kopfka_schema_validation_rejected_records_total", "t"): 2,
        ("kopfka_schema_validation_passed_batches_total",): 2,
        ("kopfka_schema_validation_unchecked_batches_total",): 1,
        ("kopfka_schema_validation_lookups_total", "cached"): 1,
        ("kopfka_schema_validation_lookups_total", "answered"): 1,
        ("kopfka_schema_validation_lookups_total", "failed"): 1,
        ("kopfka_schema_validation_kept_answers",): 1,
        ("kopfka_schema_registry_up",): 0,
    }

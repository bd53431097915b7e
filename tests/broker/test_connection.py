"""Connections: order, pipelining, waiting, back-pressure, limits, the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from types import SimpleNamespace

import pytest

from broker.live import batch, live_broker
from kopfka_broker.network.server import _bound
from kopfka_wire.apis import ApiKey
from support.waiting import eventually_async

METADATA = {
    "topics": (),
    "allow_auto_topic_creation": False,
    "include_cluster_authorized_operations": False,
    "include_topic_authorized_operations": False,
}


async def test_answers_keep_the_order_of_requests_whatever_they_wait_for(live):
    client = await live.client()
    await client.create("t")
    sent = []
    for number in range(20):
        sent.append(client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"%d" % number))))
        sent.append(client.send(ApiKey.METADATA, 8, **METADATA))
    for number in range(20):
        correlation_id, answer = await client.receive(ApiKey.PRODUCE, 8)
        assert correlation_id == sent[2 * number]
        assert answer.responses[0].partition_responses[0].base_offset == number
        correlation_id, _ = await client.receive(ApiKey.METADATA, 8)
        assert correlation_id == sent[2 * number + 1]


async def test_a_waiting_fetch_holds_up_its_own_connection_only(live):
    waiting, other = await live.client(), await live.client()
    await other.create("t")
    waiting.send(ApiKey.FETCH, 11, **waiting.fetch_fields(("t", 0, 0), wait=60))
    behind = waiting.send(ApiKey.METADATA, 8, **METADATA)
    assert (await other.produce("t", batch(b"x"))).base_offset == 0
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    assert answer.responses[0].partitions[0].high_watermark == 1
    assert (await waiting.receive(ApiKey.METADATA, 8))[0] == behind


async def test_a_fetch_waits_for_min_bytes_over_all_its_partitions(live):
    waiting, other = await live.client(), await live.client()
    await other.create("t", partitions=2)
    one = batch(bytes(100))
    waiting.send(ApiKey.FETCH, 11, **waiting.fetch_fields(("t", 0, 0), ("t", 1, 0), wait=60, min_bytes=2 * len(one)))
    await other.produce("t", one, partition=0)
    await other.fetch(("t", 0, 0))  # a turn of the loop later nothing has been answered
    assert not waiting.reader._buffer
    await other.produce("t", one, partition=1)
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    found = [bytes(part.records) for topic in answer.responses for part in topic.partitions]
    assert found == [one, one]


async def test_a_fetch_whose_time_is_up_answers_with_what_there_is(live):
    client = await live.client()
    await client.create("t")
    one = batch(b"little")
    await client.produce("t", one)
    answer = await client.fetch(("t", 0, 0), wait=0.05, min_bytes=10_000)
    assert answer.responses[0].partitions[0].records[16:] == one[16:]


async def test_a_fetch_hears_of_the_deletion_of_its_topic(live):
    waiting, other = await live.client(), await live.client()
    await other.create("t")
    waiting.send(ApiKey.FETCH, 11, **waiting.fetch_fields(("t", 0, 0), wait=60))
    await other.call(ApiKey.METADATA, 8, **METADATA)
    await other.call(ApiKey.DELETE_TOPICS, 3, topic_names=("t",), timeout=_ms(5000))
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    assert answer.responses[0].partitions[0].error_code.name == "unknown_topic_or_partition"


async def test_a_client_that_leaves_ends_its_waiting(live):
    waiting, other = await live.client(), await live.client()
    await other.create("t")
    log = live.broker.cluster.logs.topics["t"].partitions[0]
    waiting.send(ApiKey.FETCH, 11, **waiting.fetch_fields(("t", 0, 0), wait=600))
    await eventually_async(lambda: bool(log._watchers), what="the fetch to wait")
    waiting.writer.close()
    await eventually_async(lambda: not log._watchers, what="the fetch to be given up")


async def test_a_client_that_never_reads_is_not_read_from_and_others_are_served(live):
    deaf, other = await live.client(), await live.client()
    await other.create("t")
    await other.produce("t", batch(bytes(900_000)))
    wanted = deaf.fetch_fields(("t", 0, 0))
    for _ in range(200):
        deaf.send(ApiKey.FETCH, 11, **wanted)
    server = live.broker._server
    assert server is not None

    def stuck():
        return [each for each in server.state.connections if each._choked]

    await eventually_async(lambda: len(stuck()) == 1, what="the connection to be choked")
    (connection,) = stuck()
    assert connection._transport.get_write_buffer_size() < 5_000_000
    for _ in range(5):
        assert (await other.produce("t", batch(b"served"))).error_code == 0
    for _ in range(200):  # and when it reads at last, nothing is missing
        _, answer = await deaf.receive(ApiKey.FETCH, 11)
        assert len(answer.responses[0].partitions[0].records) > 900_000


async def test_frames_may_come_in_any_pieces(live):
    client = await live.client()
    raw = b""
    writer, client.writer = client.writer, _Recorder()
    for _ in range(50):
        client.send(ApiKey.METADATA, 8, **METADATA)
    raw, client.writer = client.writer.data, writer
    for size in (1, 2, 3, 5, 7, 11):
        writer.write(raw[:size])
        raw = raw[size:]
        await asyncio.sleep(0)
        await writer.drain()
    for start in range(0, len(raw), 13):
        writer.write(raw[start : start + 13])
        await writer.drain()
    for number in range(50):
        assert (await client.receive(ApiKey.METADATA, 8))[0] == number + 1


class _Recorder:
    data = b""

    def write(self, data):
        self.data += data


async def test_a_request_larger_than_the_first_reserve_arrives_whole(live):
    client = await live.client()
    await client.create("t", max_message_bytes="50000000")
    large = batch(bytes(range(256)) * 20_000)
    assert (await client.produce("t", large)).error_code == 0
    answer = await client.fetch(("t", 0, 0), partition_max_bytes=1)
    assert answer.responses[0].partitions[0].records[61:] == large[61:]


@pytest.mark.parametrize("size", [-1, -(2**31), 2**31 - 1, 100 * 1024 * 1024 + 1])
async def test_an_impossible_size_closes_the_connection(live, size, caplog):
    client, other = await live.client(), await live.client()
    client.writer.write(struct.pack(">i", size) + bytes(100))
    assert await client.closed()
    assert "socket.request.max.bytes" in caplog.text
    assert (await other.call(ApiKey.METADATA, 8, **METADATA)).brokers


async def test_the_largest_request_is_a_setting(tmp_path):
    async with live_broker(tmp_path / "data", socket_request_max_bytes="1000") as live:
        client = await live.client()
        await client.create("t")
        client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(bytes(2000))))
        assert await client.closed()


@pytest.mark.parametrize(
    "request_bytes",
    [
        struct.pack(">hhih", 999, 0, 1, -1),  # an API key there is not
        struct.pack(">hhih", 3, 99, 1, -1),  # a version there is not
        struct.pack(">hhih", 3, -1, 1, -1),
        struct.pack(">hhih", 1, 3, 1, -1),  # a version Kafka has dropped
        struct.pack(">hhih", 3, 0, 1, 500),  # a client id longer than the request
        struct.pack(">hhih", 3, 0, 1, -5),
        struct.pack(">hhih", 3, 0, 1, -1) + b"\x7f\xff\xff\xff",  # an array longer than the request
        b"",
        b"\0",
    ],
)
async def test_a_malformed_request_closes_its_connection_with_one_line(live, request_bytes, caplog):
    client, other = await live.client(), await live.client()
    client.writer.write(struct.pack(">i", len(request_bytes)) + request_bytes)
    assert await client.closed()
    assert len([record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]) == 1
    assert (await other.call(ApiKey.METADATA, 8, **METADATA)).brokers


async def test_an_unknown_version_of_api_versions_is_answered_in_version_0(live):
    client = await live.client()
    raw = struct.pack(">hhih", ApiKey.API_VERSIONS, 99, 7, -1) + b"anything"
    client.writer.write(struct.pack(">i", len(raw)) + raw)
    correlation_id, answer = await client.receive(ApiKey.API_VERSIONS, 0)
    assert correlation_id == 7
    assert answer.error_code.name == "unsupported_version"
    assert {each.api_key for each in answer.api_keys} >= {0, 1, 3, 18}


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_produce_versions_that_are_only_advertised_are_refused_in_their_own_form(live, version):
    client = await live.client()
    raw = struct.pack(">hhih", 0, version, 9, -1) + b"\0\1\0\0\3\xe8\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\0\0\0\0"
    client.writer.write(struct.pack(">i", len(raw)) + raw)
    (size,) = struct.unpack(">i", await client.reader.readexactly(4))
    answer = await client.reader.readexactly(size)
    assert answer[:4] == struct.pack(">i", 9)
    assert answer[4:21] == b"\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\0\x23"


async def test_a_failed_produce_without_acks_closes_the_connection(live):
    client = await live.client()
    await client.create("t")
    client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"x"), partition=9, acks=0))
    assert await client.closed()


async def test_produce_without_acks_is_not_answered(live):
    client = await live.client()
    await client.create("t")
    client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"x"), acks=0))
    answer = await client.call(ApiKey.METADATA, 8, **METADATA)
    assert answer.brokers
    assert live.broker.cluster.logs.topics["t"].partitions[0].log_end_offset == 1


async def test_idle_connections_are_closed(tmp_path):
    async with live_broker(tmp_path / "data", connections_max_idle_ms="500") as live:
        client = await live.client()
        assert await client.closed()


async def test_there_may_be_so_many_connections_from_one_address(tmp_path, caplog):
    async with live_broker(tmp_path / "data", max_connections_per_ip="2") as live:
        first, second, third = [await live.client() for _ in range(3)]
        assert await third.closed()
        assert "max.connections.per.ip" in caplog.text
        for client in (first, second):
            assert (await client.call(ApiKey.METADATA, 8, **METADATA)).brokers
        first.writer.close()
        await eventually_async(lambda: len(live.broker._server.state.connections) == 1)
        assert (await (await live.client()).call(ApiKey.METADATA, 8, **METADATA)).brokers


@pytest.mark.parametrize("setting", ["max_connections", "listener_name_plaintext_max_connections"])
async def test_beyond_so_many_connections_new_ones_wait_until_another_ends(tmp_path, setting):
    async with live_broker(tmp_path / "data", **{setting: "2"}) as live:
        first, second, third = [await live.client() for _ in range(3)]
        third.send(ApiKey.METADATA, 8, **METADATA)
        for client in (first, second, first):
            assert (await client.call(ApiKey.METADATA, 8, **METADATA)).brokers
        assert len(live.broker._server.state.connections) == 2
        first.writer.close()
        assert (await third.receive(ApiKey.METADATA, 8))[1].brokers


async def test_connections_come_no_faster_than_they_may(tmp_path):
    async with live_broker(tmp_path / "data", max_connection_creation_rate="20") as live:
        began = asyncio.get_running_loop().time()
        clients = [await live.client() for _ in range(30)]
        for client in clients:
            assert (await client.call(ApiKey.METADATA, 8, **METADATA)).brokers
        # 20 at once, the others one by one in half a second
        assert asyncio.get_running_loop().time() - began > 0.4


async def test_a_connection_can_be_muted_and_goes_on_by_itself(tmp_path):
    async with live_broker(tmp_path / "data") as live:
        client, other = await live.client(), await live.client()
        assert (await client.call(ApiKey.METADATA, 8, **METADATA)).brokers
        (connection,) = [
            each
            for each in live.broker._server.state.connections
            if each._transport.get_extra_info("peername") == client.writer.get_extra_info("sockname")
        ]
        connection.caller.mute(300)
        until = connection.caller.muted_until
        for _ in range(3):
            client.send(ApiKey.METADATA, 8, **METADATA)
        assert (await other.call(ApiKey.METADATA, 8, **METADATA)).brokers
        for _ in range(3):
            assert (await client.receive(ApiKey.METADATA, 8))[1].brokers
        assert time.monotonic() >= until


async def test_requests_share_so_many_bytes_and_wait_for_them(tmp_path):
    async with live_broker(tmp_path / "data", queued_max_request_bytes="100000") as live:
        await (await live.client()).create("t")
        slow, quick = await live.client(), await live.client()
        # one whose request is announced and does not come, and as much as all may have
        slow.writer.write(struct.pack(">i", 200_000) + b"\0" * 20)
        await eventually_async(lambda: live.broker._server.state.memory.full)
        for _ in range(2):
            quick.send(ApiKey.METADATA, 8, **METADATA)
        await quick.receive(ApiKey.METADATA, 8)
        await quick.receive(ApiKey.METADATA, 8)
        quick.send(ApiKey.PRODUCE, 8, **quick.produce_fields("t", batch(b"x" * 50_000)))
        slow.writer.close()
        assert (await quick.receive(ApiKey.PRODUCE, 8))[1].responses[0].partition_responses[0].error_code == 0
        await eventually_async(lambda: live.broker._server.state.memory.used == 0)


async def test_stopping_answers_what_waits_for_the_disk_and_ends_what_waits_for_records(tmp_path):
    async with live_broker(tmp_path / "data") as live:
        producer, consumer = await live.client(), await live.client()
        await producer.create("t")
        consumer.send(ApiKey.FETCH, 11, **consumer.fetch_fields(("t", 0, 5), ("t", 0, 0), wait=600))
        for _ in range(10):
            producer.send(ApiKey.PRODUCE, 8, **producer.produce_fields("t", batch(b"x")))
        log = live.broker.cluster.logs.topics["t"].partitions[0]
        await eventually_async(lambda: log.log_end_offset == 10)
        await live.broker._server.stop()
        for number in range(10):
            _, answer = await producer.receive(ApiKey.PRODUCE, 8)
            assert answer.responses[0].partition_responses[0].base_offset == number
        assert await producer.closed()
        assert await consumer.closed()


def _ms(value):
    from datetime import timedelta

    return timedelta(milliseconds=value)


async def test_a_name_of_several_addresses_is_listened_on_at_all_of_them(tmp_path, monkeypatch):
    loop = asyncio.get_running_loop()
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
        for address in ("203.0.113.7", "127.0.0.1", "127.0.0.2", "127.0.0.1")
    ]

    async def resolved(*_, **__):
        return found

    state = SimpleNamespace(getaddrinfo=resolved)
    monkeypatch.setattr("kopfka_broker.network.server.asyncio.get_running_loop", lambda: state)
    sockets = []
    for _ in range(10):  # the port that is free at the first address may be somebody's at the second
        with contextlib.suppress(OSError):
            sockets = await _bound("name", 0)
            break
    monkeypatch.undo()
    assert asyncio.get_running_loop() is loop
    addresses = [each.getsockname() for each in sockets]
    for each in sockets:
        each.close()
    assert [address for address, _ in addresses] == ["127.0.0.1", "127.0.0.2"]
    assert len({port for _, port in addresses}) == 1

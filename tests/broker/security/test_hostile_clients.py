"""Slow and hostile clients slow only themselves: halves of frames and handshakes, answers that nobody reads."""

from __future__ import annotations

import asyncio
import ssl
import struct

from broker.live import batch, live_broker
from kopfka_wire.apis import ApiKey
from support.certificates import Authority, server_settings
from support.waiting import eventually_async

METADATA = {
    "topics": (),
    "allow_auto_topic_creation": False,
    "include_cluster_authorized_operations": False,
    "include_topic_authorized_operations": False,
}


async def test_a_quick_client_among_slow_ones(tmp_path):
    authority = Authority()
    stores = server_settings(tmp_path / "files", authority.issue("localhost"), authority)
    tls = {f"listener.name.ssl.{name}": value for name, value in stores.items()}
    async with live_broker(tmp_path / "data", **{"listeners": "SSL://127.0.0.1:0"} | tls) as live:
        quick = await live.client()
        await quick.create("t")
        big = batch(b"x" * 500_000)
        for _ in range(20):
            assert (await quick.produce("t", big)).error_code == 0
        port = live.broker.cluster.listeners.advertised["SSL"].port
        slow = []
        for begin in (b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00" + b"\x01" * 20):
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(begin)
                slow.append(writer)
        for begin in (b"", b"\0", struct.pack(">i", 100_000_000), struct.pack(">i", 50) + b"\0" * 20):
            for _ in range(20):
                client = await live.client()
                client.writer.write(begin)
        for _ in range(5):
            # asks for ten megabytes many times and reads nothing
            client = await live.client()
            for _ in range(30):
                client.send(ApiKey.FETCH, 11, **client.fetch_fields(("t", 0, 0), partition_max_bytes=10_000_000))
        for _ in range(5):
            client = await live.client()
            for _ in range(3000):
                client.send(ApiKey.METADATA, 8, **METADATA)
        for _ in range(20):
            assert (await asyncio.wait_for(quick.call(ApiKey.METADATA, 8, **METADATA), 5)).brokers
            assert (await asyncio.wait_for(quick.produce("t", batch(b"y")), 5)).error_code == 0
        for connection in live.broker._server.state.connections:
            assert len(connection._slots) <= 64
            transport = connection._transport
            assert transport is None or transport.get_write_buffer_size() < 12_000_000
        context = ssl.create_default_context(cadata=authority.pair.pem)
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost"), 5
        )
        writer.write(struct.pack(">i", 10) + struct.pack(">hhih", 18, 0, 7, -1))
        assert (await asyncio.wait_for(reader.readexactly(8), 5))[4:] == b"\0\0\0\x07"
        for each in (*slow, writer):
            each.close()


async def test_a_large_answer_and_a_large_request_go_through_tls(tmp_path):
    authority = Authority()
    stores = server_settings(tmp_path / "files", authority.issue("localhost"), authority)
    tls = {f"listener.name.ssl.{name}": value for name, value in stores.items()}
    async with live_broker(tmp_path / "data", **{"listeners": "SSL://127.0.0.1:0"} | tls) as live:
        plain = await live.client()
        await plain.create("t", max_message_bytes="8000000")
        context = ssl.create_default_context(cadata=authority.pair.pem)
        port = live.broker.cluster.listeners.advertised["SSL"].port
        client = type(plain)(
            *await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        )
        value = bytes(range(256)) * 20_000
        assert (await client.produce("t", batch(value))).error_code == 0
        for reader in (client, plain):
            answer = await reader.fetch(("t", 0, 0), partition_max_bytes=10_000_000)
            assert value in bytes(answer.responses[0].partitions[0].records)
        client.writer.close()
        await eventually_async(lambda: len(live.broker._server.state.connections) == 1)

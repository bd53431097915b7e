"""What a Produce or Fetch request costs, in numbers that are the same on every machine: calls, and bytes held at once.

They guard the hot path: who adds a call for each request, or a copy of each batch, is to know it. How long it takes is
measured by `kopfka bench` and judged nowhere.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import tracemalloc

import pytest
import uvloop

from broker.live import batch, live_broker
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

REQUESTS = 50
MEGABYTE = 1 << 20
SCRATCH = bytearray(MEGABYTE)


def framed(key, version, fields):
    form = codec(key, version)
    raw = form.write_request(form.make_request(**fields), 1, "test")
    return struct.pack(">i", len(raw)) + raw


async def answered(client, frame):
    """Send a request as it is, and return its answer unread."""
    client.writer.write(frame)
    (size,) = struct.unpack(">i", await client.reader.readexactly(4))
    return await client.reader.readexactly(size)


async def calls_for(live, client, frame):
    """Return how many functions of the broker a request calls, on average over several."""
    while not live.broker.groups_loaded:
        await asyncio.sleep(0.01)
    await answered(client, frame)
    await answered(client, frame)
    counted = 0

    def count(frame_, event, _):
        nonlocal counted
        path = frame_.f_code.co_filename
        counted += event == "call" and ("kopfka_broker" in path or "kopfka_wire" in path)

    sys.setprofile(count)
    try:
        for _ in range(REQUESTS):
            await answered(client, frame)
    finally:
        sys.setprofile(None)
    return counted / REQUESTS


def held_by(folder, make_frame):
    """Return the most bytes that the broker allocated at once while it answered a request, in megabytes.

    On its own event loop, as it runs outside of tests; the client is a thread that allocates nothing.
    """

    async def measured():
        async with live_broker(folder) as live:
            client = await live.client()
            await client.create("bytes", max_message_bytes=str(8 * MEGABYTE))
            frame = await make_frame(client)
            await asyncio.to_thread(exchange, live.port, frame, 2)
            tracemalloc.start()
            try:
                await asyncio.to_thread(exchange, live.port, frame, 1)
                return tracemalloc.get_traced_memory()[1] / MEGABYTE
            finally:
                tracemalloc.stop()

    return uvloop.run(measured())


def exchange(port, frame, times):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(times):
            connection.sendall(frame)
            connection.recv_into(SCRATCH, 4, socket.MSG_WAITALL)
            (left,) = struct.unpack_from(">i", SCRATCH)
            while left:
                left -= connection.recv_into(SCRATCH, min(left, len(SCRATCH)))


@pytest.mark.parametrize(("acks", "most"), [(1, 32), (-1, 66)])
async def test_calls_of_a_produce_request(live, acks, most):
    client = await live.client()
    await client.create("calls")
    frame = framed(ApiKey.PRODUCE, 8, client.produce_fields("calls", batch(b"v" * 100), acks=acks))
    assert await calls_for(live, client, frame) <= most


async def test_calls_of_a_fetch_request(live):
    client = await live.client()
    await client.create("calls")
    await client.produce("calls", batch(b"v" * 100))
    frame = framed(ApiKey.FETCH, 11, client.fetch_fields(("calls", 0, 0)))
    assert await calls_for(live, client, frame) <= 72


def test_a_batch_is_held_once_on_its_way_in(tmp_path):
    async def produce(client):
        return framed(ApiKey.PRODUCE, 8, client.produce_fields("bytes", batch(b"v" * (3 * MEGABYTE)), acks=1))

    # memory for a frame is reserved in steps, of which the first is one megabyte and copied into the second
    assert held_by(tmp_path / "data", produce) < 4.5


def test_a_batch_is_held_once_on_its_way_out(tmp_path):
    async def fetch(client):
        await client.produce("bytes", batch(b"v" * (4 * MEGABYTE)))
        wanted = client.fetch_fields(("bytes", 0, 0), max_bytes=8 * MEGABYTE, partition_max_bytes=8 * MEGABYTE)
        return framed(ApiKey.FETCH, 11, wanted)

    assert held_by(tmp_path / "data", fetch) < 4.5

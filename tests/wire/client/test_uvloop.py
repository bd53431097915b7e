"""The whole client on the event loop that Kopfka's processes run on; the other tests run on asyncio's own."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from kopfka_wire.client.admin import Admin
from kopfka_wire.client.errors import UnreachableError
from kopfka_wire.client.fetcher import Fetcher
from kopfka_wire.client.member import Member
from kopfka_wire.client.producer import Producer
from kopfka_wire.records import Record, encode_batch
from support.processes import free_port
from support.waiting import eventually_async
from support.wire_clients import connected


class Alone:
    def __init__(self):
        self.told = []

    def protocols(self):
        return [("v0", b"")]

    def assign(self, election):
        return {}

    async def assigned(self, assignment):
        self.told.append(assignment)

    async def lost(self, loss):
        self.told.append(loss)


def test_on_uvloop(proxy, name):
    async def scenario():
        async with connected(proxy.bootstrap) as cluster:
            await Admin(cluster).create_topic(name, configs={"max.message.bytes": "8000000"})
            listener = Alone()
            large = encode_batch([Record(0, 1, None, b"x" * 4_000_000)])
            async with Producer(cluster) as producer, Fetcher(cluster, name, 0) as fetcher:
                writer = producer.partition(name, 0)
                async with Member(cluster, name, "sr", listener, heartbeat_interval=0.05) as member:
                    await eventually_async(lambda: listener.told)
                    sent = []
                    for number in range(10):
                        calls = [asyncio.ensure_future(writer.send(b"%d" % number)) for _ in range(20)]
                        calls.append(asyncio.ensure_future(writer.send_batch(large)))
                        proxy.cut()
                        sent += await asyncio.gather(*calls)
                    assert [each.offset for each in sent] == list(range(210))
                    sizes = [len(record.value) async for record in fetcher.records_until(210)]
                    assert sizes == ([1] * 20 + [4_000_000]) * 10
                    until = member.valid_until
                    await eventually_async(lambda: member.valid_until > until)
                assert len(listener.told) == 2
        async with connected(f"127.0.0.1:{free_port()}", default_api_timeout_ms="100") as cluster:
            with pytest.raises(UnreachableError, match="nothing listens there"):
                await cluster.check()

    uvloop.run(scenario())

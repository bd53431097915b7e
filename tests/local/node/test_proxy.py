from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest
import uvloop

from kopfka_local.node.proxy import Frontend, Proxies, Target
from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def proxies() -> AsyncIterator[Proxies]:
    proxies = Proxies()
    yield proxies
    await proxies.close()


async def echo(name: bytes) -> tuple[asyncio.Server, Target]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name + await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[:2]


async def ask(port: int, data: bytes = b"x") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_round_robin_over_the_present_targets(proxies: Proxies) -> None:
    (one, first), (two, second) = await echo(b"1"), await echo(b"2")
    frontend = Frontend("127.0.0.1", free_port())
    assert await proxies.serve({frontend: [first, second]}) == {}
    assert [await ask(frontend.port) for _ in range(4)] == [b"1x", b"2x", b"1x", b"2x"]
    await proxies.serve({frontend: [second]})
    assert [await ask(frontend.port) for _ in range(2)] == [b"2x", b"2x"]
    one.close()
    two.close()


async def test_a_target_that_is_gone_is_passed_over(proxies: Proxies) -> None:
    server, target = await echo(b"1")
    frontend = Frontend("127.0.0.1", free_port())
    await proxies.serve({frontend: [("127.0.0.1", free_port()), target]})
    assert [await ask(frontend.port) for _ in range(2)] == [b"1x", b"1x"]
    server.close()


async def test_without_targets_connections_are_refused(proxies: Proxies) -> None:
    frontend = Frontend("127.0.0.1", free_port())
    await proxies.serve({frontend: []})
    with pytest.raises(ConnectionResetError):
        await ask(frontend.port)


async def test_much_passes_whole_both_ways(proxies: Proxies) -> None:
    server, target = await echo(b"")
    frontend = Frontend("127.0.0.1", free_port())
    await proxies.serve({frontend: [target]})
    data = os.urandom(8 * 1024 * 1024)
    assert await ask(frontend.port, data) == data
    server.close()


async def test_what_is_taken_is_reported_and_what_cannot_be_is_not(proxies: Proxies) -> None:
    server, (_, port) = await echo(b"")
    refused = await proxies.serve({Frontend("127.0.0.1", port): [], Frontend("192.0.2.1", 9092): []})
    assert refused == {Frontend("127.0.0.1", port): os.strerror(errno.EADDRINUSE)}
    server.close()
    await server.wait_closed()
    assert await proxies.serve({Frontend("127.0.0.1", port): []}) == {}
    assert proxies.listening("127.0.0.1")


def test_what_a_client_sends_before_the_target_took_over_arrives() -> None:
    """On uvloop, the loop of `kopfka up`: it begins to read behind the back of connection_made."""

    def talk(port: int) -> list[bytes]:
        answers = []
        for _ in range(200):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(b"early")
                client.shutdown(socket.SHUT_WR)
                answers.append(client.recv(100))
        return answers

    async def main() -> list[bytes]:
        proxies = Proxies()
        server, target = await echo(b"1")
        frontend = Frontend("127.0.0.1", free_port())
        await proxies.serve({frontend: [target]})
        answers = await asyncio.to_thread(talk, frontend.port)
        await proxies.close()
        server.close()
        return answers

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == [b"1early"] * 200

"""When a connection lets the server wait, and when the server works: told by a clock that stands still."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from kopfka_registry.security.connections import WHOLE, Connection, Crowd
from kopfka_registry.security.settings import Limits
from support.clocks import Clock

IDLE = 30.0
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n"


class Transport(asyncio.Transport):
    """A transport to nowhere."""

    def __init__(self):
        super().__init__()
        self.sent = bytearray()
        self.waiting = 0
        self.closed = self.aborted = False

    def get_extra_info(self, name, default=None):
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data):
        self.sent += data

    def get_write_buffer_size(self):
        return self.waiting

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


class Server:
    """Connections to an application that answers when it is told to."""

    def __init__(self, most=10, head=1000):
        self.clock = Clock(1000.0)
        self.crowd = Crowd(Limits(IDLE, head, most), self.clock)
        self.go = asyncio.Event()
        self.read_bodies = True
        config = uvicorn.Config(
            self.app, loop="none", lifespan="off", log_config=None, ws="none", proxy_headers=False, interface="asgi3"
        )
        config.load()
        self._config = config

    async def app(self, scope, receive, send):
        if self.read_bodies:
            while (await receive()).get("more_body"):
                pass
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(self):
        connection = Connection(self._config, ServerState(), self.crowd, "test")
        self.crowd.enter(connection)
        transport = Transport()
        connection.connection_made(transport)
        return connection, transport

    def waits(self, connection):
        return connection in self.crowd._waiting

    async def answer(self):
        self.go.set()
        for _ in range(10):
            await asyncio.sleep(0)
        self.go.clear()

    def later(self, seconds):
        self.clock.now += seconds
        self.crowd.sweep()


@pytest.fixture
async def server():
    return Server()


async def test_a_request_is_waited_for_and_not_while_it_is_worked_on(server):
    connection, transport = server.connect()
    assert server.waits(connection)
    for _ in range(2):
        connection.data_received(GET[:9])
        assert server.waits(connection)
        connection.data_received(GET[9:])
        assert not server.waits(connection)
        server.later(10 * IDLE)
        assert not transport.closed
        await server.answer()
        assert transport.sent.endswith(b"ok")
        assert server.waits(connection)
        server.later(IDLE - 1)
        assert not transport.closed
    server.later(2)
    assert transport.aborted
    connection.connection_lost(None)
    assert server.crowd.count == 0


async def test_a_head_has_to_end_however_it_dribbles(server):
    connection, transport = server.connect()
    server.later(IDLE - 1)
    for byte in GET[:7]:
        connection.data_received(bytes([byte]))
        server.later(4)
    assert not transport.closed
    connection.data_received(GET[7:8])
    server.later(4)
    assert transport.aborted


async def test_a_body_may_take_its_time_but_not_for_ever(server):
    connection, transport = server.connect()
    connection.data_received(POST)
    for _ in range(9):
        server.later(IDLE - 1)
        assert not transport.closed
        connection.data_received(b"x")
        assert server.waits(connection)
    connection.data_received(b"x")
    assert not server.waits(connection)
    await server.answer()
    assert transport.sent.count(b"200 OK") == 1

    connection, transport = server.connect()
    connection.data_received(POST.replace(b"10", b"1000"))
    for _ in range(WHOLE + 1):
        server.later(IDLE - 1)
        connection.data_received(b"x")
    assert transport.aborted

    connection, transport = server.connect()
    connection.data_received(POST + b"xxx")
    server.later(IDLE + 1)
    assert transport.aborted


async def test_requests_in_a_row_are_one_wait_for_the_server(server):
    connection, transport = server.connect()
    connection.data_received(GET + GET + GET[:5])
    assert not server.waits(connection)
    server.later(10 * IDLE)
    while transport.sent.count(b"200 OK") < 2:
        assert not server.waits(connection)
        await server.answer()
    assert server.waits(connection)  # for the rest of the third
    server.later(IDLE - 1)
    assert not transport.closed
    connection.data_received(GET[5:])
    assert not server.waits(connection)
    await server.answer()
    assert transport.sent.count(b"200 OK") == 3
    assert server.waits(connection)


async def test_an_answer_before_the_body_leaves_the_rest_to_be_waited_for(server):
    server.read_bodies = False
    connection, transport = server.connect()
    connection.data_received(POST + b"xxx")
    await server.answer()
    assert transport.sent.endswith(b"ok")
    assert server.waits(connection)
    connection.data_received(b"xxxxxxx")
    assert server.waits(connection)
    connection.data_received(GET)
    assert not server.waits(connection)
    await server.answer()
    assert server.waits(connection)


async def test_who_does_not_read_is_waited_for(server):
    connection, transport = server.connect()
    connection.data_received(GET)
    assert not server.waits(connection)
    transport.waiting = 1000
    connection.pause_writing()
    assert server.waits(connection)
    for _ in range(5):  # slowly is fast enough
        server.later(IDLE - 1)
        transport.waiting -= 10
        server.later(0)
    assert not transport.closed
    connection.resume_writing()
    assert not server.waits(connection)
    connection.pause_writing()
    server.later(IDLE + 1)
    assert transport.aborted
    connection.connection_lost(None)
    await server.answer()


async def test_the_longest_wait_makes_room(server):
    server = Server(most=3)
    made = [server.connect() for _ in range(3)]
    made[0][0].data_received(GET)  # worked on
    made[1][0].data_received(GET)
    await server.answer()  # both wait again, after the third
    made[0][0].data_received(GET)
    fourth, transport = server.connect()
    assert [each.aborted for _, each in made] == [False, False, True]
    assert not transport.closed
    assert server.crowd.count == 3
    made[1][0].data_received(GET)
    fourth.data_received(GET)
    # nobody lets the server wait, so there is no room
    _, transport = server.connect()
    assert transport.aborted
    assert server.crowd.count == 3
    await server.answer()
    _, transport = server.connect()
    assert not transport.closed


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 2000,
        b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 2000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 300,
        b"GET / HTTP/1.1\r\n" + b"x" * 2000,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 300 + b"\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 300,
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: " + b"a" * 3000,
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"a" * 3000,
    ],
    ids=lambda head: repr(head[:50]),
)
@pytest.mark.parametrize("piece", [1, 100, 100_000])
async def test_heads_that_do_not_end(server, head, piece):
    connection, transport = server.connect()
    for start in range(0, len(head), piece):
        connection.data_received(head[start : start + piece])
        if transport.closed:
            break
    if piece == 100_000 and not transport.closed:
        # one piece that came at once is taken; the next one is too much
        connection.data_received(b"a" * 2000)
    assert transport.closed
    assert b"431" in transport.sent or transport.aborted


async def test_what_is_no_request_is_answered_and_closed(server):
    for rubbish in (
        b"\x16\x03\x01\x00\x00",
        b"\r\nhello\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
    ):
        connection, transport = server.connect()
        connection.data_received(rubbish)
        assert transport.closed
        assert transport.sent.startswith(b"HTTP/1.1 400")
        connection.data_received(GET)
        connection.connection_lost(None)
    assert server.crowd.count == 0

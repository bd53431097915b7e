"""Clients that are slow, loud or senseless, on sockets: others are served meanwhile and afterwards."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.security.secured import Client, Files, SecuredRegistry
from registry.service.schemas import ONE, record
from support.processes import running
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE_MS = 1500
MOST = 24
POST = b"POST /subjects/x/versions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def registry(broker, files, tmp_path_factory) -> Iterator[SecuredRegistry]:
    given = files.server() | {
        "idle.timeout.ms": str(IDLE_MS),
        "server.connection.limit": str(MOST),
        "max.request.header.size": "8192",
    }
    folder = tmp_path_factory.mktemp("registry") / "one"
    with running(SecuredRegistry(folder, broker.bootstrap, given, both=True), SecuredRegistry.stop) as one:
        yield one


@pytest.fixture
def client(registry):
    return Client(registry.plain_url)


@contextlib.contextmanager
def connected(registry, port=None) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port or registry.plain_port), timeout=30) as made:
        yield made


def ended(made) -> bytes:
    """Return what a connection still says until the server ends it."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while data := made.recv(65536):
            said += data
    return said


@pytest.mark.parametrize(
    "words",
    [
        b"", b"G", b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-Half", POST, POST + b"Content-Length: 100\r\n\r\n{",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    ],
)  # fmt: skip
def test_who_stops_in_the_middle_is_cut_off(registry, client, words):
    with connected(registry) as made:
        made.sendall(words)
        assert client("GET", "/").status == 200
        assert ended(made) in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client("GET", "/").status == 200


def test_who_dribbles_is_cut_off(registry, client):
    with connected(registry) as made:
        made.sendall(b"GET / HTTP/1.1\r\nX: ")

        def cut() -> bool:
            try:
                made.sendall(b"x")
            except ConnectionError:
                return True
            return False

        eventually(cut)
    assert client("GET", "/").status == 200


def test_who_reads_nothing_is_cut_off(registry, client):
    text = record("Large", **{f"f{number}": "string" for number in range(3000)})
    number = client("POST", "/subjects/large/versions", {"schema": text}).body["id"]
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.settimeout(30)
        made.connect(("127.0.0.1", registry.plain_port))
        request = f"GET /schemas/ids/{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                made.sendall(request)
        assert client("GET", "/").status == 200

        def cut() -> bool:
            try:
                made.sendall(b"G")
            except ConnectionError:
                return True
            return False

        eventually(cut)
    assert client("GET", "/").status == 200


def test_who_does_not_establish_tls_is_cut_off(registry, files):
    for words in (b"", b"\x16\x03\x01"):
        with connected(registry, registry.port) as made:
            made.sendall(words)
            assert ended(made) == b""
    assert Client(registry.url, tls=files.context())("GET", "/").status == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_client_with_every_connection_keeps_nobody_out(registry, files, scheme):
    with contextlib.ExitStack() as stack:
        port = registry.plain_port if scheme == "http" else registry.port
        held = [stack.enter_context(connected(registry, port)) for _ in range(3 * MOST)]
        for made in held:
            with contextlib.suppress(ConnectionError):
                made.sendall(b"GET / HTTP/1.1\r\nX" if scheme == "http" else b"\x16")
        for url, tls in ((registry.plain_url, None), (registry.url, files.context())):
            assert Client(url, tls=tls)("POST", "/subjects/held/versions", {"schema": ONE}).status == 200
        # those that came first had to go
        assert ended(held[0]) == b""
        assert ended(held[MOST]) == b""


def _lines(said: bytes) -> tuple[bytes, dict]:
    head, _, body = said.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], json.loads(body)


def test_heads_without_end(registry, client):
    for words in (b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n"):
        with connected(registry) as made:
            with contextlib.suppress(ConnectionError):
                made.sendall(words + (b"x" * 100_000 if words[-1:] != b"\n" else b"x: y\r\n" * 20_000))
            line, body = _lines(ended(made)) if words[-2:] != b": " else (b"431", {"error_code": 431})
            assert b"431" in line
            assert body["error_code"] == 431
    assert client("GET", "/").status == 200


def test_bodies_without_end(registry, client):
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with connected(registry) as made:
        made.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                made.sendall(chunk)
        said = ended(made)
        assert said == b"" or b" 413 " in said.split(b"\r\n")[0]
    assert client("GET", "/").status == 200
    log = registry.log.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:2000]


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rubbish(registry, words):
    with connected(registry) as made:
        with contextlib.suppress(ConnectionError):
            made.sendall(words)
            made.shutdown(socket.SHUT_WR)
        ended(made)
    assert Client(registry.plain_url)("GET", "/").status == 200


fields = st.lists(
    st.tuples(
        st.sampled_from([b"Host", b"Content-Length", b"Transfer-Encoding", b"Authorization", b"X-Forward", b"Accept",
                         b"Connection", b"Upgrade", b"Content-Type", b"X-Kopfka-On-Behalf-Of", b"Expect"]),
        st.one_of(st.binary(max_size=12), st.sampled_from([b"0", b"5", b"-1", b"99999999999", b"chunked", b"close",
                  b"websocket", b"Upgrade", b"100-continue", b"application/json"])),
    ),
    max_size=5,
)  # fmt: skip


@given(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"CONNECT", b"PRI"]),
       st.sampled_from([b"/", b"/subjects", b"/subjects/%00/versions", b"*", b"http://[/", b"/%", b"//", b"/../.."]),
       fields, st.binary(max_size=40))  # fmt: skip
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_requests_that_make_no_sense(registry, method, path, headers, body):
    head = method + b" " + path + b" HTTP/1.1\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    with connected(registry) as made:
        with contextlib.suppress(ConnectionError):
            made.sendall(head + b"\r\n" + body)
            made.shutdown(socket.SHUT_WR)
        ended(made)
    assert Client(registry.plain_url)("GET", "/").status == 200


def test_the_log_is_clear_of_tracebacks(registry, files):
    assert Client(registry.url, tls=files.context())("GET", "/").status == 200
    assert "Traceback" not in registry.log.read_text()

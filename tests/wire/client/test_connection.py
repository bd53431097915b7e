"""One connection: versions, pipelining, and every way in which the other side can fail it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.client.connection import Connection
from kopfka_wire.client.errors import (
    ClosedError,
    ConnectionLostError,
    NotKafkaError,
    RequestTimeoutError,
    TlsError,
    UnreachableError,
    UnsupportedByBrokerError,
)
from kopfka_wire.client.opening import Security, open_connection
from kopfka_wire.client.settings import client_settings
from kopfka_wire.codec import codec
from kopfka_wire.error_codes import SaslError
from support.certificates import Authority, server_settings
from support.processes import free_port, running_broker
from support.waiting import eventually_async
from wire.client.scripted import scripted

PLAIN = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "ann",
    "sasl.password": "pass",
}


@contextlib.asynccontextmanager
async def opened(port, host="127.0.0.1", **config):
    named = {name.replace("_", "."): value for name, value in config.items()}
    settings = client_settings({"bootstrap.servers": f"{host}:{port}"} | named)
    connection = await open_connection(host, port, settings, Security(settings))
    try:
        yield connection
    finally:
        connection.close()
        await connection.closed()


async def find(connection, key="group", seconds=None):
    form = connection.form(ApiKey.FIND_COORDINATOR, most=2)
    return await connection.call(form, form.make_request(key=key, key_type=0), seconds)


def coordinator(peer, version, number, name):
    peer.answer(ApiKey.FIND_COORDINATOR, version, number, error_code=0, error_message=name, node_id=1, host="h", port=1)


# -- versions -----------------------------------------------------------------------------------------------------


async def test_the_highest_version_both_have_within_the_caps(shared):
    async def older(peer):
        await peer.serve_versions(fetch=(4, 11), metadata=(99, 100), list_groups=(0, 0))
        await peer.request()

    async with scripted(older) as server, opened(server.port) as connection:
        assert connection.form(ApiKey.FETCH).version == 11
        assert connection.form(ApiKey.FETCH, most=6).version == 6
        assert connection.form(ApiKey.LIST_OFFSETS).version == 11
        with pytest.raises(UnsupportedByBrokerError, match="FETCH in versions 4 to 11; this client needs 12"):
            connection.form(ApiKey.FETCH, least=12)
        with pytest.raises(UnsupportedByBrokerError, match="METADATA"):
            connection.form(ApiKey.METADATA)
    async with opened(shared.port) as connection:
        assert connection.form(ApiKey.FETCH).version == 18
        assert connection.features["metadata.version"] > 0


@pytest.mark.parametrize("tells", [True, False])
async def test_a_broker_that_does_not_know_our_api_versions(tells):
    asked = []

    async def old(peer):
        for _ in range(2):
            _, version, number, _ = await peer.request()
            asked.append(version)
            if version > 2:
                known = peer.versions(0, api_versions=(0, 2)) if tells else ()
                peer.answer(ApiKey.API_VERSIONS, 0, number, error_code=35, api_keys=known)
            else:
                peer.answer(ApiKey.API_VERSIONS, version, number, error_code=0, api_keys=peer.versions(version))
        await peer.request()

    async with scripted(old) as server, opened(server.port) as connection:
        assert asked == ([4, 2] if tells else [4, 0])
        assert connection.form(ApiKey.METADATA).version == 13


# -- requests -----------------------------------------------------------------------------------------------------


async def test_requests_are_sent_before_answers_come_and_answers_are_for_who_asked():
    async def patient(peer):
        await peer.serve_versions()
        requests = [await peer.request() for _ in range(20)]
        for _, version, number, body in requests:
            coordinator(peer, version, number, body.key)
        await peer.request()

    async with scripted(patient) as server, opened(server.port) as connection:
        answers = await asyncio.gather(*(find(connection, f"g{number}") for number in range(20)))
        assert [answer.error_message for answer in answers] == [f"g{number}" for number in range(20)]
        assert connection.pending == 0


async def test_who_is_cancelled_leaves_the_others_alone():
    go_on = asyncio.Event()

    async def patient(peer):
        await peer.serve_versions()
        for _ in range(3):
            _, version, number, body = await peer.request()
            await go_on.wait()
            coordinator(peer, version, number, body.key)
        await peer.request()

    async with scripted(patient) as server, opened(server.port) as connection:
        tasks = [asyncio.ensure_future(find(connection, f"g{number}")) for number in range(3)]
        await eventually_async(lambda: connection.pending == 3)
        tasks[1].cancel()
        go_on.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers[1], asyncio.CancelledError)
        assert [answers[0].error_message, answers[2].error_message] == ["g0", "g2"]


async def test_every_request_that_waits_fails_when_the_connection_ends():
    async def abrupt(peer):
        await peer.serve_versions()
        _, version, number, body = await peer.request()
        coordinator(peer, version, number, body.key)
        for _ in range(3):
            await peer.request()

    async with scripted(abrupt) as server, opened(server.port) as connection:
        await find(connection)
        tasks = [asyncio.ensure_future(find(connection)) for _ in range(3)]
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert type(outcome) is ConnectionLostError
            assert outcome.retriable
        assert not connection.usable
        with pytest.raises(ConnectionLostError):
            await find(connection)


async def test_a_request_without_its_answer_ends_the_connection():
    async def silent(peer):
        await peer.serve_versions()
        while True:
            await peer.request()

    async with scripted(silent) as server, opened(server.port) as connection:
        other = asyncio.ensure_future(find(connection))
        with pytest.raises(RequestTimeoutError, match=r"within 0\.05 s"):
            await find(connection, seconds=0.05)
        with pytest.raises(RequestTimeoutError):
            await other


async def test_closing_fails_what_waits():
    async def silent(peer):
        await peer.serve_versions()
        while True:
            await peer.request()

    async with scripted(silent) as server, opened(server.port) as connection:
        waiting = asyncio.ensure_future(find(connection))
        await eventually_async(lambda: connection.pending)
        connection.close()
        with pytest.raises(ClosedError):
            await waiting


async def test_a_client_that_is_throttled_holds_its_next_request(monkeypatch):
    async def throttling(peer):
        await peer.serve_versions()
        for _ in range(2):
            _, version, number, body = await peer.request()
            peer.answer(ApiKey.FIND_COORDINATOR, version, number, error_code=0, error_message=body.key, node_id=1,
                        host="h", port=1, throttle_time=datetime.timedelta(seconds=7))  # fmt: skip
        await peer.request()

    waits = []
    sleep = asyncio.sleep

    async def noted(seconds):
        waits.append(seconds)
        connection._muted_until = 0.0
        await sleep(0)

    async with scripted(throttling) as server, opened(server.port) as connection:
        await find(connection)
        monkeypatch.setattr(asyncio, "sleep", noted)
        await find(connection)
        assert len(waits) == 1
        assert 6 < waits[0] <= 7


async def test_large_requests_are_sent_in_pieces_as_they_are():
    got = []

    async def slow(peer):
        await peer.serve_versions()
        got.append(await peer.reader.readexactly(4 + 3_000_010))
        peer.frame(b"\0\0\0\2")
        await peer.reader.read()

    async with scripted(slow) as server, opened(server.port) as connection:
        pieces = (bytes(10), memoryview(bytearray(b"x" * 1_000_000)), b"y" * 2_000_000)
        answer = await (await connection.send(lambda number: pieces))
        assert answer == b"\0\0\0\2"
        assert got[0] == (3_000_010).to_bytes(4, "big") + b"".join(pieces)


async def test_an_idle_connection_is_closed():
    async def quiet(peer):
        await peer.serve_versions()
        await peer.request()

    async with scripted(quiet) as server, opened(server.port, connections_max_idle_ms="100") as connection:
        await eventually_async(lambda: not connection.usable)
        with pytest.raises(ConnectionLostError, match=r"connections\.max\.idle\.ms"):
            await find(connection)


# -- what is no broker --------------------------------------------------------------------------------------------


async def test_nothing_listens():
    port = free_port()
    with pytest.raises(UnreachableError, match=f"127.0.0.1:{port}: nothing listens there"):
        async with opened(port):
            pass


async def test_a_host_that_is_not_known():
    with pytest.raises(UnreachableError, match=r"no\.such\.host\.invalid:1: "):
        async with opened(1, "no.such.host.invalid"):
            pass


@pytest.mark.parametrize(
    ("said", "error", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NotKafkaError, "does not speak Kafka's protocol"),
        (b"\x15\x03\x03\0\2\2\x28", NotKafkaError, "speaks TLS: security.protocol is to be SSL"),
        (b"\xff\xff\xff\xff", NotKafkaError, "does not speak Kafka's protocol"),
        (b"\0\0\0\2ab", NotKafkaError, "not asked"),
        (b"\0\0\0\x08\0\0\0\x63abcd", NotKafkaError, "not asked"),
        (b"\0\0\0\x08\0\0\0\x01\0\0\xff\xff", NotKafkaError, "cannot be read"),
        (b"", ConnectionLostError, r"is its listener one for security\.protocol=PLAINTEXT\?"),
    ],
)
async def test_rubbish(said, error, why):
    async def rubbish(peer):
        await peer.request()
        peer.writer.write(said)
        if said:
            await peer.reader.read()

    async with scripted(rubbish) as server:
        with pytest.raises(error, match=why):
            async with opened(server.port):
                pass


async def test_rubbish_in_the_middle_of_answers():
    async def later(peer):
        await peer.serve_versions()
        _, version, number, body = await peer.request()
        coordinator(peer, version, number, body.key)
        await peer.request()
        peer.writer.write(b"\x7f\xff\xff\xff")
        await peer.reader.read()

    async with scripted(later) as server, opened(server.port) as connection:
        await find(connection)
        with pytest.raises(NotKafkaError, match="no answer"):
            await find(connection)


class Transport:
    """Takes what is written, and closes."""

    closing = False

    def write(self, data):
        pass

    writelines = write

    def is_closing(self):
        return self.closing

    def abort(self):
        self.closing = True


READ = [ApiKey.METADATA, ApiKey.FETCH, ApiKey.PRODUCE, ApiKey.LIST_OFFSETS, ApiKey.JOIN_GROUP, ApiKey.SASL_AUTHENTICATE]


@given(st.sampled_from(READ), st.binary(max_size=60), st.lists(st.integers(1, 20), max_size=5), st.booleans())
def test_any_bytes_are_an_answer_or_the_end_of_the_connection(api, said, cuts, framed):
    """However they are cut into pieces, and also where they begin as an answer does."""

    async def scenario():
        connection = Connection("broker:1", "test", 30.0, float("inf"))
        connection.connection_made(Transport())
        form = codec(api, KAFKA_VERSIONS[api].high)
        answer = connection.send_now(lambda number: (b"request",))
        data = (len(said) + 4).to_bytes(4, "big") + b"\0\0\0\1" + said if framed else said
        for size in [*cuts, len(data)]:
            piece, data = data[:size], data[size:]
            if piece and connection.usable:
                connection.get_buffer(-1)[: len(piece)] = piece
                connection.buffer_updated(len(piece))
        connection.connection_lost(None)
        assert answer.done()
        with contextlib.suppress(NotKafkaError, ConnectionLostError):
            connection.read(form, await answer)
        assert not connection.usable

    asyncio.run(scenario())


# -- TLS ----------------------------------------------------------------------------------------------------------

AUTHORITY = Authority()


def trusting(folder, authority=AUTHORITY):
    path = folder / f"ca-{id(authority)}.pem"
    path.write_text(authority.pair.pem)
    return {"security_protocol": "SSL", "ssl_truststore_type": "PEM", "ssl_truststore_location": str(path)}


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    port, settings = free_port(), server_settings(folder / "server", AUTHORITY.issue("localhost"), AUTHORITY)
    lines = "".join(f"listener.name.tls.{name}={value}\n" for name, value in settings.items())
    plain = free_port()
    config = (
        f"listeners=PLAINTEXT://127.0.0.1:{plain},TLS://127.0.0.1:{port}\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,TLS:SSL\ninter.broker.listener.name=PLAINTEXT\n"
    )
    with running_broker(folder / "data", config + lines, plain):
        yield port


async def test_tls_that_is_trusted(tls_port, tmp_path):
    async with opened(tls_port, "localhost", **trusting(tmp_path)) as connection:
        assert (await find(connection)).error_code is not None


async def test_wrong_tls(tls_port, shared, tmp_path):
    with pytest.raises(TlsError, match=rf"the certificate of localhost:{tls_port} is not taken") as caught:
        async with opened(tls_port, "localhost", **trusting(tmp_path, Authority("Somebody else"))):
            pass
    assert not caught.value.retriable
    with pytest.raises((NotKafkaError, ConnectionLostError)) as caught:
        async with opened(tls_port, "localhost"):
            pass
    assert "security.protocol" in str(caught.value)
    with pytest.raises((NotKafkaError, ConnectionLostError)) as caught:
        async with opened(shared.port, **trusting(tmp_path)):
            pass
    assert "TLS" in str(caught.value)


async def test_the_certificate_is_to_be_the_hosts_and_the_hosts_file_is_no_name(tls_port, tmp_path, monkeypatch):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 elsewhere.test\n")
    monkeypatch.setenv("KOPFKA_HOSTS_FILE", str(hosts))
    with pytest.raises(TlsError, match=r"not taken: Hostname mismatch.*elsewhere\.test"):
        async with opened(tls_port, "elsewhere.test", **trusting(tmp_path)):
            pass
    unnamed = trusting(tmp_path) | {"ssl_endpoint_identification_algorithm": ""}
    async with opened(tls_port, "elsewhere.test", **unnamed) as connection:
        assert connection.usable


async def test_a_trust_store_that_is_renewed_in_place(tls_port, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text(Authority("Somebody else").pair.pem)
    settings = client_settings(
        {"bootstrap.servers": f"localhost:{tls_port}", "security.protocol": "SSL", "ssl.truststore.type": "PEM",
         "ssl.truststore.location": str(path)}
    )  # fmt: skip
    security = Security(settings)
    with pytest.raises(TlsError):
        await open_connection("localhost", tls_port, settings, security)
    path.write_text(AUTHORITY.pair.pem + "\n")
    (await open_connection("localhost", tls_port, settings, security)).close()
    path.unlink()
    with pytest.raises(TlsError, match=r"ca\.pem"):
        await open_connection("localhost", tls_port, settings, security)


# -- SASL ---------------------------------------------------------------------------------------------------------


def log_in(peer, lifetime_ms=0):
    async def serve():
        for _ in range(2):
            api, version, number, body = await peer.request()
            if api is ApiKey.SASL_HANDSHAKE:
                peer.answer(api, version, number, error_code=0, mechanisms=(body.mechanism,))
            else:
                assert api is ApiKey.SASL_AUTHENTICATE, api
                peer.answer(api, version, number, error_code=0, error_message=None, auth_bytes=b"",
                            session_lifetime=datetime.timedelta(milliseconds=lifetime_ms))  # fmt: skip

    return serve()


async def test_a_session_is_renewed_before_it_ends_and_requests_wait_for_it():
    order = []

    async def serve(peer):
        await peer.serve_versions()
        await log_in(peer, 200)
        while True:
            api, version, number, body = await peer.request()
            order.append(api)
            if api is ApiKey.SASL_HANDSHAKE:
                peer.answer(api, version, number, error_code=0, mechanisms=(body.mechanism,))
            elif api is ApiKey.SASL_AUTHENTICATE:
                peer.answer(api, version, number, error_code=0, error_message=None, auth_bytes=b"",
                            session_lifetime=datetime.timedelta(hours=1))  # fmt: skip
            else:
                coordinator(peer, version, number, body.key)

    async with scripted(serve) as server, opened(server.port, **_named(PLAIN)) as connection:
        await find(connection)
        loop = asyncio.get_running_loop()
        await eventually_async(lambda: loop.time() > connection.renew_at)
        await asyncio.gather(find(connection), find(connection))
        asked = [api for api in order if api is not ApiKey.FIND_COORDINATOR]
        assert asked == [ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE]
        assert order[-2:] == [ApiKey.FIND_COORDINATOR] * 2
        assert connection.renew_at > loop.time() + 3000


@pytest.mark.parametrize("at_start", [True, False])
async def test_a_refused_login_has_the_words_of_the_broker(at_start):
    async def refuse(peer):
        if not at_start:
            await log_in(peer, 1)
        api, version, number, body = await peer.request()
        peer.answer(api, version, number, error_code=0, mechanisms=(body.mechanism,))
        api, version, number, _ = await peer.request()
        peer.answer(api, version, number, error_code=58, error_message="no, Ann", auth_bytes=b"",
                    session_lifetime=datetime.timedelta(0))  # fmt: skip
        await peer.reader.read()

    async def serve(peer):
        await peer.serve_versions()
        await refuse(peer)

    async def use(port):
        async with opened(port, **_named(PLAIN)) as connection:
            await eventually_async(lambda: asyncio.get_running_loop().time() > connection.renew_at)
            await asyncio.gather(find(connection), find(connection))

    async with scripted(serve) as server:
        with pytest.raises(SaslError, match="no, Ann") as caught:
            await use(server.port)
    assert not caught.value.retriable
    assert "pass" not in str(caught.value)


async def test_a_mechanism_that_is_not_there():
    async def serve(peer):
        await peer.serve_versions()
        api, version, number, _ = await peer.request()
        peer.answer(api, version, number, error_code=33, mechanisms=("SCRAM-SHA-512", "GSSAPI"))
        await peer.reader.read()

    async with scripted(serve) as server:
        with pytest.raises(SaslError, match=r"by PLAIN: the listener has SCRAM-SHA-512, GSSAPI \(UNSUPPORTED_SASL"):
            async with opened(server.port, **_named(PLAIN)):
                pass


def _named(config):
    return {name.replace(".", "_"): value for name, value in config.items()}

"""SASL from the client's side: SCRAM against the vectors of RFC 7677 and the broker's own side, tokens, mistakes."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.security.mechanism import InvalidTokenError
from kopfka_broker.security.scram import ScramExchange
from kopfka_wire.client.credentials import Login, TokenOrigin
from kopfka_wire.client.errors import UnreachableError
from kopfka_wire.client.login import bearer, exchange_of, plain, scram
from kopfka_wire.client.tokens import TokenSource
from kopfka_wire.error_codes import SaslError
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, make_credential

NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = f"r={NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
VERIFIER = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_exchange_of_rfc_7677():
    client = scram(Login("SCRAM-SHA-256", "user", "pencil"), lambda: NONCE)
    assert next(client) == f"n,,n=user,r={NONCE}".encode()
    assert client.send(SERVER_FIRST.encode()) == f"c=biws,r={NONCE}{SERVER_NONCE},p={PROOF}".encode()
    with pytest.raises(StopIteration):
        client.send(f"v={VERIFIER}".encode())


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (SERVER_FIRST, "e=other-error", "other-error"),
        (SERVER_FIRST, f"v={PROOF}", "does not know the password"),
        (SERVER_FIRST, "rubbish", "last message"),
        (f"r=other{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "", "nonce"),
        (f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "", "nonce"),
        (SERVER_FIRST.replace("4096", "1"), "", "iterations"),
        (SERVER_FIRST.replace("4096", "999999999"), "", "iterations"),
        ("rubbish", "", "first message"),
    ],
)
def test_a_server_that_proves_nothing_is_not_trusted(first, last, why):
    client = scram(Login("SCRAM-SHA-256", "user", "pencil"), lambda: NONCE)

    def exchange():
        next(client)
        client.send(first.encode())
        client.send(last.encode())

    with pytest.raises(SaslError, match=why):
        exchange()


class Users:
    def __init__(self, mechanism, name, password):
        self._name = name
        self._credential = make_credential(SCRAM_MECHANISMS[mechanism], password, 4096)

    def user(self, mechanism, name):
        return self._credential if name == self._name else None

    def token(self, mechanism, token_id):
        return None


names = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=12)


@given(st.sampled_from(sorted(SCRAM_MECHANISMS)), names, st.text(max_size=12), st.booleans())
def test_both_sides_agree_on_any_name_and_password(mechanism, name, password, right):
    server = ScramExchange(SCRAM_MECHANISMS[mechanism], Users(mechanism, name, password))
    client = exchange_of(Login(mechanism, name, password if right else password + "x"), None)
    challenge, _ = server.step(next(client))
    proof = client.send(challenge)
    if not right:
        with pytest.raises(InvalidTokenError):
            server.step(proof)
        return
    signature, outcome = server.step(proof)
    assert outcome.principal.name == name
    with pytest.raises(StopIteration):
        client.send(signature)


def test_a_delegation_token_says_so():
    assert next(scram(Login("SCRAM-SHA-256", "id", "hmac", by_token=True))).endswith(b",tokenauth=true")


def test_plain_and_bearer():
    assert list(plain(Login("PLAIN", "ann", "pass"))) == [b"\0ann\0pass"]
    client = bearer("abc", Login("OAUTHBEARER", extensions=(("cluster", "x"),)))
    assert next(client) == b"n,,\x01auth=Bearer abc\x01cluster=x\x01\x01"
    assert client.send(b'{"status":"invalid_token"}') == b"\x01"


# -- tokens -------------------------------------------------------------------------------------------------------


class Endpoint:
    """A token endpoint that gives what it is told to, and keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self.answers = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                endpoint.asked.append((self.headers["authorization"], body))
                status, content = endpoint.answers.pop(0)
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def gives(self, *tokens, **fields):
        self.answers += [(200, json.dumps({"access_token": token} | fields).encode()) for token in tokens]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


async def test_an_endpoint_is_asked_once_for_all_and_again_before_the_token_ends(endpoint):
    clock = Clock()
    source = TokenSource(TokenOrigin(endpoint.url, "me", "hush", "read write"), None, clock)
    endpoint.gives("one", "two", "three", expires_in=100)
    assert await asyncio.gather(*(source.token() for _ in range(5))) == ["one"] * 5
    authorization, body = endpoint.asked[0]
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"me:hush"
    assert body == "grant_type=client_credentials&scope=read+write"
    clock.now += 79
    assert await source.token() == "one"
    clock.now += 2
    assert await source.token() == "two"
    source.forget()
    assert await source.token() == "three"
    assert len(endpoint.asked) == 3


def jwt(**claims):
    return "x." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".y"


async def test_a_token_tells_its_end_itself_where_the_endpoint_does_not(endpoint):
    clock = Clock()
    source = TokenSource(TokenOrigin(endpoint.url, "me", "hush"), None, clock)
    endpoint.gives(jwt(exp=clock.now + 100), "opaque", "opaque too")
    await source.token()
    await source.token()
    assert len(endpoint.asked) == 1
    clock.now += 90
    await source.token()
    await source.token()
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize(
    ("status", "content", "error", "why"),
    [
        (401, b'{"error":"invalid_client"}', SaslError, "401.*invalid_client"),
        (503, b"later", UnreachableError, "503.*later"),
        (200, b"<html>", SaslError, "no token endpoint"),
        (200, b'{"token":1}', SaslError, "no token endpoint"),
    ],
)
async def test_what_an_endpoint_may_answer(endpoint, status, content, error, why):
    endpoint.answers.append((status, content))
    with pytest.raises(error, match=why) as caught:
        await TokenSource(TokenOrigin(endpoint.url, "me", "hush"), None).token()
    assert "hush" not in str(caught.value)
    assert caught.value.retriable == (error is UnreachableError)


async def test_an_endpoint_that_is_not_there(endpoint):
    endpoint.close()
    with pytest.raises(UnreachableError, match="does not answer"):
        await TokenSource(TokenOrigin(endpoint.url, "me", "hush"), None).token()


async def test_files_and_given_tokens(tmp_path):
    path = tmp_path / "token"
    source = TokenSource(TokenOrigin(file=path), None)
    with pytest.raises(SaslError, match=str(path)):
        await source.token()
    for content in ("one\n", "two"):
        path.write_text(content)
        assert await source.token() == content.strip()
    assert await TokenSource(TokenOrigin(token="given"), None).token() == "given"


async def test_tokens_without_signature():
    token = await TokenSource(TokenOrigin(claims=(("sub", "ann"),)), None, Clock()).token()
    header, claims, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert decoded == {"sub": "ann", "iat": 1_000_000, "exp": 1_003_600}
    assert json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))) == {"alg": "none"}
    assert signature == ""


def test_no_secret_shows_in_a_login():
    assert "pencil" not in repr(Login("PLAIN", "a", "pencil"))
    assert "hush" not in repr(TokenOrigin("u", "me", "hush", file=Path("x"), token="hush"))

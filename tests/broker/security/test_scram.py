"""SCRAM against the vectors of RFC 7677, mistakes, and credentials as Kafka's."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.security.mechanism import AuthenticationFailedError, InvalidTokenError
from kopfka_broker.security.principal import Principal
from kopfka_broker.security.scram import ScramExchange, TokenCredential
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, make_credential

SHA256 = SCRAM_MECHANISMS["SCRAM-SHA-256"]
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


class Users:
    def __init__(self, tokens=(), **passwords):
        self._users = {name: make_credential(SHA256, password, 4096, SALT) for name, password in passwords.items()}
        self._tokens = dict(tokens)

    def user(self, mechanism, name):
        return self._users.get(name) if mechanism == SHA256.name else None

    def token(self, mechanism, token_id):
        return self._tokens.get(token_id)


def exchange(users=None):
    return ScramExchange(SHA256, users or Users(user="pencil"), lambda: NONCE)


def test_the_exchange_of_rfc_7677():
    server = exchange()
    first, outcome = server.step(FIRST)
    assert outcome is None
    assert first == b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final, outcome = server.step(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert outcome.principal == ("User", "user")
    assert not outcome.by_token


def proved(first_bare, server_first, password, mechanism=SHA256, header="biws"):
    """Return a client's final message, by the RFC alone."""
    nonce, salt, iterations = (part[2:] for part in server_first.decode().split(","))
    name = mechanism.hash_name
    salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(salt), int(iterations))
    key = hmac.digest(salted, b"Client Key", name)
    unproved = f"c={header},r={nonce}"
    signed = f"{first_bare},{server_first.decode()},{unproved}".encode()
    signature = hmac.digest(hashlib.new(name, key).digest(), signed, name)
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    return f"{unproved},p={proof}".encode()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), st.booleans())
def test_any_password_is_its_own_and_no_other(password, same):
    server = exchange(Users(user=password))
    first, _ = server.step(FIRST)
    answer = proved("n=user,r=rOprNGfwEbeRWgbNEkqO", first, password if same else password + "x")
    if same:
        assert server.step(answer)[1].principal.name == "user"
    else:
        with pytest.raises(InvalidTokenError):
            server.step(answer)


def test_a_delegation_token_stands_for_its_owner():
    credential = make_credential(SHA256, "hmac", 4096)
    token = TokenCredential(Principal("User", "alice"), credential, 12345)
    server = exchange(Users({"id-1": token}))
    bare = "n=id-1,r=abc,tokenauth=true"
    first, _ = server.step(f"n,,{bare}".encode())
    _, outcome = server.step(proved(bare, first, "hmac"))
    assert (outcome.principal.name, outcome.by_token, outcome.expires_ms) == ("alice", True, 12345)


@pytest.mark.parametrize(
    "first",
    [b"", b"n,,n=,r=a", b"y,,n=user,r=a", b"n,,n=user", b"n,,n=nobody,r=abc", b"n,,n=no=2Cbody,r=abc", b"\xff\xfe",
     b"n,,n=user,r=a,tokenauth=true", b"p=tls-unique,,n=user,r=a"],
)  # fmt: skip
def test_first_messages_that_are_refused(first):
    with pytest.raises(InvalidTokenError):
        exchange().step(first)


def test_another_authorization_id_is_told_as_kafka_tells_it():
    with pytest.raises(AuthenticationFailedError, match="different from username"):
        exchange().step(b"n,a=root,n=user,r=abc")


@given(st.binary(max_size=80), st.binary(max_size=120))
def test_rubbish_is_refused_and_nothing_worse(first, second):
    for messages in ([first], [FIRST, second]):
        server = exchange()
        try:
            for message in messages:
                assert server.step(message)[1] is None
        except (InvalidTokenError, AuthenticationFailedError):
            pass

"""Who sent a request, by whatever its headers and its connection say."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from kopfka_registry.errors import NotAuthenticatedError, NotPermittedError
from kopfka_registry.security.authentication import MOST_KEPT, Authentication, Peer
from kopfka_registry.security.callers import Caller
from kopfka_registry.security.settings import read_security
from kopfka_registry.security.tls import Tls
from support.certificates import Authority, subject
from support.clocks import Clock
from support.logins import IdentityProvider

AUTHORITY = Authority()
OWN = AUTHORITY.issue("registry")
TLS = {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.key": OWN.key_pem(),
    "ssl.keystore.certificate.chain": OWN.pem,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.certificates": AUTHORITY.pair.pem,
    "ssl.client.authentication": "REQUESTED",
    "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+),OU=people$/$1/,RULE:^CN=(registry)$/$1/",
}


def peer(pair):
    return Peer(pair.certificate.public_bytes(Encoding.DER))


ANN = AUTHORITY.issue(subject(OU="people", CN="ann"))


@pytest.fixture(scope="module")
def provider():
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users"
    path.write_text("alice: secret:with colon,admin\nbob: b\u00e4d,guest\nroot: r\n", "utf-8")
    return path


@pytest.fixture
def made(users, provider):
    """All three ways at once."""
    given = TLS | {
        "authentication.method": "BASIC,BEARER,MTLS",
        "kopfka.authentication.users.file": str(users),
        "oauthbearer.jwks.endpoint.url": provider.url,
        "oauthbearer.expected.issuer": "tests",
        "oauthbearer.expected.audience": "kafka",
        "oauthbearer.groups.claim.name": "realm.roles",
    }
    return authentication(given)


def authentication(given, clock=time.time):
    settings = read_security(given, {"https"} if "ssl.keystore.key" in given else {"http"})
    return Authentication(settings, Tls(settings.tls) if settings.tls else None, clock)


def basic(user, password, encoding="utf-8"):
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode(encoding))


async def ask(made, *headers, certificate=None):
    named = [(name.lower().encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
    return await made.caller(named, peer(certificate) if certificate is not None else None)


async def test_a_password(made):
    expected = Caller("alice", frozenset({"admin"}))
    for _ in range(2):  # the second time from memory
        assert await ask(made, ("Authorization", basic("alice", "secret:with colon"))) == expected
    assert (await ask(made, ("authorization", basic("bob", "b\u00e4d").replace(b"Basic", b"bASIC")))).name == "bob"
    # browsers and Java may send it so
    assert (await ask(made, ("Authorization", basic("bob", "b\u00e4d", "latin-1")))).name == "bob"
    for wrong in (basic("alice", "secret"), basic("nobody", "x"), b"Basic YWxpY2U=", b"Basic ???", b"Basic", b""):
        with pytest.raises(NotAuthenticatedError):
            await ask(made, ("Authorization", wrong))


async def test_a_changed_users_file_is_heeded_at_once(made, users):
    alice = ("Authorization", basic("alice", "secret:with colon"))
    assert (await ask(made, alice)).roles == {"admin"}
    users.write_text("alice: secret:with colon\ncleo: c\n")
    made.refresh()
    assert (await ask(made, alice)).roles == frozenset()
    users.write_text("cleo: another one\n")
    made.refresh()
    with pytest.raises(NotAuthenticatedError):
        await ask(made, alice)


async def test_only_users_with_certain_roles_are_let_in(users):
    made = authentication(
        {
            "authentication.method": "BASIC",
            "authentication.roles": "admin,dev",
            "kopfka.authentication.users.file": str(users),
        }
    )
    assert (await ask(made, ("Authorization", basic("alice", "secret:with colon")))).name == "alice"
    for user, password in (("bob", "b\u00e4d"), ("root", "r")):
        with pytest.raises(NotPermittedError, match=r"authentication\.roles"):
            await ask(made, ("Authorization", basic(user, password)))


async def test_a_token(made, provider):
    token = provider.token("cleo", realm={"roles": ["dev", "ops"]})
    caller = await ask(made, ("Authorization", f"Bearer {token}"))
    assert caller == Caller("cleo", frozenset({"dev", "ops"}))
    other = IdentityProvider()
    other.close()
    bad = [
        provider.token("cleo", seconds=-60),
        provider.token("cleo", aud="others"),
        provider.token("cleo", iss="others"),
        provider.token(None),
        provider.token("cleo\nann"),
        provider.token("cleo", realm={"roles": 7}),
        other.token("cleo"),
        token[:-4] + "AAAA",
        "x",
        "",
    ]
    for each in bad:
        with pytest.raises(NotAuthenticatedError):
            await ask(made, ("Authorization", f"Bearer {each}"))
    provider.keys["RS256-unknown"] = provider.keys["RS256"]
    unknown = provider.token("cleo", key="RS256-unknown")
    del provider.keys["RS256-unknown"]
    with pytest.raises(NotAuthenticatedError, match="no key 'RS256-unknown'"):
        await ask(made, ("Authorization", f"Bearer {unknown}"))


async def test_a_token_is_taken_from_memory_until_it_expires_and_keys_are_looked_at_again(provider):
    clock = Clock(time.time())
    given = {"oauthbearer.jwks.endpoint.url": provider.url, "oauthbearer.clock.skew.seconds": "0"}
    made = authentication(given, clock)
    header = ("Authorization", f"Bearer {provider.token('cleo', seconds=3600)}")
    assert (await ask(made, header)).name == "cleo"
    withdrawn = made._tokens._keys
    keys, withdrawn._keys = withdrawn._keys, []
    withdrawn._due = withdrawn._not_before = float("inf")
    clock.now += 59
    assert (await ask(made, header)).name == "cleo"
    clock.now += 2
    with pytest.raises(NotAuthenticatedError):
        await ask(made, header)
    withdrawn._keys = keys
    short = ("Authorization", f"Bearer {provider.token('cleo', seconds=5)}")
    assert (await ask(made, short)).name == "cleo"
    assert next(reversed(made._known.values()))[1] <= time.time() + 5


async def test_a_certificate(made):
    caller = await ask(made, certificate=ANN)
    assert caller == Caller("ann", certified=True)
    nobody = AUTHORITY.issue(subject(OU="machines", CN="ann"))
    with pytest.raises(NotAuthenticatedError, match="no rule"):
        await ask(made, certificate=nobody)
    with pytest.raises(NotAuthenticatedError):
        await ask(made)
    # a header says more, also where it is wrong
    both = await ask(made, ("Authorization", basic("bob", "b\u00e4d")), certificate=ANN)
    assert (both.name, both.certified) == ("bob", False)
    with pytest.raises(NotAuthenticatedError):
        await ask(made, ("Authorization", basic("bob", "x")), certificate=ANN)


async def test_a_certificate_ends_though_its_connection_does_not(users):
    clock = Clock(time.time())
    made = authentication(TLS | {"authentication.method": "MTLS"}, clock)
    connection = peer(ANN)
    assert (await made.caller([], connection)).name == "ann"
    clock.now += 3 * 86_400
    with pytest.raises(NotAuthenticatedError, match="expired"):
        await made.caller([], connection)


FORWARDED = ("X-Forward", "true")


async def test_only_replicas_speak_for_others(made):
    replica = AUTHORITY.issue("registry")
    behalf = ("X-Kopfka-On-Behalf-Of", "CN%3Dz%C3%B6")
    assert await ask(made, FORWARDED, behalf, certificate=replica) == Caller("CN=z\u00f6", certified=True)
    refused = [
        ([FORWARDED, behalf], ANN),
        ([FORWARDED, behalf], None),
        ([behalf], replica),
        ([FORWARDED, behalf, ("Authorization", basic("alice", "secret:with colon"))], ANN),
        ([FORWARDED, behalf], AUTHORITY.issue(subject(CN="registry", OU="people"))),
    ]
    for headers, certificate in refused:
        with pytest.raises(NotPermittedError, match="another replica"):
            await ask(made, *headers, certificate=certificate)
    for name in ("", "a%0Ab", "%00"):
        with pytest.raises(NotAuthenticatedError):
            await ask(made, FORWARDED, ("X-Kopfka-On-Behalf-Of", name), certificate=replica)
    # what a replica passes on without a word is of nobody, and not the replica's own
    with pytest.raises(NotAuthenticatedError):
        await ask(made, FORWARDED, certificate=replica)
    passed_on = await ask(made, FORWARDED, ("Authorization", basic("bob", "b\u00e4d")), certificate=replica)
    assert passed_on == Caller("bob", frozenset({"guest"}))
    # and the header gains a client nothing
    assert await ask(made, FORWARDED, certificate=ANN) == Caller("ann", certified=True)


async def test_replicas_may_be_known_by_a_name():
    given = TLS | {"kopfka.inter.instance.name": "localhost", "authentication.method": "MTLS"}
    made = authentication(given)
    behalf = ("X-Kopfka-On-Behalf-Of", "ann")
    other = AUTHORITY.issue(subject(CN="another replica"))  # for localhost, as all of these tests
    assert (await ask(made, FORWARDED, behalf, certificate=other)).name == "ann"
    made = authentication(given | {"kopfka.inter.instance.name": "registry.svc"})
    with pytest.raises(NotPermittedError):
        await ask(made, FORWARDED, behalf, certificate=AUTHORITY.issue("registry"))


async def test_who_says_twice_who_he_is_is_nobody(made):
    alice = ("Authorization", basic("alice", "secret:with colon"))
    with pytest.raises(NotAuthenticatedError, match="twice"):
        await ask(made, alice, ("Authorization", basic("bob", "b\u00e4d")))
    behalf = ("X-Kopfka-On-Behalf-Of", "ann")
    with pytest.raises(NotAuthenticatedError, match="twice"):
        await ask(made, FORWARDED, behalf, behalf, certificate=AUTHORITY.issue("registry"))


async def test_headers_are_known_under_a_hash_and_only_so_many(made, users):
    users.write_text("".join(f"user{number}: p\n" for number in range(MOST_KEPT + 10)))
    made.refresh()
    for number in range(MOST_KEPT + 10):
        await ask(made, ("Authorization", basic(f"user{number}", "p")))
    assert len(made._known) == MOST_KEPT
    assert all(len(key) == 16 for key in made._known)


words = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=40).map(lambda data: b"Basic " + base64.b64encode(data)),
    st.text(max_size=40).map(lambda text: b"Basic " + base64.b64encode(text.encode("utf-8", "replace"))),
    st.binary(max_size=60).map(lambda data: b"Bearer " + data),
    st.lists(st.binary(max_size=30), min_size=3, max_size=3).map(
        lambda parts: b"Bearer " + b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    ),
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "b64", "crit"]), st.one_of(st.none(), st.text(), st.integers())
    )
    .map(lambda header: str(header).replace("'", '"').encode("utf-8", "replace"))
    .map(lambda head: b"Bearer " + base64.urlsafe_b64encode(head).rstrip(b"=") + b".e30.AAAA"),
)


@given(words)
async def test_rubbish_is_nobodys(rubbish):
    given = {"oauthbearer.jwks.endpoint.url": "file:///nowhere", "oauthbearer.jwks.endpoint.retry.backoff.ms": "100000"}
    made = authentication(given)
    with pytest.raises(NotAuthenticatedError) as refused:
        await made.caller([(b"authorization", rubbish)], None)
    assert str(refused.value).isprintable()

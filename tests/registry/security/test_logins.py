"""Passwords and tokens over HTTP, by Confluent's own client."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from kopfka_registry.security.passwords import hash_password
from registry.security.secured import Client, SecuredRegistry, basic
from registry.service.schemas import ONE, TWO
from support.logins import IdentityProvider
from support.processes import running
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def provider():
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def users(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users.properties"
    path.write_text(f"alice: alice,team\nhans: {hash_password('hans')},team\nguest: guest,visitors\n")
    return path


@pytest.fixture(scope="module")
def registry(broker, tmp_path_factory, users, provider) -> Iterator[SecuredRegistry]:
    """Passwords and tokens at once, as the operator renders them."""
    settings = {
        "authentication.method": "BASIC,BEARER",
        "authentication.roles": "team,others",
        "kopfka.authentication.users.file": str(users),
        "oauthbearer.jwks.endpoint.url": provider.url,
        "oauthbearer.expected.issuer": "tests",
        "oauthbearer.expected.audience": "kafka",
        "kopfka.role.team.admin": "team-*",
        "kopfka.role.ops.admin": "*",
        "kopfka.role.ops.principals": "service-account",
    }
    folder = tmp_path_factory.mktemp("registry") / "one"
    with running(SecuredRegistry(folder, broker.bootstrap, settings, https=False), SecuredRegistry.stop) as one:
        yield one


def bearer(registry, token):
    return SchemaRegistryClient(
        {
            "url": registry.url,
            "bearer.auth.credentials.source": "STATIC_TOKEN",
            "bearer.auth.token": token,
            "bearer.auth.logical.cluster": "lsrc-1",
            "bearer.auth.identity.pool.id": "pool-1",
        }
    )


@pytest.mark.parametrize("user", ["alice", "hans"])
def test_a_password(registry, user):
    real = SchemaRegistryClient({"url": registry.url, "basic.auth.user.info": f"{user}:{user}"})
    number = real.register_schema(f"team-{user}", Schema(ONE, "AVRO"))
    assert real.get_schema(number).schema_str
    assert real.set_compatibility(f"team-{user}", "FULL")["compatibility"] == "FULL"
    assert real.test_compatibility(f"team-{user}", Schema(TWO, "AVRO"))
    assert f"team-{user}" in real.get_subjects()
    with pytest.raises(SchemaRegistryError) as refused:
        real.register_schema("other", Schema(ONE, "AVRO"))
    assert (refused.value.http_status_code, refused.value.error_code) == (403, 40301)
    wrong = SchemaRegistryClient({"url": registry.url, "basic.auth.user.info": f"{user}:wrong"})
    with pytest.raises(SchemaRegistryError) as refused:
        wrong.get_subjects()
    assert (refused.value.http_status_code, refused.value.error_code) == (401, 401)


def test_many_at_once_with_a_hashed_password(registry):
    with ThreadPoolExecutor(8) as pool:
        client = Client(registry.url, basic("hans"))
        assert {answer.status for answer in pool.map(lambda _: client("GET", "/subjects"), range(64))} == {200}
        wrong = Client(registry.url, basic("hans", "no"))
        assert {answer.status for answer in pool.map(lambda _: wrong("GET", "/subjects"), range(16))} <= {401, 503}
    assert client("GET", "/subjects").status == 200


def test_a_user_without_a_role_that_is_let_in(registry):
    assert Client(registry.url, basic("guest"))("GET", "/subjects").error == (403, 40301)


def test_a_token(registry, provider):
    real = bearer(registry, provider.token("cleo", groups=["team"]))
    number = real.register_schema("team-cleo", Schema(ONE, "AVRO"))
    assert real.get_schema(number).schema_str
    with pytest.raises(SchemaRegistryError) as refused:
        real.register_schema("other", Schema(ONE, "AVRO"))
    assert (refused.value.http_status_code, refused.value.error_code) == (403, 40301)
    # roles may also be given to a name
    ops = bearer(registry, provider.token("service-account", "ES256"))
    assert ops.register_schema("other", Schema(ONE, "AVRO"))
    assert ops.set_compatibility(level="BACKWARD")["compatibility"] == "BACKWARD"
    nobody = bearer(registry, provider.token("dora"))
    assert nobody.get_subjects() == []


def test_tokens_that_are_refused(registry, provider):
    client = Client(registry.url)
    stranger = IdentityProvider()
    stranger.close()
    good = provider.token("cleo", groups=["team"])
    head, body, signature = good.split(".")
    cases = {
        "expired": provider.token("cleo", seconds=-3600),
        "an unknown key": stranger.token("cleo", key="RS256"),
        "audience": provider.token("cleo", aud="another service"),
        "issuer": provider.token("cleo", iss="another provider"),
        "no name": provider.token(None),
        "no signature": f"{head}.{body}.",
        "half of it": good[: len(good) // 2],
        "another's body": f"{head}.{provider.token('root').split('.')[1]}.{signature}",
    }
    for why, token in cases.items():
        refused = client("GET", "/subjects", authorization=f"Bearer {token}")
        assert refused.error == (401, 401), why
        assert refused.headers["www-authenticate"] == (
            'Basic realm="schema-registry", charset="UTF-8", Bearer realm="schema-registry", error="invalid_token"'
        )
    assert "expired" in client("GET", "/", authorization=f"Bearer {cases['expired']}").body["message"]
    plain = client("GET", "/subjects")
    assert plain.headers["www-authenticate"].endswith('Bearer realm="schema-registry"')
    for rubbish in (
        "Basic",
        "Bearer",
        "Negotiate abc",
        "Basic \u00ff",
        "basic  " + "A" * 4000,
        "bearer a.b.c.d.e",
        '"',
    ):
        assert client("GET", "/subjects", authorization=rubbish).error == (401, 401)
    provider.keys["RS256-later"] = stranger.keys["RS256"]
    later = provider.token("cleo", key="RS256-later", groups=["team"])
    assert client("GET", "/subjects", authorization=f"Bearer {later}").status == 200


def test_a_changed_users_file_holds_without_a_restart(registry, users):
    before = users.read_text()
    erna = Client(registry.url, basic("erna"))
    alice = Client(registry.url, basic("alice"))
    assert (alice("GET", "/subjects").status, erna("GET", "/subjects").status) == (200, 401)
    try:
        users.write_text(before.replace("alice: alice", "erna: erna"))
        eventually(lambda: erna("GET", "/subjects").status == 200)
        assert alice("GET", "/subjects").status == 401
        users.write_text("erna: MD5:5ebe2294ecd0e0f08eab7690d2a6ee69,team\n")
        eventually(lambda: "the users stay as they were" in registry.log.read_text())
        assert erna("GET", "/subjects").status == 200
    finally:
        users.write_text(before)
    eventually(lambda: alice("GET", "/subjects").status == 200)


def test_nothing_secret_is_in_the_log(registry, provider):
    client = Client(registry.url)
    token = provider.token("cleo", seconds=-3600)
    client("GET", "/subjects", authorization=f"Bearer {token}")
    client("GET", "/subjects", authorization=basic("alice", "a password nobody has"))
    log = registry.log.read_text()
    assert "refused GET '/subjects'" in log
    assert token.split(".")[1] not in log
    assert "a password nobody has" not in log
    assert basic("alice", "a password nobody has").split()[1] not in log
    assert "Traceback" not in log

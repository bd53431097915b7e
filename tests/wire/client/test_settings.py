"""Settings by Kafka's names: what they become, and what is refused, by name and without its secrets."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_runtime.errors import SettingsError
from kopfka_wire.client.names import UNUSED
from kopfka_wire.client.settings import client_settings, known_names
from support.certificates import Authority, pem_keystore

BASE = {"bootstrap.servers": "a:1"}
MODULES = "org.apache.kafka.common.security"
PLAIN = f'{MODULES}.plain.PlainLoginModule required username="ann" password="s3cret";'
SCRAM = f'{MODULES}.scram.ScramLoginModule required username="ann" password="s3cret" tokenauth="true";'
OAUTH = f"{MODULES}.oauthbearer.OAuthBearerLoginModule required"
SASL = BASE | {"security.protocol": "SASL_PLAINTEXT"}
BEARER = SASL | {"sasl.mechanism": "OAUTHBEARER"}
URL = "sasl.oauthbearer.token.endpoint.url"


def test_kafkas_defaults():
    settings = client_settings(BASE, client_id="mine")
    assert settings.bootstrap == (("a", 1),)
    assert settings.client_id == "mine"
    assert settings.security_protocol == "PLAINTEXT"
    assert (settings.request_timeout, settings.api_timeout, settings.metadata_max_age) == (30, 60, 300)
    assert (settings.retry_backoff, settings.retry_backoff_max, settings.connections_max_idle) == (0.1, 1, 540)


def test_what_is_set():
    settings = client_settings(
        {
            "bootstrap.servers": " PLAINTEXT://a:1 ,[::1]:2,,SASL_SSL://b.c:3",
            "client.id": "theirs",
            "request.timeout.ms": "1500",
            "connections.max.idle.ms": "-1",
        }
    )
    assert settings.bootstrap == (("a", 1), ("::1", 2), ("b.c", 3))
    assert (settings.client_id, settings.request_timeout) == ("theirs", 1.5)
    assert settings.connections_max_idle == float("inf")


@pytest.mark.parametrize(
    ("config", "login"),
    [
        ({"sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN}, ("PLAIN", "ann", "s3cret", False)),
        ({"sasl.mechanisms": "PLAIN", "sasl.username": "a", "sasl.password": "b"}, ("PLAIN", "a", "b", False)),
        (
            {"sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": SCRAM, "sasl.username": "bob"},
            ("SCRAM-SHA-512", "bob", "s3cret", True),
        ),
    ],
)
def test_logins(config, login):
    found = client_settings(SASL | config).login
    assert (found.mechanism, found.username, found.password, found.by_token) == login
    assert "s3cret" not in repr(found)


def test_origins_of_tokens(tmp_path):
    def origin(**config):
        return client_settings(BEARER | {name.replace("_", "."): value for name, value in config.items()}).login

    found = origin(
        sasl_jaas_config=f'{OAUTH} clientId="me" clientSecret="hush" scope="all" extension_logicalCluster="lkc";',
        sasl_oauthbearer_token_endpoint_url="https://idp/token",
    )
    assert (found.origin.url, found.origin.client_id, found.origin.scope) == ("https://idp/token", "me", "all")
    assert found.extensions == (("logicalCluster", "lkc"),)
    assert "hush" not in repr(found)
    path = tmp_path / "with blank.jwt"
    assert origin(sasl_oauthbearer_token_endpoint_url=path.as_uri()).origin.file == path
    named = client_settings(BEARER | {"kopfka.sasl.oauthbearer.token": "abc"}).login
    assert named.origin.token == "abc"
    assert "abc" not in repr(named)
    unsecured = origin(sasl_jaas_config=f'{OAUTH} unsecuredLoginStringClaim_sub="ann";')
    assert unsecured.origin.claims == (("sub", "ann"),)


def test_an_endpoint_with_https_is_trusted_by_the_same_settings(tmp_path):
    config = BEARER | {URL: "https://idp/token", "sasl.jaas.config": f'{OAUTH} clientId="a" clientSecret="b";'}
    trust = tmp_path / "ca.pem"
    settings = client_settings(config | {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(trust)})
    assert settings.tls is None
    assert settings.token_tls.truststore.location == trust
    assert client_settings(config | {URL: "http://idp/token"}).token_tls is None


def test_tls(tmp_path):
    pair = Authority().issue("localhost")
    pem_keystore(tmp_path / "own.pem", pair)
    settings = client_settings(
        BASE
        | {
            "security.protocol": "ssl",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(tmp_path / "own.pem"),
            "ssl.endpoint.identification.algorithm": "",
            "ssl.cipher.suites": "TLS_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        }
    )
    assert settings.security_protocol == "SSL"
    assert settings.tls.truststore is None
    assert not settings.tls.check_hostname
    assert len(settings.tls.suites) == 2
    both = BASE | {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN}
    assert client_settings(both).tls.check_hostname


def test_names_of_java_without_use_are_taken():
    client_settings(BASE | dict.fromkeys(UNUSED - {"ssl.engine.factory.class"}, "1"))


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, r"bootstrap\.servers is missing"),
        ({"bootstrap.servers": " , "}, r"bootstrap\.servers is missing"),
        ({"bootstrap.servers": "a"}, r"bootstrap\.servers: 'a' has no port"),
        ({"bootstrap.servers": ":9092"}, r"bootstrap\.servers: ':9092' has no host"),
        (BASE | {"boostrap.servers": "a:1"}, r"boostrap\.servers: did you mean bootstrap\.servers\?"),
        (BASE | {"security.protocol": "TLS"}, r"security\.protocol=TLS is none of PLAINTEXT"),
        (BASE | {"request.timeout.ms": "1s"}, r"request\.timeout\.ms=1s"),
        (BASE | {"retry.backoff.ms": "-1"}, r"retry\.backoff\.ms=-1"),
        (SASL, r"sasl\.mechanism=GSSAPI: this client has PLAIN"),
        (SASL | {"sasl.mechanism": "PLAIN"}, r"set it in sasl\.jaas\.config"),
        (SASL | {"sasl.mechanism": "PLAIN", "sasl.username": "a"}, r"sasl\.password"),
        (SASL | {"sasl.mechanism": "PLAIN", "sasl.jaas.config": SCRAM}, r"ScramLoginModule.*PlainLoginModule"),
        (SASL | {"sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN[:-1]}, r"sasl\.jaas\.config is malformed"),
        (BEARER, r"sasl\.oauthbearer\.token\.endpoint\.url"),
        (BEARER | {URL: "idp"}, r"token\.endpoint\.url=idp"),
        (BEARER | {URL: "http://idp", "sasl.jaas.config": f'{OAUTH} clientId="a";'}, "clientSecret"),
        (BEARER | {URL: "file:///x", "sasl.login.refresh.window.factor": "3"}, r"refresh\.window\.factor=3"),
        (BASE | {"security.protocol": "SSL", "ssl.enabled.protocols": "SSLv3"}, r"ssl\.enabled\.protocols"),
        (BASE | {"security.protocol": "SSL", "ssl.truststore.type": "BKS"}, r"ssl\.truststore\.type"),
        (BASE | {"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "ldaps"}, "identification"),
        (BASE | {"security.protocol": "SSL", "ssl.engine.factory.class": "x"}, r"ssl\.engine\.factory\.class"),
    ],
)
def test_what_is_refused(config, named):
    with pytest.raises(SettingsError, match=named) as caught:
        client_settings(config)
    assert "s3cret" not in str(caught.value)


@given(st.sampled_from(sorted(known_names())), st.text(max_size=20))
def test_any_value_is_taken_or_refused_and_nothing_worse(name, value):
    config = {"bootstrap.servers": "a:1", "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN",
              "sasl.jaas.config": PLAIN} | {name: value}  # fmt: skip
    with contextlib.suppress(SettingsError):
        client_settings(config)

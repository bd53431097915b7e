"""The registry's own login to Kafka, by each mechanism over TLS, against the bundled broker."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from kopfka_runtime.settings import format_properties
from registry.security.secured import Client, SecuredRegistry
from registry.service.schemas import ONE
from support.certificates import Authority, pem_keystore, server_settings, subject
from support.logins import OAUTH_MODULE, PLAIN_MODULE, SCRAM_MODULE, IdentityProvider
from support.processes import BrokerProcess, accepts, free_port, killed_at_the_end, running
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PREFIX = "listener.name.sasltls."
_USER = "registry"
_PASSWORD = 'p "ä" \\ $1'


class Guarded(BrokerProcess):
    """A broker that takes nobody but by SASL over TLS, or by a certificate."""

    def __init__(self, folder: Path, provider: IdentityProvider) -> None:
        self.authority = Authority()
        self.trust = folder / "trust.pem"
        self.tls_port = free_port()
        super().__init__(folder / "data")
        escaped = _PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
        settings = server_settings(folder / "server", self.authority.issue("broker"), self.authority) | {
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.num.partitions": "1",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{_USER};User:ANONYMOUS",
            "listeners": f"SASLTLS://127.0.0.1:{self.port},MTLS://127.0.0.1:{self.tls_port}",
            "listener.security.protocol.map": "SASLTLS:SASL_SSL,MTLS:SSL,PLAINTEXT:PLAINTEXT",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.mtls.ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
            f"{_PREFIX}sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            f"{_PREFIX}plain.sasl.jaas.config": f'{PLAIN_MODULE} required user_{_USER}="{escaped}" user_other="o";',
            f"{_PREFIX}scram-sha-512.sasl.jaas.config": f"{SCRAM_MODULE} required;",
            f"{_PREFIX}oauthbearer.sasl.jaas.config": f"{OAUTH_MODULE} required;",
            "sasl.oauthbearer.jwks.endpoint.url": provider.url,
            "sasl.oauthbearer.expected.audience": "kafka",
            "sasl.oauthbearer.expected.issuer": "tests",
        }
        self.config.write_text(format_properties(settings))
        self.trust.write_text(self.authority.pair.pem)

    def command(self) -> list[str]:
        command = super().command()
        at = command.index("--listen")
        return command[:at] + command[at + 2 :]


@pytest.fixture(scope="module")
def provider():
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, provider) -> Iterator[Guarded]:
    with running(Guarded(tmp_path_factory.mktemp("broker"), provider), BrokerProcess.stop) as broker:
        admin = AdminClient(
            {
                "bootstrap.servers": broker.bootstrap, "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN",
                "sasl.username": _USER, "sasl.password": _PASSWORD, "ssl.ca.location": str(broker.trust),
            }
        )  # fmt: skip
        change = UserScramCredentialUpsertion(
            _USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), _PASSWORD.encode()
        )
        for made in admin.alter_user_scram_credentials([change]).values():
            made.result(timeout=30)
        yield broker


def login(guarded, mechanism, password=_PASSWORD, user=_USER):
    module = PLAIN_MODULE if mechanism == "PLAIN" else SCRAM_MODULE
    escaped = password.replace("\\", "\\\\").replace('"', '\\"')
    return {
        "kafkastore.security.protocol": "SASL_SSL",
        "kafkastore.sasl.mechanism": mechanism,
        "kafkastore.sasl.jaas.config": f'{module} required username="{user}" password="{escaped}";',
        "kafkastore.ssl.truststore.type": "PEM",
        "kafkastore.ssl.truststore.location": str(guarded.trust),
        "kafkastore.topic": f"_schemas-{mechanism.lower()}",
        "schema.registry.group.id": f"registry-{mechanism.lower()}",
    }


def token_login(guarded, provider, folder, user=_USER):
    token = folder / "token"
    token.write_text(provider.token(user))
    return login(guarded, "OAUTHBEARER") | {
        "kafkastore.sasl.jaas.config": f"{OAUTH_MODULE} required;",
        "kafkastore.sasl.oauthbearer.token.endpoint.url": token.as_uri(),
    }


@contextlib.contextmanager
def serving(guarded, folder, settings, bootstrap=None) -> Iterator[Client]:
    registry = SecuredRegistry(folder / "registry", bootstrap or guarded.bootstrap, settings, https=False)
    with running(registry, SecuredRegistry.stop):
        yield Client(registry.url)


def check(client):
    answer = client("POST", "/subjects/s/versions", {"schema": ONE})
    assert answer.status == 200, answer
    assert client("GET", f"/schemas/ids/{answer.body['id']}").body["schema"] == ONE


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_password(guarded, tmp_path, mechanism):
    with serving(guarded, tmp_path, login(guarded, mechanism)) as client:
        check(client)


def test_a_token(guarded, provider, tmp_path):
    with serving(guarded, tmp_path, token_login(guarded, provider, tmp_path)) as client:
        check(client)


def test_a_certificate(guarded, tmp_path):
    pem_keystore(tmp_path / "own.pem", guarded.authority.issue(subject(OU="services", CN=_USER)))
    settings = {
        "kafkastore.security.protocol": "SSL",
        "kafkastore.ssl.truststore.type": "PEM",
        "kafkastore.ssl.truststore.location": str(guarded.trust),
        "kafkastore.ssl.keystore.type": "PEM",
        "kafkastore.ssl.keystore.location": str(tmp_path / "own.pem"),
        "kafkastore.init.timeout.ms": "10000",
        "kafkastore.topic": "_schemas-mtls",
        "schema.registry.group.id": "registry-mtls",
    }
    # Confluent's way to write addresses
    with serving(guarded, tmp_path, settings, f"SSL://127.0.0.1:{guarded.tls_port}") as client:
        check(client)


def _ends_with(guarded, folder, settings) -> str:
    """Return the last line of a registry that cannot start."""
    folder.mkdir()
    registry = SecuredRegistry(folder / "registry", guarded.bootstrap, settings, https=False)
    with killed_at_the_end(registry):
        registry.start(wait=False)
        assert registry.process.wait(timeout=60) == 1
    text = registry.log.read_text()
    assert "Traceback" not in text, text
    assert text.count("kopfka: ") == 1, text
    last = text.splitlines()[-1]
    assert last.startswith("kopfka: ")
    return last


def test_what_cannot_log_in_says_so_in_one_line_and_ends(guarded, provider, tmp_path):
    others = tmp_path / "others.pem"
    others.write_text(Authority().pair.pem)
    no_token = token_login(guarded, provider, tmp_path)
    no_token["kafkastore.sasl.oauthbearer.token.endpoint.url"] = "file:///no"
    cases = [
        (login(guarded, "PLAIN", "wrong"), "PLAIN"),
        (login(guarded, "SCRAM-SHA-512", "wrong"), "SCRAM-SHA-512"),
        (login(guarded, "SCRAM-SHA-512", user="nobody"), "SCRAM-SHA-512"),
        (login(guarded, "SCRAM-SHA-256"), "SCRAM-SHA-512"),
        (no_token, "/no"),
        (login(guarded, "PLAIN") | {"kafkastore.ssl.truststore.location": str(others)}, "certificate"),
        (login(guarded, "PLAIN") | {"kafkastore.ssl.truststore.location": "/nowhere"}, "/nowhere"),
        # logged in, and without rights
        (login(guarded, "PLAIN", "o", user="other"), "_schemas-plain"),
        (login(guarded, "PLAIN") | {"kafkastore.sasl.mechanisme": "x"}, "did you mean"),
    ]  # fmt: skip
    for number, (settings, said) in enumerate(cases):
        last = _ends_with(guarded, tmp_path / str(number), settings)
        assert said in last, last
        assert _PASSWORD not in last


def test_a_listener_without_tls_and_a_cluster_that_is_away_are_told_apart(guarded, tmp_path):
    plain = {"kafkastore.init.timeout.ms": "2000", "kafkastore.topic": "_schemas-plain"}
    assert "security.protocol" in _ends_with(guarded, tmp_path / "1", plain)
    away = plain | {"kafkastore.bootstrap.servers": f"127.0.0.1:{free_port()}"}
    assert "127.0.0.1" in _ends_with(guarded, tmp_path / "2", away)


def test_a_registry_that_waits_for_its_cluster_can_be_stopped(tmp_path):
    registry = SecuredRegistry(tmp_path / "registry", f"127.0.0.1:{free_port()}", {}, https=False)
    with killed_at_the_end(registry):
        registry.start(wait=False)
        eventually(lambda: accepts(registry.health_port))
        assert registry.stop() == 0
    assert "stopped cleanly" in registry.log.read_text()

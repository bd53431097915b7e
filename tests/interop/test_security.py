"""Every security protocol and mechanism, with Apache Kafka's Java clients and librdkafka's, against both brokers.

One of each kind runs, with the same settings. Logins that fail must fail alike: the same exception.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, Producer

from kopfka_runtime.settings import format_properties
from support.certificates import Authority
from support.prerequisites import need_command

if TYPE_CHECKING:
    from support.logins import SecuredSettings

pytestmark = pytest.mark.java

LOGINS = "io.kopfka.interop.Logins"
FOREIGN = Authority("Somebody else")


def attempts(settings: SecuredSettings) -> dict[str, tuple[str, dict[str, str], str]]:
    """Return by name: the topic, the client's settings, and the exception it is to get ("ok" for none)."""
    token = settings.provider.token
    made = {
        "tls": ("ann", settings.anonymous("TLS"), "ok"),
        "tls of whom is asked": ("dora", settings.certificate("TLS", "Dora"), "ok"),
        "mtls": ("dora", settings.certificate("MTLS", "Dora"), "ok"),
        "mtls as another": ("ann", settings.certificate("MTLS", "Dora"), "TopicAuthorizationException"),
        "mtls without a certificate": ("dora", settings.anonymous("MTLS"), "SslAuthenticationException"),
        "mtls expired": ("dora", settings.certificate("MTLS", "Dora", -1), "SslAuthenticationException"),
        "mtls of another authority": (
            "dora",
            settings.certificate("MTLS", "Dora", authority=FOREIGN),
            "SslAuthenticationException",
        ),
        "plain as another": (
            "bob",
            settings.password("SASL", "PLAIN", "ann", "ann-secret"),
            "TopicAuthorizationException",
        ),
        "no such user": (
            "ann",
            settings.password("SASL", "PLAIN", "eve", "ann-secret"),
            "SaslAuthenticationException",
        ),
        "no such scram user": (
            "ann",
            settings.password("SASL", "SCRAM-SHA-256", "ann", "ann-secret"),
            "SaslAuthenticationException",
        ),
        "a mechanism that is off": (
            "ann",
            settings.password("OAUTH", "PLAIN", "ann", "ann-secret"),
            "UnsupportedSaslMechanismException",
        ),
        "sasl where there is none": (
            "ann",
            settings.password("SASL", "PLAIN", "ann", "ann-secret")
            | {"bootstrap.servers": settings.listener("PLAINTEXT")},
            "IllegalSaslStateException",
        ),
        "bearer": ("dora", settings.bearer("good", token("dora")), "ok"),
        "bearer of a curve": ("dora", settings.bearer("curve", token("dora", "ES256")), "ok"),
        "bearer expired": (
            "dora",
            settings.bearer("expired", token("dora", seconds=-300)),
            "SaslAuthenticationException",
        ),
        "bearer for others": (
            "dora",
            settings.bearer("audience", token("dora", aud="others")),
            "SaslAuthenticationException",
        ),
        "bearer of others": (
            "dora",
            settings.bearer("issuer", token("dora", iss="others")),
            "SaslAuthenticationException",
        ),
    }
    for listener in ("SASL", "SASLTLS"):
        for mechanism, user in (("PLAIN", "ann"), ("SCRAM-SHA-256", "bob"), ("SCRAM-SHA-512", "cleo")):
            name = f"{listener} {mechanism}"
            made[name] = (user, settings.password(listener, mechanism, user, f"{user}-secret"), "ok")
            wrong = settings.password(listener, mechanism, user, "wrong")
            made[f"{name} wrong"] = (user, wrong, "SaslAuthenticationException")
    return made


_messages: dict[str, dict[str, str]] = {}


@pytest.mark.client("Java", "TLS, mTLS, PLAIN, SCRAM, OAUTHBEARER; logins that fail")
def test_java_clients_log_in_and_fail_as_with_apache_kafka(guarded, tools, tmp_path):
    folder = tmp_path / "clients"
    folder.mkdir()
    wanted = attempts(guarded.settings)
    for name, (topic, client, _) in wanted.items():
        (folder / f"{name.replace(' ', '_')}.properties").write_text(format_properties(client | {"topic": topic}))
    files = ",".join(each.as_uri() for each in guarded.settings.folder.glob("*.jwt"))
    result = tools.run(LOGINS, str(folder), files, seconds=120)
    outcomes = dict(line.split(" ", 1) for line in result.lines)
    got = {name: outcomes[name.replace(" ", "_")].split(" ")[0] for name in wanted}
    assert got == {name: outcome for name, (_, _, outcome) in wanted.items()}, result.out
    # what SASL tells the client, word for word; TLS alerts are put into words by the client's own library
    told = {name: text for name, text in outcomes.items() if text.startswith(("Sasl", "Unsupported", "Illegal"))}
    _messages[guarded.kind] = {name: re.sub(r"localhost/\S+|-\d+\b", "…", text) for name, text in told.items()}
    if len(_messages) == 2:
        assert _messages["kopfka"] == _messages["apache-kafka"]


def librdkafka(client: dict[str, str]) -> dict[str, str]:
    """Return settings of a Java client as librdkafka has them."""
    found = {"bootstrap.servers": client["bootstrap.servers"], "security.protocol": client["security.protocol"]}
    if "ssl.truststore.location" in client:
        found["ssl.ca.location"] = client["ssl.truststore.location"]
    if "ssl.keystore.location" in client:
        found["ssl.key.location"] = found["ssl.certificate.location"] = client["ssl.keystore.location"]
    if "sasl.mechanism" in client:
        found["sasl.mechanism"] = client["sasl.mechanism"]
        user, password = re.findall(r'(?:username|password)="([^"]*)"', client["sasl.jaas.config"])
        found |= {"sasl.username": user, "sasl.password": password}
    return found


PASSWORDS = [
    pytest.param(listener, mechanism, user, id=f"{listener}-{mechanism}")
    for listener in ("SASL", "SASLTLS")
    for mechanism, user in (("PLAIN", "ann"), ("SCRAM-SHA-256", "bob"), ("SCRAM-SHA-512", "cleo"))
]


@pytest.mark.client("librdkafka (Python)", "TLS, mTLS, PLAIN, SCRAM, OAUTHBEARER")
@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize(("listener", "mechanism", "user"), PASSWORDS)
def test_librdkafka_with_passwords(guarded, listener, mechanism, user, good):
    secret = f"{user}-secret" if good else "wrong"
    client = librdkafka(guarded.settings.password(listener, mechanism, user, secret))
    assert _produce(client, user) == (None if good else KafkaError._AUTHENTICATION)


@pytest.mark.client("librdkafka (Python)", "TLS, mTLS, PLAIN, SCRAM, OAUTHBEARER")
def test_librdkafka_with_certificates(guarded):
    settings = guarded.settings
    assert _produce(librdkafka(settings.certificate("MTLS", "Dora")), "dora") is None
    assert _produce(librdkafka(settings.anonymous("TLS")), "dora") is None
    # under TLS 1.3 a client has sent its first request before it is refused: librdkafka says SSL error or hang-up
    assert _produce(librdkafka(settings.anonymous("MTLS")), "dora") is not None


@pytest.mark.client("librdkafka (Python)", "TLS, mTLS, PLAIN, SCRAM, OAUTHBEARER")
def test_librdkafka_with_a_token(guarded):
    token = guarded.settings.provider.token("dora")
    client = {
        "bootstrap.servers": guarded.settings.listener("OAUTH"),
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": lambda _: (token, 2e9),
    }
    assert _produce(client, "dora") is None


def _produce(client, topic):
    """Produce one record; return the code of the error that comes first, None where the record is acknowledged."""
    errors = []
    producer = Producer(
        client
        | {
            "error_cb": lambda error: errors.append(error.code()),
            "log_level": 0,
            "message.timeout.ms": 15000,
            "linger.ms": 0,
        }
    )
    done = []
    producer.produce(topic, b"x", on_delivery=lambda error, _: done.append(error))
    while not done and not [each for each in errors if each != KafkaError._ALL_BROKERS_DOWN]:
        producer.poll(0.1)
    producer.purge()
    if done and done[0] is None:
        return None
    return errors[0] if errors else done[0].code()


@pytest.mark.client("kcat", "TLS and PLAIN")
def test_kcat_over_tls_with_a_password(guarded):
    """Not by SCRAM: Debian's kcat, with librdkafka 2.0.2, is refused so by Apache Kafka too."""
    path = need_command("kcat", "apt-get install kcat")
    client = librdkafka(guarded.settings.password("SASLTLS", "PLAIN", "ann", "ann-secret"))
    client.pop("bootstrap.servers")
    options = [word for name, value in client.items() for word in ("-X", f"{name}={value}")]
    command = [path, "-b", guarded.settings.listener("SASLTLS"), "-P", "-t", "ann", *options]
    done = subprocess.run(command, input=b"one\ntwo\n", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()

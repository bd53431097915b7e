"""SASL request by request, and certificates that change: the bundled broker does as Apache Kafka, word for word."""

from __future__ import annotations

import socket
import ssl
import struct
import tempfile

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from kopfka_bench.protocol.raw import CLOSED, RawConnection
from kopfka_runtime.settings import format_properties
from support.certificates import Authority, pem_keystore, subject
from support.corpus import write_pairs
from support.java import JavaProgram, tool_metric
from support.java_lines import PRODUCER
from support.waiting import eventually

pytestmark = pytest.mark.java

PRODUCER_SPEED = "org.apache.kafka.tools.ProducerPerformance"
_answers: dict[str, dict[str, object]] = {}


class Client(RawConnection):
    """One connection to a listener that asks for SASL."""

    def handshake(self, mechanism, version=1):
        return self.call("sasl_handshake", version, mechanism=mechanism)

    def authenticate(self, token, version=2):
        return self.call("sasl_authenticate", version, auth_bytes=token)

    def plain(self, user="ann", password="ann-secret", authorization_id=""):
        return self.authenticate(f"{authorization_id}\0{user}\0{password}".encode())

    def log_in(self):
        self.handshake("PLAIN")
        return self.plain()

    def metadata(self):
        answer = self.call("metadata", 9, topics=[])
        return CLOSED if answer == CLOSED else len(answer["brokers"])

    def bare(self, token):
        """Send a token without a request around it."""
        answer = self.exchange(token)
        return CLOSED if answer is None else answer


def told(answer):
    if answer == CLOSED:
        return CLOSED
    # a set, to Apache Kafka
    return {
        key: sorted(value) if key == "mechanisms" else value for key, value in answer.items() if "throttle" not in key
    }


def _before_anything(client):
    yield client.metadata()


def _versions(client):
    yield client.call("api_versions", 3, client_software_name="raw", client_software_version="1")["error_code"]
    yield told(client.handshake("PLAIN"))
    yield told(client.plain())
    yield client.metadata()
    yield told(client.authenticate(b"x"))


def _versions_twice(client):
    for _ in range(2):
        answer = client.call("api_versions", 0)
        yield answer if answer == CLOSED else answer["error_code"]


def _a_bad_name_of_software(client):
    answer = client.call("api_versions", 3, client_software_name="-", client_software_version="1")
    yield answer["error_code"]
    yield told(client.handshake("PLAIN"))


def _another_mechanism(client):
    yield told(client.handshake("GSSAPI"))
    yield client.metadata()


def _a_handshake_in_place_of_a_token(client):
    yield told(client.handshake("PLAIN"))
    yield told(client.handshake("PLAIN"))


def _metadata_in_place_of_a_token(client):
    yield told(client.handshake("PLAIN"))
    yield told(client.call("api_versions", 0))


def _tokens(*tokens):
    def dialogue(client):
        yield told(client.handshake("PLAIN"))
        for token in tokens:
            yield told(client.authenticate(token))

    return dialogue


def _old_versions(client):
    yield told(client.handshake("PLAIN", 1))
    yield told(client.authenticate(b"\0ann\0ann-secret", 0))


def _versions_between(client):
    yield told(client.handshake("PLAIN", 1))
    yield told(client.authenticate(b"\0ann\0ann-secret", 1))
    yield client.metadata()


def _bare(client):
    yield told(client.handshake("PLAIN", 0))
    yield client.bare(b"\0ann\0ann-secret")
    yield client.metadata()


def _bare_wrong(client):
    yield told(client.handshake("PLAIN", 0))
    yield client.bare(b"\0ann\0wrong")


def _too_large(client):
    client.send(struct.pack(">i", 524_289))
    yield client.read(4)


def _another_principal(client):
    yield told(client.log_in())
    yield told(client.handshake("PLAIN"))
    yield told(client.plain("mallory", "mallory-secret"))


def _another_mechanism_anew(client):
    yield told(client.log_in())
    yield told(client.handshake("SCRAM-SHA-256"))
    yield told(client.authenticate(b"n,,n=bob,r=abc"))


def _anew_wrong(client):
    yield told(client.log_in())
    yield told(client.handshake("PLAIN"))
    yield told(client.plain(password="wrong"))


def _anew_too_often(client):
    yield told(client.log_in())
    yield told(client.log_in())
    yield client.metadata()
    yield told(client.handshake("PLAIN"))


def _scram_of_nobody(client):
    yield told(client.handshake("SCRAM-SHA-256"))
    yield told(client.authenticate(b"n,,n=nobody,r=abc"))


def _scram_wrong_proof(client):
    yield told(client.handshake("SCRAM-SHA-512"))
    first = client.authenticate(b"n,,n=cleo,r=abc")
    yield first["error_code"], first["session_lifetime"], first["auth_bytes"].startswith(b"r=abc")
    nonce = first["auth_bytes"].split(b",")[0]
    yield told(client.authenticate(b"c=biws," + nonce + b",p=" + b"A" * 86 + b"=="))


DIALOGUES = {
    "a request before anything": _before_anything,
    "ApiVersions first, a token too many": _versions,
    "ApiVersions twice": _versions_twice,
    "a bad name of software": _a_bad_name_of_software,
    "another mechanism": _another_mechanism,
    "a handshake in place of a token": _a_handshake_in_place_of_a_token,
    "ApiVersions in place of a token": _metadata_in_place_of_a_token,
    "a wrong password": _tokens(b"\0ann\0wrong"),
    "nobody": _tokens(b"\0\0x"),
    "no password": _tokens(b"\0ann\0"),
    "two parts": _tokens(b"ann\0x"),
    "five parts": _tokens(b"\0\0\0\0"),
    "an empty token": _tokens(b""),
    "for another": _tokens(b"bob\0ann\0ann-secret"),
    "for oneself": _tokens(b"ann\0ann\0ann-secret"),
    "old versions": _old_versions,
    "versions between": _versions_between,
    "bare tokens": _bare,
    "bare tokens, wrong": _bare_wrong,
    "too large": _too_large,
    "anew as another": _another_principal,
    "anew by another mechanism": _another_mechanism_anew,
    "anew with a wrong password": _anew_wrong,
    "anew too often": _anew_too_often,
    "scram of nobody": _scram_of_nobody,
    "scram with a wrong proof": _scram_wrong_proof,
}


def test_sasl_request_by_request(guarded):
    got = {}
    for name, dialogue in DIALOGUES.items():
        with Client(guarded.settings.listener("SASL")) as client:
            got[name] = list(dialogue(client))
    _answers[guarded.kind] = got
    assert got["for oneself"][1]["error_code"] == "none"
    assert got["for oneself"][1]["session_lifetime"] == 3000
    assert got["a wrong password"][1]["error_code"] == "sasl_authentication_failed"
    if len(_answers) == 2:
        ours, theirs = _answers["kopfka"], _answers["apache-kafka"]
        differing = [f"{name}:\n{ours[name]}\n{theirs[name]}" for name in DIALOGUES if ours[name] != theirs[name]]
        assert not differing, "\n".join(differing)


def test_a_session_ends_unless_the_client_proves_itself_anew(guarded):
    with Client(guarded.settings.listener("SASL")) as client:
        assert client.log_in()["session_lifetime"] == 3000
        assert client.metadata() == 1
        eventually(lambda: client.metadata() == CLOSED, seconds=10, what="the session to end")


def served(address, authority):
    """Return the serial number of the certificate a new connection gets."""
    host, _, port = address.partition(":")
    context = ssl.create_default_context(cadata=authority.pair.pem)
    with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        return int(tls.getpeercert()["serialNumber"], 16)


def alter(guarded, **settings):
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.BROKER, "1", incremental_configs=entries)
    guarded.admin.incremental_alter_configs([resource])[resource].result(timeout=30)


def test_certificates_change_under_a_running_producer(guarded, tmp_path):
    """By IncrementalAlterConfigs with both; by the change of a file with ours."""
    settings, authority = guarded.settings, guarded.settings.authority
    address = settings.listener("TLS")
    pairs = [(b"k", b"%d" % number) for number in range(600)]
    client = settings.anonymous("TLS")
    client.pop("bootstrap.servers")
    options = [word for name, value in client.items() for word in ("--set", f"{name}={value}")]
    with JavaProgram(
        tmp_path / "out", PRODUCER, "--bootstrap", address, "--topic", "ann", "--rate", "150",
        "--file", str(write_pairs(tmp_path / "in", pairs)), *options,
    ) as producer:  # fmt: skip
        eventually(lambda: len(producer.lines()) > 10, what="records to be acknowledged")

        def store(name, pair):
            path = tmp_path / name
            pem_keystore(path, pair)
            return str(path)

        location = "listener.name.tls.ssl.keystore.location"
        second = authority.issue(subject(CN="localhost", O="Kopfka"))
        alter(guarded, **{location: store("second.pem", second)})
        eventually(lambda: served(address, authority) == second.certificate.serial_number, what="the second")
        (tmp_path / "rubbish.pem").write_text("rubbish")
        for bad in (
            str(tmp_path / "rubbish.pem"),
            str(tmp_path / "none.pem"),
            store("else.pem", authority.issue("else")),
        ):
            with pytest.raises(KafkaException) as refused:
                alter(guarded, **{location: bad})
            assert refused.value.args[0].name() == "INVALID_REQUEST"
        assert served(address, authority) == second.certificate.serial_number
        if guarded.kind == "kopfka":
            third = authority.issue(subject(CN="localhost", O="Kopfka"))
            (tmp_path / "second.pem").write_text("half a key")
            eventually(lambda: "the old one stays" in guarded.broker.log.read_text(), what="the broker to refuse it")
            assert served(address, authority) == second.certificate.serial_number
            store("second.pem", third)
            eventually(lambda: served(address, authority) == third.certificate.serial_number, what="the third")
        assert producer.wait(60)[-1] == f"done {len(pairs)}"


def admitted(settings, client):
    """Tell whether a client with this certificate is served by the listener that asks for one."""
    host, _, port = settings.listener("MTLS").partition(":")
    context = ssl.create_default_context(cadata=settings.authority.pair.pem)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(client.key_pem() + client.pem)
        file.flush()
        context.load_cert_chain(file.name)
    try:
        with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
            tls.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
            return bool(tls.recv(4))  # under TLS 1.3 a client is done with its part before it is refused
    except (ssl.SSLError, ConnectionError):
        return False


def test_authorities_of_clients_change(guarded, tmp_path):
    """By IncrementalAlterConfigs with both; by the change of a file with ours."""
    settings, newcomers = guarded.settings, Authority("Somebody new")
    known, new = (each.issue(subject(OU="people", CN="Dora")) for each in (settings.authority, newcomers))
    assert (admitted(settings, known), admitted(settings, new)) == (True, False)
    old, both = tmp_path / "old.pem", tmp_path / "both.pem"
    old.write_text(settings.authority.pair.pem)
    both.write_text(settings.authority.pair.pem + newcomers.pair.pem)
    location = "listener.name.mtls.ssl.truststore.location"
    alter(guarded, **{location: str(both)})
    eventually(lambda: admitted(settings, new), what="the new authority to be trusted")
    assert admitted(settings, known)
    if guarded.kind == "kopfka":
        both.write_text(old.read_text())
        eventually(lambda: not admitted(settings, new), what="the changed file to be read")
        assert admitted(settings, known)
    alter(guarded, **{location: str(old)})
    eventually(lambda: not admitted(settings, new), what="the new authority to be forgotten")
    assert admitted(settings, known)


_described: dict[str, object] = {}


def test_settings_of_one_listener_are_shown(guarded):
    resource = ConfigResource(ResourceType.BROKER, "1")
    found = guarded.admin.describe_configs([resource])[resource].result(timeout=30)
    _described[guarded.kind] = {
        name: (each.is_read_only, each.is_sensitive, each.source, each.value is None)
        for name, each in found.items()
        if name.startswith("listener.name.sasl") or name.startswith("listener.name.mtls")
    }
    assert _described[guarded.kind]
    if len(_described) == 2:
        assert _described["kopfka"] == _described["apache-kafka"]


@pytest.mark.client("Java", "re-authentication")
def test_a_java_producer_proves_itself_anew_and_goes_on(guarded, tools, tmp_path):
    """Its session is over after three seconds, and a connection that says nothing then is closed: see above."""
    client = guarded.settings.password("SASLTLS", "PLAIN", "ann", "ann-secret")
    config = tmp_path / "client.properties"
    config.write_text(format_properties(client))
    done = tools.run(
        PRODUCER_SPEED, "--bootstrap-server", client["bootstrap.servers"], "--topic", "ann", "--num-records", "700",
        "--record-size", "10", "--throughput", "100", "--print-metrics", "--command-config", str(config),
    )  # fmt: skip
    assert "700 records sent" in done.out
    assert tool_metric(done, "successful-reauthentication-total") >= 1
    assert tool_metric(done, "failed-reauthentication-total") == 0
    assert tool_metric(done, "failed-authentication-total") == 0

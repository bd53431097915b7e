"""TLS of the listeners: stores of every type, who is asked for a certificate, and certificates that change."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import urllib.error
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from registry.security.secured import Client, Files, SecuredRegistry, basic
from registry.service.schemas import ONE
from support.certificates import Authority, pem_keystore, subject
from support.prerequisites import need_java
from support.processes import killed_at_the_end, running
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = (urllib.error.URLError, ssl.SSLError, ConnectionError)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "files")


@contextlib.contextmanager
def serving(broker, folder, settings, **options) -> Iterator[SecuredRegistry]:
    registry = SecuredRegistry(folder / "registry", broker.bootstrap, settings, **options)
    with running(registry, SecuredRegistry.stop) as one:
        yield one


def test_https_beside_http(broker, files, tmp_path):
    with serving(broker, tmp_path, files.server(), both=True) as registry:
        client = Client(registry.url, tls=files.context())
        answer = client("POST", "/subjects/tls/versions", {"schema": ONE})
        assert answer.status == 200
        assert Client(registry.plain_url)("GET", "/subjects/tls/versions").body == [1]
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            Client(registry.url, tls=ssl.create_default_context())("GET", "/")
        real = SchemaRegistryClient({"url": registry.url, "ssl.ca.location": str(files.trust)})
        assert real.register_schema("tls", Schema(ONE, "AVRO")) == answer.body["id"]
        # large answers and bodies come whole
        names = [f"https-{number}" + "x" * 200 for number in range(400)]
        for name in names:
            client("POST", f"/subjects/{name}/versions", {"schema": ONE})
        assert set(names) <= set(client("GET", "/subjects").body)
        large = '{"type":"record","name":"L","doc":"' + "d" * 500_000 + '","fields":[]}'
        assert client("POST", "/subjects/large/versions", {"schema": large}).status == 200
        assert len(client("GET", "/subjects/large/versions/1").body["schema"]) > 500_000
        curl = subprocess.run(
            ["curl", "-sS", "--cacert", str(files.trust), f"{registry.url}/subjects/tls/versions"],
            capture_output=True, check=True, timeout=30,
        )  # fmt: skip
        assert curl.stdout == b"[1]"
        # plain HTTP on a TLS port, and the other way round, harm nobody
        request, hello = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" * 9
        for port, words in ((registry.port, request), (registry.plain_port, hello)):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
                plain.sendall(words)
                while plain.recv(4096):
                    pass
        assert client("GET", "/").status == 200


@pytest.mark.parametrize("kind", ["PKCS12", "JKS"])
def test_stores_of_java(broker, files, tmp_path, kind):
    pair = files.authority.issue("registry")
    keystore, truststore = tmp_path / "store", tmp_path / "trust"
    content = pkcs12.serialize_key_and_certificates(
        b"registry", pair.key, pair.certificate, None, BestAvailableEncryption(b"changeit")
    )
    keystore.write_bytes(content)
    if kind == "JKS":
        need_java()
        (tmp_path / "p12").write_bytes(content)
        keystore.unlink()
        _keytool("-importkeystore", "-srckeystore", tmp_path / "p12", "-srcstoretype", "PKCS12", "-srcstorepass",
                 "changeit", "-destkeystore", keystore, "-deststoretype", "JKS", "-deststorepass", "changeit",
        )  # fmt: skip
        _keytool("-importcert", "-noprompt", "-alias", "ca", "-file", files.trust, "-keystore", truststore,
                 "-storetype", "JKS", "-storepass", "changeit")  # fmt: skip
    else:
        truststore.write_bytes(
            pkcs12.serialize_key_and_certificates(
                None, None, None, [files.authority.pair.certificate], BestAvailableEncryption(b"changeit")
            )
        )
    settings = {
        "ssl.keystore.type": kind,
        "ssl.keystore.location": str(keystore),
        "ssl.keystore.password": "changeit",
        "ssl.key.password": "changeit",
        "ssl.truststore.type": kind,
        "ssl.truststore.location": str(truststore),
        "ssl.truststore.password": "changeit",
        "ssl.client.authentication": "REQUIRED",
        "ssl.enabled.protocols": "TLSv1.2",
        "ssl.cipher.suites": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    }
    with serving(broker, tmp_path, settings) as registry:
        context = files.context(files.client("ann"))
        assert Client(registry.url, tls=context)("GET", "/").status == 200
        plain = socket.create_connection(("127.0.0.1", registry.port))
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            assert (tls.version(), tls.cipher()[0]) == ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises(REFUSED):
            Client(registry.url, tls=context)("GET", "/")


def _keytool(*arguments):
    subprocess.run(["keytool", *map(str, arguments)], check=True, capture_output=True, timeout=60)


ROLES = {
    "kopfka.role.team.write": "team-*",
    "kopfka.role.team.principals": "ann;machine",
    "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+),OU=people$/$1/L,RULE:^CN=([^,]+),OU=machines$/machine/",
}


def test_certificates_name_their_owners(broker, files, tmp_path):
    people = subject(OU="people", CN="Ann")
    with serving(broker, tmp_path, files.server(ssl_client_authentication="REQUIRED") | ROLES) as registry:
        ann = Client(registry.url, tls=files.context(files.client(people)))
        assert ann("POST", "/subjects/team-a/versions", {"schema": ONE}).status == 200
        refused = ann("POST", "/subjects/other/versions", {"schema": ONE})
        assert refused.error == (403, 40301)
        assert "User:ann" in refused.body["message"]
        # a header of basic authentication means nothing here
        assert ann("GET", "/subjects/team-a/versions", authorization=basic("root")).body == [1]
        machine = Client(registry.url, tls=files.context(files.client(subject(OU="machines", CN="m-7"))))
        assert machine("GET", "/subjects/team-a/versions").body == [1]
        bob = Client(registry.url, tls=files.context(files.client(subject(OU="people", CN="Bob"))))
        assert bob("GET", "/subjects/team-a/versions").error == (403, 40301)
        unmapped = Client(registry.url, tls=files.context(files.client("Ann")))
        assert unmapped("GET", "/subjects/team-a/versions").error == (401, 401)
        # whom TLS itself refuses
        for client in (
            None,
            files.client(people, Authority()),
            files.client(people, Authority("Test authority")),
            files.client(people, days=-0.5),
        ):
            with pytest.raises(REFUSED):
                Client(registry.url, tls=files.context(client))("GET", "/")
        real = _confluent(registry, files, people)
        assert real.get_versions("team-a") == [1]
        assert ann("GET", "/").status == 200
        assert "TLS failed" in registry.log.read_text()


def _confluent(registry, files, name):
    pair = files.authority.issue(name)
    certificate, key = files.folder / "c.pem", files.folder / "k.pem"
    certificate.write_text(pair.pem)
    key.write_text(pair.key_pem())
    return SchemaRegistryClient(
        {
            "url": registry.url,
            "ssl.ca.location": str(files.trust),
            "ssl.certificate.location": str(certificate),
            "ssl.key.location": str(key),
        }
    )


def test_a_certificate_may_be_asked_for_and_a_password_do(broker, files, tmp_path):
    (tmp_path / "users").write_text("carl: carl,team\n")
    settings = files.server(ssl_client_authentication="REQUESTED") | ROLES | {
        "authentication.method": "BASIC,MTLS",
        "kopfka.authentication.users.file": str(tmp_path / "users"),
    }  # fmt: skip
    with serving(broker, tmp_path, settings, both=True) as registry:
        certified = files.context(files.client(subject(OU="people", CN="Ann")))
        assert Client(registry.url, tls=certified)("GET", "/subjects").status == 200
        assert Client(registry.url, basic("carl"), files.context())("GET", "/subjects").status == 200
        assert Client(registry.url, tls=files.context())("GET", "/subjects").error == (401, 401)
        # with both, the password says who it is
        both = Client(registry.url, basic("carl", "wrong"), certified)
        assert both("GET", "/subjects").error == (401, 401)
        # on the listener without TLS there are no certificates
        assert Client(registry.plain_url)("GET", "/subjects").error == (401, 401)
        assert Client(registry.plain_url, basic("carl"))("GET", "/subjects").status == 200
        with pytest.raises(REFUSED):
            Client(registry.url, basic("carl"), files.context(files.client("x", Authority())))("GET", "/")


def test_a_certificate_that_is_required_beside_a_password_is_no_login(broker, files, tmp_path):
    (tmp_path / "users").write_text("carl: carl\n")
    settings = files.server(ssl_client_authentication="REQUIRED") | {
        "authentication.method": "BASIC",
        "kopfka.authentication.users.file": str(tmp_path / "users"),
    }
    with serving(broker, tmp_path, settings) as registry:
        certified = files.context(files.client("ann"))
        assert Client(registry.url, tls=certified)("GET", "/subjects").error == (401, 401)
        assert Client(registry.url, basic("carl"), certified)("GET", "/subjects").status == 200
        with pytest.raises(REFUSED):
            Client(registry.url, basic("carl"), files.context())("GET", "/subjects")


def _serial(registry) -> int:
    with socket.create_connection(("127.0.0.1", registry.port), timeout=10) as plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as tls:
            from cryptography.x509 import load_der_x509_certificate

            return load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number


def test_certificates_change_without_a_restart(broker, files, tmp_path):
    settings = files.server(ssl_client_authentication="REQUESTED")
    with serving(broker, tmp_path, settings) as registry:
        old = files.client("ann")
        before = _serial(registry)
        assert Client(registry.url, tls=files.context(old))("GET", "/").status == 200
        # a key store in ruins changes nothing
        (files.folder / "server.pem").write_text("-----BEGIN RUBBISH-----")
        eventually(lambda: "the new certificate is not taken" in registry.log.read_text())
        assert _serial(registry) == before
        renewed = files.authority.issue("registry")
        pem_keystore(files.folder / "server.pem", renewed)
        eventually(lambda: _serial(registry) == renewed.certificate.serial_number)
        # another authority of clients: those of the old one are no longer let in
        others = Authority("The next one")
        (files.folder / "trust.pem").write_text(others.pair.pem)
        context = ssl.create_default_context(cadata=files.authority.pair.pem)
        context.load_cert_chain(files.client("ann", others))
        eventually(lambda: _works(registry, context))
        context = ssl.create_default_context(cadata=files.authority.pair.pem)
        context.load_cert_chain(old)
        assert not _works(registry, context)


def _works(registry, context) -> bool:
    with contextlib.suppress(*REFUSED):
        return Client(registry.url, tls=context)("GET", "/").status == 200
    return False


def test_a_key_from_the_environment(broker, files, tmp_path, monkeypatch):
    """As the operator renders it: PEM in variables, and nothing but types in the file."""
    pair = files.authority.issue("registry")
    monkeypatch.setenv("SCHEMA_REGISTRY_SSL_KEYSTORE_CERTIFICATE_CHAIN", pair.pem)
    monkeypatch.setenv("SCHEMA_REGISTRY_SSL_KEYSTORE_KEY", pair.key_pem())
    monkeypatch.setenv("SCHEMA_REGISTRY_SSL_TRUSTSTORE_CERTIFICATES", files.authority.pair.pem)
    monkeypatch.setenv("SCHEMA_REGISTRY_SERVICE_HOST", "10.0.0.1")
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.truststore.type": "PEM",
        "ssl.client.authentication": "REQUIRED",
        "inter.instance.protocol": "https",
    }
    with serving(broker, tmp_path, settings) as registry:
        assert _works(registry, files.context(files.client("ann")))
        assert not _works(registry, files.context())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ssl.keystore.location": "/nowhere.pem"}, "cannot read /nowhere.pem: No such file or directory"),
        ({"ssl.keystore.type": "PKCS12", "ssl.keystore.password": "x"}, "as PKCS12"),
        ({"authentication.method": "BASIC", "kopfka.authentication.users.file": "/nowhere"}, "cannot read /nowhere"),
        ({"authentication.method": "BASIC"}, "kopfka.authentication.users.file is missing"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(broker, files, tmp_path, settings, said):
    registry = SecuredRegistry(tmp_path / "registry", broker.bootstrap, files.server() | settings)
    with killed_at_the_end(registry):
        registry.start(wait=False)
        assert registry.process.wait(timeout=30) == 1
    lines = registry.log.read_text().splitlines()
    assert [line for line in lines if line.startswith("kopfka: ")][-1:] == lines[-1:]
    assert said in lines[-1]
    assert "Traceback" not in registry.log.read_text()

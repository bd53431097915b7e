"""Certificates of a test's own authority, as files and as Kafka's settings; made anew in each run, for loopback."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSWORD = "changeit"
_PARTS = {
    "CN": NameOID.COMMON_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "L": NameOID.LOCALITY_NAME,
    "C": NameOID.COUNTRY_NAME,
    "EMAIL": NameOID.EMAIL_ADDRESS,
}


def subject(**parts: str) -> x509.Name:
    """Return a name of these parts, the first one first."""
    return x509.Name([x509.NameAttribute(_PARTS[key], value) for key, value in parts.items()])


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def key_pem(self, password: str | None = None) -> str:
        """Return the key, as PKCS #8."""
        protection = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


class Authority:
    """One that signs certificates."""

    def __init__(self, name: str = "Test authority") -> None:
        self.pair = self._make(subject(CN=name), None, 30, {"authority": True})

    def issue(self, name: x509.Name | str, days: float = 2) -> Pair:
        """Return a new certificate for loopback; negative days: it has expired."""
        return self._make(subject(CN=name) if isinstance(name, str) else name, self.pair, days, {})

    def _make(self, name: x509.Name, issuer: Pair | None, days: float, kind: Mapping[str, bool]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        end = now + datetime.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.certificate.subject if issuer else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - datetime.timedelta(days=1))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=bool(kind), path_length=None), critical=True)
        )
        if not kind:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signer = issuer.key if issuer else key
        return Pair(builder.sign(signer, hashes.SHA256()), key)


def pem_keystore(path: Path, pair: Pair, password: str | None = None) -> None:
    """Write a key store of type PEM; Kafka on Java 17 reads no encryption of keys that OpenSSL writes today."""
    path.write_text(pair.key_pem(password) + pair.pem)


def server_settings(folder: Path, pair: Pair, authority: Authority) -> dict[str, str]:
    """Write the stores of a server, and return the settings that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    pem_keystore(folder / "server.pem", pair)
    (folder / "trust.pem").write_text(authority.pair.pem)
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "trust.pem"),
    }

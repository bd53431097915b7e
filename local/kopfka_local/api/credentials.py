"""The API server's certificate, the token of its one user, and the kubeconfig that holds both for clients.

Everything is a file of mode 0600 in the state folder, made once and used again at every start.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_YEARS = 10


@dataclass(frozen=True, slots=True)
class Credentials:
    """Paths of certificate and key in PEM, and the bearer token."""

    certificate: Path
    key: Path
    token: str


def ensure_credentials(folder: Path, hosts: tuple[str, ...] = ("localhost", "kubernetes.default.svc")) -> Credentials:
    """Return the credentials in `folder`, making those that are not there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate, key, token = folder / "api.crt", folder / "api.key", folder / "token"
    if not (certificate.exists() and key.exists()):
        _make_certificate(certificate, key, hosts)
    if not token.exists():
        write_private(token, secrets.token_urlsafe(32))
    return Credentials(certificate, key, token.read_text("ascii").strip())


def _make_certificate(certificate: Path, key: Path, hosts: tuple[str, ...]) -> None:
    # only the first start pays for this import
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415
    from ipaddress import ip_address  # noqa: PLC0415

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kopfka local API server")])
    now = datetime.now(UTC)
    names = [x509.DNSName(host) for host in hosts]
    addresses = [x509.IPAddress(ip_address(address)) for address in ("127.0.0.1", "::1")]
    public = private.public_key()
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, True, False, False, False),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    write_private(key, private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode())
    write_private(certificate, signed.public_bytes(pem).decode())


def write_kubeconfig(path: Path, *, server: str, credentials: Credentials, namespace: str = "default") -> None:
    """Write a kubeconfig with one context, `kopfka`; it needs no other file."""
    import base64  # noqa: PLC0415

    authority = base64.b64encode(credentials.certificate.read_bytes()).decode()
    write_private(
        path,
        f"""apiVersion: v1
kind: Config
clusters:
- name: kopfka
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: kopfka
  user:
    token: {credentials.token}
contexts:
- name: kopfka
  context:
    cluster: kopfka
    user: kopfka
    namespace: {namespace}
current-context: kopfka
""",
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

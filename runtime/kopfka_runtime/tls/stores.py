"""Key stores and trust stores as Kafka's `ssl.keystore.*` and `ssl.truststore.*` name them: PEM, PKCS12 and JKS.

Gives PEM, which is what OpenSSL takes. `cryptography` is imported when a store is read, and only then.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kopfka_runtime.errors import KopfkaError, SettingsError
from kopfka_runtime.tls.jks import MAGIC as JKS_MAGIC
from kopfka_runtime.tls.jks import read_jks

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import Certificate

# in a .properties file, PEM may stand on one line with blanks for line ends
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_TYPES = ("JKS", "PKCS12", "PEM")


class StoreError(KopfkaError):
    """A key store or trust store cannot be read or used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What the settings of one store say."""

    kind: str
    """JKS, PKCS12 or PEM."""
    location: Path | None
    password: str | None
    key_password: str | None = None
    key: str | None = None
    """A private key in PEM, instead of a location."""
    certificates: str | None = None
    """Certificates in PEM: the key's chain, or those to trust."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and the certificates that vouch for it, its own first."""

    chain: tuple[Certificate, ...]
    pem: bytes
    """Both in PEM, the key encrypted."""
    password: str
    """What it is encrypted with: made up for this process, so that no file ever holds the key in clear."""


def keystore_settings(get: Callable[[str], Any], called: Callable[[str], str]) -> StoreSettings | None:
    """Return what `ssl.keystore.*` and `ssl.key.password` say, None where there is no key store.

    Raises:
        SettingsError: they contradict each other, as Kafka sees it.
    """
    kind, location = _kind(get, called, "ssl.keystore.type"), get("ssl.keystore.location")
    password, key_password = get("ssl.keystore.password"), get("ssl.key.password")
    key, chain = get("ssl.keystore.key"), get("ssl.keystore.certificate.chain")
    if key is not None or chain is not None:
        _check_inline(kind, location, called("ssl.keystore.key"))
        if key is None or chain is None:
            missing = "ssl.keystore.certificate.chain" if chain is None else "ssl.keystore.key"
            raise SettingsError(f"{called(missing)} is missing: the key and its certificate chain go together")
    elif location is None:
        return None
    elif kind != "PEM" and password is None:
        raise SettingsError(f"{called('ssl.keystore.password')} is missing: {kind} stores have one")
    if kind == "PEM" and password is not None:
        raise SettingsError(f"{called('ssl.keystore.password')} is not for PEM: set ssl.key.password only")
    return StoreSettings(kind, Path(location) if location else None, password, key_password, key, chain)


def truststore_settings(get: Callable[[str], Any], called: Callable[[str], str]) -> StoreSettings | None:
    """Return what `ssl.truststore.*` says, None where there is no trust store.

    Raises:
        SettingsError: they contradict each other, as Kafka sees it.
    """
    kind, location = _kind(get, called, "ssl.truststore.type"), get("ssl.truststore.location")
    password, certificates = get("ssl.truststore.password"), get("ssl.truststore.certificates")
    if certificates is not None:
        _check_inline(kind, location, called("ssl.truststore.certificates"))
    elif location is None:
        return None
    if kind == "PEM" and password is not None:
        raise SettingsError(f"{called('ssl.truststore.password')} is not for PEM: leave it out")
    return StoreSettings(kind, Path(location) if location else None, password, certificates=certificates)


def _kind(get: Callable[[str], Any], called: Callable[[str], str], name: str) -> str:
    kind = str(get(name)).upper()
    if kind not in _TYPES:
        raise SettingsError(f"{called(name)}={kind}: Kopfka reads {', '.join(_TYPES)}")
    return kind


def _check_inline(kind: str, location: object, name: str) -> None:
    if kind != "PEM":
        raise SettingsError(f"{name} is for stores of type PEM, and this one is said to be {kind}")
    if location is not None:
        raise SettingsError(f"{name} and a location are both set: leave one of them out")


def load_identity(settings: StoreSettings) -> Identity:
    """Read a key store.

    Raises:
        StoreError: it cannot be read, holds no key, or its certificate is of another key.
    """
    key, chain = _guarded(settings, _read_identity)
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat  # noqa: PLC0415

    if not chain:
        raise StoreError(f"{_where(settings)} holds a private key and no certificate for it")
    if key.public_key() != chain[0].public_key():
        raise StoreError(f"{_where(settings)}: the first certificate is not of the private key")
    password = secrets.token_hex(16)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    return Identity(tuple(chain), secret + b"".join(each.public_bytes(Encoding.PEM) for each in chain), password)


def load_trusted(settings: StoreSettings) -> tuple[Certificate, ...]:
    """Read the certificates of a trust store.

    Raises:
        StoreError: it cannot be read, or holds none.
    """
    certificates = _guarded(settings, _read_trusted)
    if not certificates:
        raise StoreError(f"{_where(settings)} holds no certificate to trust")
    return tuple(certificates)


def _where(settings: StoreSettings) -> str:
    return str(settings.location or "the PEM in the settings")


def _guarded(settings: StoreSettings, read: Callable[[StoreSettings, bytes], Any]) -> Any:
    try:
        inline = f"{settings.key or ''}\n{settings.certificates or ''}"
        return read(settings, settings.location.read_bytes() if settings.location else inline.encode())
    except OSError as error:
        raise StoreError(f"cannot read {_where(settings)}: {error.strerror or error}") from None
    except (ValueError, TypeError) as error:
        raise StoreError(f"cannot read {_where(settings)} as {settings.kind}: {error}") from None


def _read_identity(settings: StoreSettings, data: bytes) -> tuple[Any, list[Certificate]]:
    from cryptography.hazmat.primitives.serialization import load_der_private_key, pkcs12  # noqa: PLC0415
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    if settings.kind == "PEM":
        return _pem_key(data, settings.key_password), _pem_certificates(data)
    if data.startswith(JKS_MAGIC):
        keys = read_jks(data, settings.password, settings.key_password).keys
        if not keys:
            raise ValueError("it holds no private key")
        key, chain = keys[0]
        return load_der_private_key(key, None), [load_der_x509_certificate(each) for each in chain]
    store = pkcs12.load_pkcs12(data, (settings.password or "").encode())
    if store.key is None or store.cert is None:
        raise ValueError("it holds no private key with a certificate")
    return store.key, _ordered(store.cert.certificate, [each.certificate for each in store.additional_certs])


def _read_trusted(settings: StoreSettings, data: bytes) -> list[Certificate]:
    from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: PLC0415
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    if settings.kind == "PEM":
        return _pem_certificates(data)
    if data.startswith(JKS_MAGIC):
        return [
            load_der_x509_certificate(each)
            for each in read_jks(data, settings.password, settings.password).certificates
        ]
    password = None if settings.password is None else settings.password.encode()
    store = pkcs12.load_pkcs12(data, password)
    own = [] if store.cert is None else [store.cert.certificate]
    return own + [each.certificate for each in store.additional_certs]


def _ordered(own: Certificate, others: list[Certificate]) -> list[Certificate]:
    """Return the chain from `own` up, each one issued by the next; PKCS12 keeps no order."""
    chain = [own]
    by_subject = {each.subject: each for each in others}
    while len(chain) <= len(others) and chain[-1].issuer != chain[-1].subject and chain[-1].issuer in by_subject:
        chain.append(by_subject[chain[-1].issuer])
    return chain


def _pem_blocks(data: bytes) -> list[tuple[str, bytes]]:
    found = []
    for block in _BLOCK.finditer(data.decode("latin-1")):
        body = "".join(block[2].split())
        try:
            found.append((block[1], base64.b64decode(body, validate=True)))
        except binascii.Error:
            # headers inside the block: keys in OpenSSL's own encryption
            raise ValueError(f"the {block[1]} is no base64: write private keys in PKCS #8") from None
    return found


def _pem_key(data: bytes, password: str | None) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

    keys = [(label, content) for label, content in _pem_blocks(data) if label.endswith("PRIVATE KEY")]
    if not keys:
        raise ValueError("it holds no private key")
    label, content = keys[0]
    encrypted = label.startswith("ENCRYPTED")
    if encrypted and password is None:
        raise ValueError("the private key is encrypted, and ssl.key.password is not set")
    return load_der_private_key(content, password.encode() if encrypted and password is not None else None)


def _pem_certificates(data: bytes) -> list[Certificate]:
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    return [load_der_x509_certificate(content) for label, content in _pem_blocks(data) if label == "CERTIFICATE"]

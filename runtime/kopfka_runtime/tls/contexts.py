"""What the TLS contexts of both sides have in common: versions and suites, an own certificate, whom to trust."""

from __future__ import annotations

import ssl
import tempfile
from typing import TYPE_CHECKING, Final

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.tls.stores import StoreError, load_trusted
from kopfka_runtime.tls.suites import openssl_ciphers, tls13_suites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from kopfka_runtime.tls.stores import Identity, StoreSettings

VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
"""By the names of `ssl.enabled.protocols`."""


def tls_versions(names: Sequence[str] | None, setting: str) -> tuple[ssl.TLSVersion, ...]:
    """Return the versions of these names, the oldest first; Kafka's default where there are none.

    Raises:
        SettingsError: one is no version; it names `setting`.
    """
    names = names or ["TLSv1.2", "TLSv1.3"]
    unknown = [name for name in names if name not in VERSIONS]
    if unknown:
        raise SettingsError(f"{setting}: {unknown[0]} is none of {', '.join(VERSIONS)}")
    return tuple(sorted(VERSIONS[name] for name in names))


def limit(context: ssl.SSLContext, versions: Sequence[ssl.TLSVersion], suites: Sequence[str]) -> None:
    """Let a context take these versions and cipher suites (Java's names; empty: OpenSSL's choice), and no others."""
    if suites:
        wanted_13, older = tls13_suites(suites), openssl_ciphers(suites, "ssl.cipher.suites")
        versions = (
            tuple(each for each in versions if (wanted_13 if each >= ssl.TLSVersion.TLSv1_3 else older)) or versions
        )
        if older:
            context.set_ciphers(older)
    context.minimum_version, context.maximum_version = versions[0], versions[-1]


def take_identity(context: ssl.SSLContext, identity: Identity, store: StoreSettings) -> None:
    """Let a context prove itself by a key and its certificates, which come from `store`.

    Raises:
        StoreError: OpenSSL does not take the key.
    """
    # OpenSSL, as Python has it, takes a key from a file only; what is written there is encrypted
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(identity.pem)
        file.flush()
        try:
            context.load_cert_chain(file.name, password=identity.password)
        except ssl.SSLError as error:
            raise StoreError(f"{store.location or 'the key store'} cannot be used: {error}") from None


def trust(context: ssl.SSLContext, store: StoreSettings | None, purpose: ssl.Purpose) -> None:
    """Let a context trust the certificates of a store, or those of the system where there is none.

    Raises:
        StoreError: the trust store cannot be read.
    """
    # as in Java, whatever is in a trust store is trusted, not only what signed itself
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if store is None:
        context.load_default_certs(purpose)
    else:
        context.load_verify_locations(cadata=b"".join(map(_der, load_trusted(store))))


def _der(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return certificate.public_bytes(Encoding.DER)

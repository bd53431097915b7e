"""TLS of this instance: of its https listeners, and towards other replicas; and which certificates are replicas'.

Certificates are taken anew when their files change: new connections get the new ones. What cannot be read changes
nothing, and the log says so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.tls.server import TlsSettings, build_context
from kopfka_runtime.tls.stores import StoreError, load_identity
from kopfka_wire.client.settings import TlsOptions
from kopfka_wire.client.tls import build_context as build_client_context

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from kopfka_registry.security.settings import SecuritySettings

log = logging.getLogger(__name__)


class Tls:
    """What the `ssl.` settings say, as contexts."""

    def __init__(self, settings: TlsSettings, *, check_hostname: bool = True) -> None:
        """Load the stores.

        Raises:
            SettingsError: they cannot be used.
        """
        self._settings = settings
        self._check_hostname = check_hostname
        self._files = settings.files()
        try:
            self._load()
        except StoreError as error:
            raise SettingsError(f"ssl.*: {error}") from None

    def _load(self) -> None:
        identity = load_identity(self._settings.keystore)
        server = build_context(self._settings, identity)
        client = build_client_context(
            TlsOptions(
                self._settings.keystore, self._settings.truststore, self._check_hostname, self._settings.versions,
                self._settings.suites,
            )
        )  # fmt: skip
        self.own = identity.chain[0]
        """The certificate of this instance."""
        self.server, self.client = server, client
        """The contexts of new connections: of clients that come, and to other replicas."""

    def refresh(self) -> None:
        """Take what has changed since the last time."""
        files = self._settings.files()
        if files == self._files:
            return
        # said once: the same files are not tried again before they change
        self._files = files
        try:
            self._load()
        except StoreError as error:
            log.error("ssl.*: the new certificate is not taken, the old one stays: %s", error)
            return
        log.info(
            "ssl.*: new connections get the certificate of %s, valid until %s",
            self.own.subject.rfc4514_string(), self.own.not_valid_after_utc.date(),
        )  # fmt: skip

    def is_replica(self, certificate: bytes, name: str | None) -> bool:
        """Tell whether a client's certificate, in DER, is a replica's.

        It is one that is valid for the name all replicas have. Without such a name it is one for the same subject and
        hosts as one's own: whoever has that could stand for this registry before any client.
        """
        from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

        theirs = load_der_x509_certificate(certificate)
        if name is not None:
            return any(_matches(each, name) for each in _hosts(theirs))
        hosts = _hosts(self.own)
        # certificates of clients may have the same subject where it is empty, or says no more than whose they are
        return bool(hosts) and hosts == _hosts(theirs) and theirs.subject == self.own.subject


def expiry(certificate: bytes) -> float:
    """Return when a certificate, in DER, ends: seconds since 1970.

    Raises:
        ValueError: these bytes are no certificate.
    """
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    return load_der_x509_certificate(certificate).not_valid_after_utc.timestamp()


def _hosts(certificate: Certificate) -> frozenset[str]:
    """Return the host names and addresses a certificate is for."""
    from cryptography import x509  # noqa: PLC0415

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    names = found.get_values_for_type(x509.DNSName)
    return frozenset([*names, *map(str, found.get_values_for_type(x509.IPAddress))])


def _matches(pattern: str, name: str) -> bool:
    pattern, name = pattern.lower(), name.lower()
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:] and "." in name
    return pattern == name


def make_tls(settings: SecuritySettings) -> Tls | None:
    """Return the TLS of an instance, None where it has no https listener.

    Raises:
        SettingsError: the stores cannot be used.
    """
    return None if settings.tls is None else Tls(settings.tls, check_hostname=settings.check_hostname)

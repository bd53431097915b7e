"""TLS of whoever listens: Kafka's `ssl.*` settings as an `ssl.SSLContext`.

When settings or files are looked at again, and what happens to connections then, is decided elsewhere.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.tls.contexts import limit, take_identity, tls_versions, trust
from kopfka_runtime.tls.stores import Identity, StoreSettings, keystore_settings, truststore_settings
from kopfka_runtime.tls.suites import openssl_ciphers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The settings of one listener."""

    keystore: StoreSettings
    truststore: StoreSettings | None
    client_auth: ssl.VerifyMode
    versions: tuple[ssl.TLSVersion, ...]
    suites: tuple[str, ...]

    def files(self) -> tuple[tuple[str, Any], ...]:
        """Return the state of the files these settings name: another state means another content."""
        stores = (self.keystore, self.truststore)
        return tuple(file_state(each.location) for each in stores if each is not None and each.location is not None)


def file_state(path: Path) -> tuple[str, Any]:
    """Return what is another when a file has another content."""
    try:
        found = path.stat()
    except OSError as error:
        return str(path), error.errno
    return str(path), (found.st_mtime_ns, found.st_size, found.st_ino)


def server_settings(
    get: Callable[[str], Any], called: Callable[[str], str], client_auth: ssl.VerifyMode
) -> TlsSettings:
    """Read the settings of one listener; `get` gives lists as sequences, `called` the full name of a setting.

    Raises:
        SettingsError: one is missing, malformed, or not for this process; it names the setting.
    """
    for refused, instead in (("ssl.engine.factory.class", "the ssl.* settings"),):
        if get(refused):
            raise SettingsError(f"{called(refused)}: Java classes cannot be loaded here; use {instead}")
    keystore = keystore_settings(get, called)
    if keystore is None:
        raise SettingsError(
            f"{called('ssl.keystore.location')} is missing: a TLS listener needs a key and a certificate"
        )
    versions = tls_versions(get("ssl.enabled.protocols"), called("ssl.enabled.protocols"))
    suites = tuple(get("ssl.cipher.suites"))
    if suites:
        openssl_ciphers(suites, called("ssl.cipher.suites"))
    return TlsSettings(keystore, truststore_settings(get, called), client_auth, versions, suites)


def build_context(settings: TlsSettings, identity: Identity) -> ssl.SSLContext:
    """Return the context for new connections.

    Raises:
        StoreError: the trust store cannot be read, or OpenSSL does not take the key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    limit(context, settings.versions, settings.suites)
    take_identity(context, identity, settings.keystore)
    context.verify_mode = settings.client_auth
    if settings.client_auth != ssl.CERT_NONE:
        trust(context, settings.truststore, ssl.Purpose.CLIENT_AUTH)
    return context

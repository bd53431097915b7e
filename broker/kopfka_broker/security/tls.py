"""TLS of one listener: Kafka's `ssl.*` settings as an `ssl.SSLContext`, and a new one when they or their files change.

New connections take the newest context, those that exist keep theirs. What cannot be loaded changes nothing.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Final

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.tls.server import TlsSettings, build_context, server_settings
from kopfka_runtime.tls.stores import StoreError, load_identity

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from kopfka_broker.config.listener import ListenerConfig

_CLIENT_AUTH: Final = {
    "none": ssl.CERT_NONE,
    "requested": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

log = logging.getLogger(__name__)


def tls_settings(config: ListenerConfig, *, client_auth: bool = True) -> TlsSettings:
    """Read the settings of one listener; without `client_auth` nobody is asked for a certificate.

    Raises:
        SettingsError: one is missing, malformed, or not for this broker; it names the setting.
    """
    mode = _CLIENT_AUTH[config.get("ssl.client.auth")] if client_auth else ssl.CERT_NONE
    return server_settings(config.get, config.called, mode)


class TlsContexts:
    """The context of one listener, made anew when its settings or its files change."""

    def __init__(self, config: ListenerConfig, *, client_auth: bool) -> None:
        """Load it.

        Raises:
            SettingsError: the settings or the stores cannot be used, and why.
        """
        self._config = config
        self._client_auth = client_auth
        self._settings = tls_settings(config, client_auth=client_auth)
        self._files = self._settings.files()
        try:
            self._identity = load_identity(self._settings.keystore)
            self.context = build_context(self._settings, self._identity)
        except StoreError as error:
            raise SettingsError(f"{config.prefix}ssl.*: {error}") from None

    def check(self, config: ListenerConfig) -> None:
        """Check settings before they are in force, as Kafka does when they are altered.

        Raises:
            SettingsError: they cannot be used, or the new certificate is for someone else.
        """
        settings = tls_settings(config, client_auth=self._client_auth)
        if settings == self._settings and settings.files() == self._files:
            return
        try:
            identity = load_identity(settings.keystore)
            build_context(settings, identity)
        except StoreError as error:
            raise SettingsError(str(error)) from None
        _check_same_owner(self._identity.chain[0], identity.chain[0], config)

    def refresh(self) -> None:
        """Take what has changed since the last time; what cannot be used is told in the log, and nothing changes."""
        try:
            settings = tls_settings(self._config, client_auth=self._client_auth)
        except SettingsError:
            log.exception("%s*: the TLS settings cannot be used; the old ones stay", self._config.prefix)
            return
        files = settings.files()
        if (settings, files) == (self._settings, self._files):
            return
        # said once: the same files are not tried again before they change
        self._settings, self._files = settings, files
        try:
            identity = load_identity(settings.keystore)
            self.context = build_context(settings, identity)
        except StoreError as error:
            log.error("%s*: the new certificate is not taken, the old one stays: %s", self._config.prefix, error)
            return
        self._identity = identity
        own = identity.chain[0]
        log.info(
            "%s*: new connections get the certificate of %s, valid until %s",
            self._config.prefix, own.subject.rfc4514_string(), own.not_valid_after_utc.date(),
        )  # fmt: skip


def _check_same_owner(old: Certificate, new: Certificate, config: ListenerConfig) -> None:
    from cryptography import x509  # noqa: PLC0415

    def names(certificate: Certificate) -> set[str]:
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return set()
        return {repr(each) for each in found.value}

    if old.subject != new.subject and not config.get("ssl.allow.dn.changes"):
        raise SettingsError(
            f"Keystore DistinguishedName does not match:  existing={old.subject.rfc4514_string()}, "
            f"new={new.subject.rfc4514_string()} (ssl.allow.dn.changes)"
        )
    if not names(old) <= names(new) and not config.get("ssl.allow.san.changes"):
        raise SettingsError("Keystore SubjectAltNames do not match: the new certificate lacks some of the old one's")

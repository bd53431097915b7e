"""A client's settings, read from Kafka's own client config names; also librdkafka's where those are what users have.

Names that Kafka's clients know and this one has no use for are accepted, unknown ones are refused. Durations become
seconds here and nowhere else. Files are named here and read when a connection needs them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.network import split_address
from kopfka_runtime.settings import unknown_setting
from kopfka_runtime.tls.contexts import tls_versions
from kopfka_runtime.tls.stores import keystore_settings, truststore_settings
from kopfka_runtime.tls.suites import openssl_ciphers
from kopfka_wire.client.credentials import Login, login_settings
from kopfka_wire.client.names import UNUSED

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from kopfka_runtime.tls.stores import StoreSettings

_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+_.-]*://")

_MILLISECONDS: Final = {
    "request.timeout.ms": 30_000,
    "default.api.timeout.ms": 60_000,
    "retry.backoff.ms": 100,
    "retry.backoff.max.ms": 1_000,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1_000,
    "metadata.max.age.ms": 300_000,
    "connections.max.idle.ms": 540_000,
    "socket.connection.setup.timeout.ms": 10_000,
}
"""With Kafka's defaults."""

_TEXTS: Final[dict[str, str | None]] = {
    "bootstrap.servers": None,
    "client.id": None,
    "security.protocol": "PLAINTEXT",
    "sasl.mechanism": "GSSAPI",
    "sasl.mechanisms": None,
    "sasl.jaas.config": None,
    "sasl.username": None,
    "sasl.password": None,
    "sasl.login.connect.timeout.ms": None,
    "sasl.login.read.timeout.ms": None,
    "sasl.login.refresh.window.factor": "0.8",
    "sasl.oauthbearer.token.endpoint.url": None,
    "sasl.oauthbearer.client.credentials.client.id": None,
    "sasl.oauthbearer.client.credentials.client.secret": None,
    "sasl.oauthbearer.scope": None,
    "sasl.oauthbearer.header.urlencode": "false",
    "kopfka.sasl.oauthbearer.token": None,
    "ssl.truststore.type": "JKS",
    "ssl.truststore.location": None,
    "ssl.truststore.password": None,
    "ssl.truststore.certificates": None,
    "ssl.keystore.type": "JKS",
    "ssl.keystore.location": None,
    "ssl.keystore.password": None,
    "ssl.keystore.key": None,
    "ssl.keystore.certificate.chain": None,
    "ssl.key.password": None,
    "ssl.endpoint.identification.algorithm": "https",
    "ssl.enabled.protocols": None,
    "ssl.cipher.suites": None,
}


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What a TLS connection takes."""

    keystore: StoreSettings | None
    truststore: StoreSettings | None
    """None: the system's certificates."""
    check_hostname: bool
    versions: tuple[ssl.TLSVersion, ...]
    suites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a connection to a cluster takes; every duration in seconds."""

    bootstrap: tuple[tuple[str, int], ...]
    """`bootstrap.servers`: hosts and ports, as written (not yet resolved)."""
    client_id: str = "kopfka"
    tls: TlsOptions | None = None
    login: Login | None = None
    token_tls: TlsOptions | None = None
    """Of the token endpoint, where that is one with https: the same settings, as in Kafka."""
    request_timeout: float = 30.0
    """`request.timeout.ms`: how long one request may wait for its answer."""
    api_timeout: float = 60.0
    """`default.api.timeout.ms`: how long one call may take, with every request and retry it is made of."""
    connect_timeout: float = 10.0
    """`socket.connection.setup.timeout.ms`."""
    retry_backoff: float = 0.1
    retry_backoff_max: float = 1.0
    reconnect_backoff: float = 0.05
    reconnect_backoff_max: float = 1.0
    metadata_max_age: float = 300.0
    connections_max_idle: float = 540.0

    @property
    def security_protocol(self) -> str:
        """`security.protocol`."""
        return ("SASL_" if self.login else "") + ("SSL" if self.tls else "PLAINTEXT")


def known_names() -> frozenset[str]:
    """Return every name that `client_settings` takes."""
    return UNUSED.union(_MILLISECONDS, _TEXTS)


def client_settings(config: Mapping[str, str], *, client_id: str = "kopfka") -> ClientSettings:
    """Read settings by Kafka's names; `client_id` stands where `client.id` is not set.

    Raises:
        SettingsError: a name is unknown, or a value malformed, missing or contradicting another; it names the setting.
    """
    for name in config:
        if name not in _TEXTS and name not in _MILLISECONDS and name not in UNUSED:
            raise unknown_setting(name, known_names())
    if config.get("ssl.engine.factory.class"):
        raise SettingsError("ssl.engine.factory.class: Java classes cannot be loaded here; use the ssl.* settings")
    texts = {name: config.get(name) or default for name, default in _TEXTS.items()}
    if config.get("ssl.endpoint.identification.algorithm") == "":
        texts["ssl.endpoint.identification.algorithm"] = ""
    protocol = (texts["security.protocol"] or "").upper()
    if protocol not in _PROTOCOLS:
        raise SettingsError(f"security.protocol={protocol} is none of {', '.join(_PROTOCOLS)}")
    login = login_settings(texts) if protocol.startswith("SASL") else None
    url = login.origin.url if login is not None and login.origin is not None else None
    return ClientSettings(
        bootstrap=_addresses(texts["bootstrap.servers"]),
        client_id=texts["client.id"] or client_id,
        tls=_tls(texts) if protocol.endswith("SSL") else None,
        login=login,
        token_tls=_tls(texts) if url is not None and url.startswith("https:") else None,
        request_timeout=_seconds(config, "request.timeout.ms"),
        api_timeout=_seconds(config, "default.api.timeout.ms"),
        connect_timeout=_seconds(config, "socket.connection.setup.timeout.ms"),
        retry_backoff=_seconds(config, "retry.backoff.ms"),
        retry_backoff_max=_seconds(config, "retry.backoff.max.ms"),
        reconnect_backoff=_seconds(config, "reconnect.backoff.ms"),
        reconnect_backoff_max=_seconds(config, "reconnect.backoff.max.ms"),
        metadata_max_age=_seconds(config, "metadata.max.age.ms"),
        connections_max_idle=_seconds(config, "connections.max.idle.ms"),
    )


def _addresses(text: str | None) -> tuple[tuple[str, int], ...]:
    found = []
    for part in (text or "").split(","):
        address = _SCHEME.sub("", part.strip(), count=1)  # as Kafka: PLAINTEXT://host:9092 is host:9092
        if not address:
            continue
        try:
            host, port = split_address(address)
        except ValueError as error:
            raise SettingsError(f"bootstrap.servers: {error}") from None
        if not host:
            raise SettingsError(f"bootstrap.servers: {address!r} has no host: write HOST:PORT")
        found.append((host, port))
    if not found:
        raise SettingsError("bootstrap.servers is missing: write HOST:PORT, several with commas between")
    return tuple(found)


def _seconds(config: Mapping[str, str], name: str) -> float:
    text = config.get(name)
    if text is None:
        return _MILLISECONDS[name] / 1000
    text = text.strip()
    if name == "connections.max.idle.ms" and text == "-1":
        return float("inf")
    if not text.isascii() or not text.isdigit():
        raise SettingsError(f"{name}={text} is no duration: write a whole number of milliseconds")
    return int(text) / 1000


def _tls(texts: Mapping[str, str | None]) -> TlsOptions:
    def called(name: str) -> str:
        return name

    algorithm = texts["ssl.endpoint.identification.algorithm"] or ""
    if algorithm.lower() not in ("", "https", "none"):
        raise SettingsError(
            f"ssl.endpoint.identification.algorithm={algorithm}: write https, or nothing to take any host's certificate"
        )
    suites = _list(texts["ssl.cipher.suites"])
    openssl_ciphers(suites, "ssl.cipher.suites")
    return TlsOptions(
        keystore=keystore_settings(texts.get, called),
        truststore=truststore_settings(texts.get, called),
        check_hostname=algorithm.lower() == "https",
        versions=tls_versions(_list(texts["ssl.enabled.protocols"]), "ssl.enabled.protocols"),
        suites=suites,
    )


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (each.strip() for each in (text or "").split(",")) if part)

"""What the settings say about the schema registry (`confluent.*`), and what a topic asks to be checked."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from kopfka_broker.config.confluent import RECORD_NAME, REGISTRY_URL, SSL_PREFIXES, STRATEGY, TOPIC_NAME, VALIDATION
from kopfka_broker.config.confluent import is_on as switched_on
from kopfka_broker.config.definitions import definitions
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from kopfka_broker.config.values import BrokerConfig

_USER_INFO: Final = "confluent.basic.auth.user.info"
_TOKEN: Final = "confluent.bearer.auth.token"
_HEADERS: Final = {"key": "__key_schema_id", "value": "__value_schema_id"}


@dataclass(frozen=True, slots=True)
class Part:
    """Key or value of a topic's records, and the subject its schema has to stand under."""

    topic: str
    name: str
    """`key` or `value`."""
    strategy: str
    """Class name of Confluent's subject name strategy."""

    @property
    def header(self) -> str:
        """The record header that may hold the id instead of the data itself."""
        return _HEADERS[self.name]

    @property
    def named(self) -> bool:
        """Whether the subject depends on the name of the record, which only the schema knows."""
        return self.strategy != TOPIC_NAME

    def subject(self, record_name: str) -> str:
        """Return the subject; `record_name` matters where it is `named`."""
        if self.strategy == TOPIC_NAME:
            return f"{self.topic}-{self.name}"
        return record_name if self.strategy == RECORD_NAME else f"{self.topic}-{record_name}"


def parts_to_check(topic: str, config: Mapping[str, str]) -> tuple[Part, ...]:
    """Return what the settings of a topic ask to be checked of its records."""
    return tuple(
        Part(topic, name, config.get(STRATEGY[name], TOPIC_NAME).strip())
        for name, setting in VALIDATION.items()
        if switched_on(config, setting)
    )


@dataclass(frozen=True, slots=True)
class Address:
    """One instance of the registry."""

    url: str
    """Without user and password, and without a slash at the end."""
    authorization: str | None


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How the registry is reached."""

    addresses: tuple[Address, ...]
    """Empty where no registry is set."""
    tls: TlsClient | None = None

    @classmethod
    def from_config(cls, config: BrokerConfig) -> RegistrySettings:
        """Read them.

        Raises:
            SettingsError: one is missing or malformed; it names the setting.
        """
        token = config.get(_TOKEN) if config.get("confluent.bearer.auth.credentials.source") else None
        if config.get("confluent.bearer.auth.credentials.source") and not token:
            raise SettingsError(f"{_TOKEN} is missing: confluent.bearer.auth.credentials.source asks for it")
        from_setting = config.get("confluent.basic.auth.credentials.source") == "USER_INFO"
        user_info = config.get(_USER_INFO) if from_setting else None
        if from_setting and ":" not in (user_info or ""):
            raise SettingsError(
                f"{_USER_INFO} is to be USER:PASSWORD: confluent.basic.auth.credentials.source asks for it"
            )
        general = f"Bearer {token}" if token else _basic(user_info) if user_info else None
        addresses = tuple(_address(each, general) for each in config.get(REGISTRY_URL) or () if each)
        tls = None
        if any(each.url.startswith("https:") for each in addresses):
            tls = TlsClient(config)
        return cls(addresses, tls)


class TlsClient:
    """TLS to the registry, by `confluent.schema.registry.ssl.*` and `confluent.ssl.*`."""

    def __init__(self, config: BrokerConfig) -> None:
        """Check the settings, and that the stores can be read.

        Raises:
            SettingsError: they cannot be used, and why.
        """
        from kopfka_runtime.tls.stores import StoreError  # noqa: PLC0415 - who has no https does not pay for it

        self._config = config
        try:
            self.context()
        except StoreError as error:
            raise SettingsError(f"{SSL_PREFIXES[0]}*: {error}") from None

    def context(self) -> ssl.SSLContext:
        """Return a context made of what is in the stores now. It reads files.

        Raises:
            SettingsError: the settings contradict each other.
            StoreError: a store cannot be read.
        """
        import ssl  # noqa: PLC0415

        from kopfka_runtime.tls import contexts, stores  # noqa: PLC0415

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        versions = contexts.tls_versions(self._get("ssl.enabled.protocols"), self._called("ssl.enabled.protocols"))
        contexts.limit(context, versions, self._get("ssl.cipher.suites") or ())
        keystore = stores.keystore_settings(self._get, self._called)
        if keystore is not None:
            contexts.take_identity(context, stores.load_identity(keystore), keystore)
        contexts.trust(context, stores.truststore_settings(self._get, self._called), ssl.Purpose.SERVER_AUTH)
        context.check_hostname = bool(self._get("ssl.endpoint.identification.algorithm"))
        return context

    def _called(self, name: str) -> str:
        """Return under which name it is set, for messages."""
        rest = name.removeprefix("ssl.")
        return next(
            (p + rest for p in SSL_PREFIXES if self._config.set_text(p + rest) is not None), SSL_PREFIXES[0] + rest
        )

    def _get(self, name: str) -> Any:
        setting = self._called(name)
        definition = definitions().broker[setting]
        text = self._config.set_text(setting)
        text = definition.default if text is None else text
        return None if text is None else definition.parse(text)


def _address(text: str, authorization: str | None) -> Address:
    found = urlsplit(text.strip())
    if found.scheme not in ("http", "https") or not found.hostname:
        raise SettingsError(f"{REGISTRY_URL}: {_without_user(text)} is no address; write http://HOST:PORT")
    if authorization is None and found.username is not None:
        authorization = _basic(f"{unquote(found.username)}:{unquote(found.password or '')}")
    return Address(_without_user(text.strip()).rstrip("/"), authorization)


def _without_user(url: str) -> str:
    found = urlsplit(url)
    return urlunsplit((found.scheme, found.netloc.rpartition("@")[2], found.path, "", ""))


def _basic(user_info: str) -> str:
    return f"Basic {base64.b64encode(user_info.encode()).decode()}"

"""What a client proves itself with by SASL, read from its settings. How it is proved is `login`'s and `tokens`'."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from kopfka_runtime.errors import SettingsError
from kopfka_wire.sasl.jaas import parse_jaas
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, TOKEN_AUTHENTICATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_wire.sasl.jaas import LoginModule

PLAIN: Final = "PLAIN"
OAUTHBEARER: Final = "OAUTHBEARER"
MECHANISMS: Final = (PLAIN, *SCRAM_MECHANISMS, OAUTHBEARER)
_JAAS: Final = "sasl.jaas.config"
_URL: Final = "sasl.oauthbearer.token.endpoint.url"
_MODULES: Final = {PLAIN: "PlainLoginModule", OAUTHBEARER: "OAuthBearerLoginModule"} | dict.fromkeys(
    SCRAM_MECHANISMS, "ScramLoginModule"
)
_UNSECURED: Final = "unsecuredLoginStringClaim_"
_EXTENSION: Final = "extension_"


@dataclass(frozen=True, slots=True)
class TokenOrigin:
    """Where the tokens of OAUTHBEARER come from: one of `url`, `file`, `token` and `claims` is set."""

    url: str | None = None
    """A token endpoint that is asked by client credentials (RFC 6749, 4.4)."""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scope: str | None = None
    encode_header: bool = False
    """`sasl.oauthbearer.header.urlencode`."""
    file: Path | None = None
    """A file with a token, read anew for each login."""
    token: str | None = field(default=None, repr=False)
    claims: tuple[tuple[str, str], ...] = ()
    """Of tokens without a signature, which only brokers without a validator take (Kafka's default, for development)."""
    refresh_factor: float = 0.8
    """`sasl.login.refresh.window.factor`: the part of a token's life after which the next one is fetched."""
    timeout: float = 10.0
    """`sasl.login.connect.timeout.ms` and `sasl.login.read.timeout.ms`, the longer one."""


@dataclass(frozen=True, slots=True)
class Login:
    """One mechanism, and what it needs."""

    mechanism: str
    username: str = ""
    password: str = field(default="", repr=False)
    by_token: bool = False
    """Whether name and password are a delegation token's id and its HMAC (SCRAM only)."""
    origin: TokenOrigin | None = None
    extensions: tuple[tuple[str, str], ...] = ()
    """Of OAUTHBEARER (KIP-342)."""


def login_settings(texts: Mapping[str, str | None]) -> Login:
    """Read the `sasl.*` settings; every known name is in `texts`.

    Raises:
        SettingsError: one is missing, malformed, or not for this client; it names the setting, never a secret.
    """
    mechanism = (texts["sasl.mechanisms"] or texts["sasl.mechanism"] or "").upper()
    if mechanism not in MECHANISMS:
        raise SettingsError(f"sasl.mechanism={mechanism}: this client has {', '.join(MECHANISMS)}")
    module = _module(texts, mechanism)
    options = {} if module is None else module.options
    if mechanism == OAUTHBEARER:
        extensions = tuple(
            (name.removeprefix(_EXTENSION), value) for name, value in options.items() if name.startswith(_EXTENSION)
        )
        return Login(mechanism, origin=_origin(texts, options), extensions=extensions)
    username = texts["sasl.username"] or options.get("username")
    password = texts["sasl.password"] or options.get("password")
    if username is None or password is None:
        which = "username" if username is None else "password"
        raise SettingsError(f"{mechanism} needs a {which}: set it in {_JAAS}, or set sasl.{which}")
    by_token = options.get(TOKEN_AUTHENTICATION, "").lower() == "true"
    return Login(mechanism, username, password, by_token)


def _module(texts: Mapping[str, str | None], mechanism: str) -> LoginModule | None:
    text = texts[_JAAS]
    if text is None:
        return None
    module = parse_jaas(text, _JAAS)
    expected = _MODULES[mechanism]
    if module.name.rpartition(".")[2] != expected:
        raise SettingsError(
            f"{_JAAS} has a {module.name.rpartition('.')[2]}: sasl.mechanism={mechanism} is {expected}'s"
        )
    return module


def _origin(texts: Mapping[str, str | None], options: Mapping[str, str]) -> TokenOrigin:
    factor = _factor(texts["sasl.login.refresh.window.factor"] or "0.8")
    timeout = max(_timeout(texts, "sasl.login.connect.timeout.ms"), _timeout(texts, "sasl.login.read.timeout.ms"))
    if texts["kopfka.sasl.oauthbearer.token"]:
        return TokenOrigin(token=texts["kopfka.sasl.oauthbearer.token"])
    url = texts[_URL]
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return TokenOrigin(file=Path(unquote(parts.path)), refresh_factor=factor)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise SettingsError(f"{_URL}={url}: write an address with http, https or file")
        client_id = texts["sasl.oauthbearer.client.credentials.client.id"] or options.get("clientId")
        secret = texts["sasl.oauthbearer.client.credentials.client.secret"] or options.get("clientSecret")
        if client_id is None or secret is None:
            which = "clientId" if client_id is None else "clientSecret"
            raise SettingsError(f"{_JAAS} has no {which}, which {_URL} is asked with")
        return TokenOrigin(
            url=url,
            client_id=client_id,
            client_secret=secret,
            scope=texts["sasl.oauthbearer.scope"] or options.get("scope"),
            encode_header=(texts["sasl.oauthbearer.header.urlencode"] or "").lower() == "true",
            refresh_factor=factor,
            timeout=timeout,
        )
    claims = tuple(
        (name.removeprefix(_UNSECURED), value) for name, value in options.items() if name.startswith(_UNSECURED)
    )
    if not any(name == "sub" for name, _ in claims):
        raise SettingsError(
            f"OAUTHBEARER needs a token: set {_URL} (an endpoint with clientId and clientSecret in {_JAAS}, or a file)"
        )
    return TokenOrigin(claims=claims, refresh_factor=factor)


def _timeout(texts: Mapping[str, str | None], name: str) -> float:
    text = texts[name]
    if text is None:
        return 10.0
    if not text.isascii() or not text.isdigit():
        raise SettingsError(f"{name}={text} is no duration: write a whole number of milliseconds")
    return int(text) / 1000


def _factor(text: str) -> float:
    name = "sasl.login.refresh.window.factor"
    try:
        factor = float(text)
    except ValueError:
        raise SettingsError(f"{name}={text} is no number") from None
    if not 0.5 <= factor <= 1.0:
        raise SettingsError(f"{name}={text} is not from 0.5 to 1")
    return factor

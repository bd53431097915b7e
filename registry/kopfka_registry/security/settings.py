"""The settings of security: by Confluent's names where Confluent's registry has them, `kopfka.` before the others."""

from __future__ import annotations

import enum
import resource
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kopfka_registry.security.rights import Roles, is_role_setting, read_roles
from kopfka_registry.security.users import SETTING as USERS_FILE
from kopfka_runtime.errors import SettingsError
from kopfka_runtime.identity.jwks import JwksSettings
from kopfka_runtime.identity.mapping import PrincipalMapping, parse_rules
from kopfka_runtime.identity.tokens import JwtRules
from kopfka_runtime.tls.server import TlsSettings, server_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAPPINGS: Final = ("ssl.principal.mapping.rules", "auth.ssl.principal.mapping.rules",
                    "confluent.schema.registry.auth.ssl.principal.mapping.rules")  # fmt: skip
"""One setting: Kafka's name, and those that Confluent's registry has for it."""
HEAD_BYTES: Final = 16 * 1024
"""Confluent's default of 8 KiB is less than some tokens take."""
_JWKS: Final = "oauthbearer.jwks.endpoint.url"
_CLIENT: Final = "ssl.client.authentication"
_OLD_CLIENT: Final = "ssl.client.auth"
_METHOD: Final = "authentication.method"
REPLICA_NAME: Final = "kopfka.inter.instance.name"
_EXTENSIONS: Final = ("resource.extension.class", "schema.registry.resource.extension.class")
_TLS_DEFAULTS: Final[Mapping[str, Any]] = {
    "ssl.keystore.type": "JKS",
    "ssl.truststore.type": "JKS",
    "ssl.enabled.protocols": (),
    "ssl.cipher.suites": (),
}
NAMES: Final = frozenset(
    {"authentication.realm", "authentication.roles", "authentication.skip.paths", "idle.timeout.ms",
     "kopfka.super.roles", "max.request.header.size", "oauthbearer.clock.skew.seconds",
     "oauthbearer.expected.audience", "oauthbearer.expected.issuer", "oauthbearer.groups.claim.name",
     "oauthbearer.jwks.endpoint.refresh.ms", "oauthbearer.jwks.endpoint.retry.backoff.max.ms",
     "oauthbearer.jwks.endpoint.retry.backoff.ms", "oauthbearer.scope.claim.name", "oauthbearer.sub.claim.name",
     "server.connection.limit", "ssl.cipher.suites", "ssl.enabled.protocols",
     "ssl.endpoint.identification.algorithm", "ssl.engine.factory.class", "ssl.key.password",
     "ssl.keystore.certificate.chain", "ssl.keystore.key", "ssl.keystore.location", "ssl.keystore.password",
     "ssl.keystore.type", "ssl.truststore.certificates", "ssl.truststore.location", "ssl.truststore.password",
     "ssl.truststore.type", _CLIENT, _OLD_CLIENT, _JWKS, _METHOD, REPLICA_NAME, USERS_FILE, *_EXTENSIONS,
     *_MAPPINGS}
)  # fmt: skip
"""Settings read here, beside those of roles (`is_role_setting`)."""
_REFUSED: Final = {
    "rest.servlet.initializor.classes": f"how clients log in is said by {_METHOD}",
    "confluent.schema.registry.auth.mechanism": f"how clients log in is said by {_METHOD}",
    "confluent.schema.registry.authorizer.class": "what they may do is said by kopfka.role.ROLE.read, .write, .admin",
}


class Method(enum.Enum):
    """A way to log in."""

    BASIC = "BASIC"
    BEARER = "BEARER"
    MTLS = "MTLS"
    """The certificate of a TLS client."""


@dataclass(frozen=True, slots=True)
class Jwt:
    """What is asked of bearer tokens."""

    keys: JwksSettings
    rules: JwtRules


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take up."""

    idle_seconds: float = 30.0
    """`idle.timeout.ms`: how long one may keep the server waiting for its next bytes."""
    head_bytes: int = HEAD_BYTES
    """`max.request.header.size`."""
    connections: int = 1000
    """`server.connection.limit`."""


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """What is set."""

    methods: frozenset[Method] = frozenset()
    """The ways to log in; none: nobody has to."""
    required: bool = False
    """Whether everybody has to log in."""
    realm: str = ""
    allowed_roles: frozenset[str] | None = None
    """Roles of users with passwords that are let in; None: all."""
    skipped_paths: tuple[str, ...] = ()
    users: Path | None = None
    jwt: Jwt | None = None
    roles: Roles | None = None
    tls: TlsSettings | None = None
    """Of https listeners, and of this replica when it asks another."""
    mapping: PrincipalMapping = field(default_factory=lambda: parse_rules(""))
    check_hostname: bool = True
    """Whether other replicas are to have certificates for their addresses, or for `replica_name`."""
    replica_name: str | None = None
    """A name that the certificates of all replicas are for."""
    limits: Limits = Limits()


def security_setting(name: str) -> bool:
    """Tell whether a setting is read here.

    Raises:
        SettingsError: it is one of Confluent's registry whose work other settings do here.
    """
    if name in _REFUSED:
        raise SettingsError(f"{name}: Java classes cannot be loaded here; {_REFUSED[name]}")
    return name in NAMES or is_role_setting(name)


def read_security(given: Mapping[str, str], schemes: Iterable[str]) -> SecuritySettings:
    """Read what `security_setting` is true of; `schemes` are those of the listeners.

    Raises:
        SettingsError: a value is none of its setting, or two contradict each other.
    """
    _check_extensions(given)
    client_auth = _client_auth(given)
    named = _methods(given)
    methods = set(named)
    if _JWKS in given and _METHOD not in given:
        methods.add(Method.BEARER)  # as in Confluent's, where an initializer turns it on
    if client_auth != ssl.CERT_NONE and not methods and "NONE" not in given.get(_METHOD, "").upper():
        methods.add(Method.MTLS)
    roles = read_roles(given)
    tls = _tls(given, client_auth) if "https" in schemes else None
    _check_methods(given, methods, roles, tls)
    allowed = frozenset(_listed(given.get("authentication.roles", "*")))
    return SecuritySettings(
        frozenset(methods),
        required=bool(methods - {Method.MTLS}) or Method.MTLS in named or roles is not None,
        realm=_realm(given),
        allowed_roles=None if allowed & {"*", "**"} else allowed,
        skipped_paths=_listed(given.get("authentication.skip.paths", "")),
        users=Path(given[USERS_FILE]) if Method.BASIC in methods else None,
        jwt=_jwt(given) if Method.BEARER in methods else None,
        roles=roles,
        tls=tls,
        mapping=_mapping(given),
        check_hostname=_check_hostname(given),
        replica_name=given.get(REPLICA_NAME) or None,
        limits=_limits(given),
    )


def _realm(given: Mapping[str, str]) -> str:
    text = given.get("authentication.realm", "") or "schema-registry"
    if not (text.isascii() and text.isprintable()) or set(text) & set('"\\'):
        raise SettingsError(f"authentication.realm={text}: write plain characters without quotes and backslashes")
    return text


def _methods(given: Mapping[str, str]) -> frozenset[Method]:
    found = set()
    for each in _listed(given.get(_METHOD, "")):
        if each.upper() == "NONE":
            continue
        try:
            found.add(Method(each.upper()))
        except ValueError:
            raise SettingsError(f"{_METHOD}={each}: write NONE, BASIC, BEARER, MTLS, or several by commas") from None
    return frozenset(found)


def _check_methods(
    given: Mapping[str, str], methods: set[Method], roles: Roles | None, tls: TlsSettings | None
) -> None:
    """Refuse what would leave a registry open, or closed, against what other settings say."""
    for method, setting in ((Method.BASIC, USERS_FILE), (Method.BEARER, _JWKS)):
        if method in methods and not given.get(setting):
            raise SettingsError(f"{setting} is missing: {_METHOD} has {method.value}")
        if method not in methods and given.get(setting):
            raise SettingsError(
                f"{setting} is set, and {_METHOD} does not have {method.value}: add it, or leave it out"
            )
    if Method.MTLS in methods and (tls is None or tls.client_auth == ssl.CERT_NONE):
        raise SettingsError(f"{_METHOD} has MTLS: that takes an https listener, and {_CLIENT}=REQUESTED or REQUIRED")
    if tls is not None and tls.client_auth != ssl.CERT_NONE and tls.truststore is None:
        raise SettingsError(
            f"ssl.truststore.location is missing: {_CLIENT} asks for certificates, and nothing says whose are taken"
        )
    if roles is not None and not methods:
        raise SettingsError(f"there are roles, and nobody can log in: set {_METHOD}")


def _check_extensions(given: Mapping[str, str]) -> None:
    for name in _EXTENSIONS:
        if "security" in given.get(name, "").lower():
            raise SettingsError(
                f"{name}: the security plugin cannot be loaded here; who may do what is said by kopfka.role.ROLE.read, "
                ".write and .admin"
            )


def _client_auth(given: Mapping[str, str]) -> ssl.VerifyMode:
    modes = {"NONE": ssl.CERT_NONE, "REQUESTED": ssl.CERT_OPTIONAL, "REQUIRED": ssl.CERT_REQUIRED}
    name = _CLIENT if _CLIENT in given else _OLD_CLIENT
    text = given.get(name, "NONE").strip().upper()
    if name == _OLD_CLIENT:
        text = {"TRUE": "REQUIRED", "FALSE": "NONE"}.get(text, text)
    if text not in modes:
        raise SettingsError(f"{name}={given[name]}: write {', '.join(modes)}")
    return modes[text]


def _tls(given: Mapping[str, str], client_auth: ssl.VerifyMode) -> TlsSettings:
    def get(name: str) -> Any:
        text, default = given.get(name), _TLS_DEFAULTS.get(name)
        if isinstance(default, tuple):
            return _listed(text or "")
        # as in Confluent's, where the defaults are empty texts
        return text or default

    return server_settings(get, lambda name: name, client_auth)


def _jwt(given: Mapping[str, str]) -> Jwt:
    endpoint = "oauthbearer.jwks.endpoint."
    rules = JwtRules(
        audience=_listed(given.get("oauthbearer.expected.audience", "")),
        issuer=given.get("oauthbearer.expected.issuer") or None,
        clock_skew_seconds=_number(given, "oauthbearer.clock.skew.seconds", 30, low=0),
        principal_claim=given.get("oauthbearer.sub.claim.name", "sub"),
        scope_claim=given.get("oauthbearer.scope.claim.name", "scope"),
        roles_claim=given.get("oauthbearer.groups.claim.name", "groups"),
    )
    keys = JwksSettings(
        given[_JWKS],
        _number(given, f"{endpoint}refresh.ms", 3_600_000, low=1),
        _number(given, f"{endpoint}retry.backoff.ms", 100, low=0),
        _number(given, f"{endpoint}retry.backoff.max.ms", 10_000, low=0),
        setting=_JWKS,
    )
    return Jwt(keys, rules)


def _mapping(given: Mapping[str, str]) -> PrincipalMapping:
    texts = {name: given[name] for name in _MAPPINGS if given.get(name)}
    if len(set(texts.values())) > 1:
        raise SettingsError(f"{' and '.join(texts)} say different things: leave all but one out")
    name, text = next(iter(texts.items()), (_MAPPINGS[0], ""))
    return parse_rules(text, name)


def _check_hostname(given: Mapping[str, str]) -> bool:
    name = "ssl.endpoint.identification.algorithm"
    text = given.get(name, "https").strip().lower()
    if text not in ("", "none", "https"):
        raise SettingsError(f"{name}={given[name]}: write https, or nothing to take any trusted certificate")
    return text == "https"


def _limits(given: Mapping[str, str]) -> Limits:
    most = _number(given, "server.connection.limit", 0, low=0)
    return Limits(
        idle_seconds=_number(given, "idle.timeout.ms", 30_000, low=1) / 1000,
        head_bytes=_number(given, "max.request.header.size", HEAD_BYTES, low=256),
        connections=most or _affordable(),
    )


def _affordable() -> int:
    """Return how many connections the process has descriptors for, with some left for Kafka's and for files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 10_000 if soft == resource.RLIM_INFINITY else max(64, min(10_000, soft - 200))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in (each.strip() for each in text.split(",")) if part)


def _number(given: Mapping[str, str], name: str, default: int, *, low: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if number < low:
        raise SettingsError(f"{name}={text}: write a whole number from {low}")
    return number

"""A listener's SASL mechanisms, from Kafka's settings: `sasl.enabled.mechanisms`, JAAS, `sasl.oauthbearer.*`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kopfka_broker.security.authenticator import SaslMechanism, SaslRules
from kopfka_broker.security.scram import ScramExchange
from kopfka_runtime.errors import SettingsError
from kopfka_wire.sasl.jaas import LoginModule, parse_jaas
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.config.listener import ListenerConfig
    from kopfka_broker.security.mechanism import Exchange
    from kopfka_broker.security.oauth import TokenValidator
    from kopfka_broker.security.scram import Lookup

PLAIN: Final = "PLAIN"
OAUTHBEARER: Final = "OAUTHBEARER"
MECHANISMS: Final = (PLAIN, *SCRAM_MECHANISMS, OAUTHBEARER)
_JAAS: Final = "sasl.jaas.config"
_HANDLER: Final = "sasl.server.callback.handler.class"
_PLAIN_MODULE: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM_MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
_OAUTH_MODULE: Final = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
# Kafka's own handlers, which are what this broker does anyway; by mechanism
_JWKS_HANDLERS: Final = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler",
)
_UNSECURED_HANDLER: Final = (
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
)
_HANDLERS: Final = {
    PLAIN: ("org.apache.kafka.common.security.plain.internals.PlainServerCallbackHandler",),
    OAUTHBEARER: (*_JWKS_HANDLERS, _UNSECURED_HANDLER),
}
_URL: Final = "sasl.oauthbearer.jwks.endpoint.url"

log = logging.getLogger(__name__)


def sasl_rules(config: ListenerConfig, lookup: Lookup) -> SaslRules:
    """Read the settings of one listener.

    Raises:
        SettingsError: one is missing, malformed, or not for this broker; it names the setting.
    """
    if config.set_for_all(_JAAS):
        log.warning("%s is taken for one listener and mechanism only: %s", _JAAS, config.called(_JAAS, "MECHANISM"))
    names = config.get("sasl.enabled.mechanisms")
    unknown = [name for name in names if name not in MECHANISMS]
    if unknown or not names:
        raise SettingsError(
            f"{config.called('sasl.enabled.mechanisms')}: {unknown[0] if unknown else 'nothing'} "
            f"is none of {', '.join(MECHANISMS)}, which the bundled broker serves"
        )
    return SaslRules(
        {
            name: SaslMechanism(name, _exchange(config, name, lookup), config.number("connections.max.reauth.ms", name))
            for name in names
        },
        config.number("connection.failed.authentication.delay.ms"),
        config.number("sasl.server.max.receive.size"),
    )


def scram_users(config: ListenerConfig, mechanism: str) -> dict[str, str]:
    """Return the users, with passwords, that the JAAS configuration of SCRAM names: `user_NAME`, as for PLAIN.

    Raises:
        SettingsError: it is malformed.
    """
    module = _module(config, mechanism, _SCRAM_MODULE)
    return {} if module is None else module.users


def _exchange(config: ListenerConfig, mechanism: str, lookup: Lookup) -> Callable[[], Exchange]:
    handler = config.get(_HANDLER, mechanism)
    if handler and handler not in _HANDLERS.get(mechanism, ()):
        raise SettingsError(
            f"{config.called(_HANDLER, mechanism)}: Java classes cannot be loaded here; leave the setting out"
        )
    if mechanism in SCRAM_MECHANISMS:
        _module(config, mechanism, _SCRAM_MODULE)
        scram = SCRAM_MECHANISMS[mechanism]
        return lambda: ScramExchange(scram, lookup)
    if mechanism == PLAIN:
        return _plain(config)
    return _oauth(config, handler)


def _plain(config: ListenerConfig) -> Callable[[], Exchange]:
    from kopfka_broker.security.plain import PlainExchange  # noqa: PLC0415

    module = _module(config, PLAIN, _PLAIN_MODULE)
    if module is None:
        raise SettingsError(
            f'{config.called(_JAAS, PLAIN)} is missing: write {_PLAIN_MODULE} required user_NAME="PASSWORD";'
        )
    if not module.users:
        log.warning("%s names no user_NAME: nobody can log in by PLAIN", config.called(_JAAS, PLAIN))
    users = module.users
    return lambda: PlainExchange(users)


def _oauth(config: ListenerConfig, handler: str | None) -> Callable[[], Exchange]:
    from kopfka_broker.security.oauth import OAuthBearerExchange  # noqa: PLC0415

    module = _module(config, OAUTHBEARER, _OAUTH_MODULE)
    if module is None:
        raise SettingsError(f"{config.called(_JAAS, OAUTHBEARER)} is missing: write {_OAUTH_MODULE} required;")
    url = config.get(_URL, OAUTHBEARER)
    if url and handler != _UNSECURED_HANDLER:
        validator = _signed(config, url)
    elif handler in _JWKS_HANDLERS:
        raise SettingsError(f"{config.called(_URL, OAUTHBEARER)} is missing: {handler} checks tokens by it")
    else:
        validator = _unsecured(config, module)
    return lambda: OAuthBearerExchange(validator)


def _signed(config: ListenerConfig, url: str) -> TokenValidator:
    from kopfka_runtime.identity.jwks import JwksSettings, KeySet  # noqa: PLC0415
    from kopfka_runtime.identity.tokens import JwtRules, SignedTokens  # noqa: PLC0415

    prefix = "sasl.oauthbearer."
    audience = tuple(config.get(f"{prefix}expected.audience", OAUTHBEARER))
    issuer = config.get(f"{prefix}expected.issuer", OAUTHBEARER)
    for missing, name in ((not audience, "expected.audience"), (not issuer, "expected.issuer")):
        if missing:
            log.warning("%s is not set: a token made for someone else is taken", config.called(prefix + name))
    rules = JwtRules(
        audience,
        issuer,
        config.number(f"{prefix}clock.skew.seconds", OAUTHBEARER),
        config.get(f"{prefix}sub.claim.name", OAUTHBEARER),
        config.get(f"{prefix}scope.claim.name", OAUTHBEARER),
    )
    endpoint = f"{prefix}jwks.endpoint."
    settings = JwksSettings(
        url,
        config.number(f"{endpoint}refresh.ms", OAUTHBEARER),
        config.number(f"{endpoint}retry.backoff.ms", OAUTHBEARER),
        config.number(f"{endpoint}retry.backoff.max.ms", OAUTHBEARER),
    )
    return SignedTokens(KeySet(settings), rules)


def _unsecured(config: ListenerConfig, module: LoginModule) -> TokenValidator:
    from kopfka_broker.security.jwt_validation import UnsecuredTokens  # noqa: PLC0415

    log.warning(
        "%s takes unsecured tokens: anyone may log in as anyone; set %s, but for development",
        config.prefix.rstrip("."), config.called(_URL, OAUTHBEARER),
    )  # fmt: skip
    try:
        return UnsecuredTokens(module.options)
    except ValueError:
        raise SettingsError(
            f"{config.called(_JAAS, OAUTHBEARER)}: unsecuredValidatorAllowableClockSkewMs is no whole number"
        ) from None


def _module(config: ListenerConfig, mechanism: str, expected: str) -> LoginModule | None:
    text = config.own(_JAAS, mechanism)
    if text is None:
        return None
    setting = config.called(_JAAS, mechanism)
    module = parse_jaas(text, setting)
    if module.name != expected:
        raise SettingsError(f"{setting}: Java classes cannot be loaded here, and {mechanism}'s module is {expected}")
    return module

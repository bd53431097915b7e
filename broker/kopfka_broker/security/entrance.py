"""One listener as its connections see it: transport, who must prove what, and the principal of whom TLS has proved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_broker.config.listener import ListenerConfig
from kopfka_broker.context import Caller
from kopfka_broker.security.principal import ANONYMOUS, USER, Principal
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    import ssl

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.dispatch import Dispatcher
    from kopfka_broker.network.listeners import Listener
    from kopfka_broker.security.authenticator import Authenticator, SaslRules
    from kopfka_broker.security.scram import Lookup
    from kopfka_broker.security.tls import TlsContexts
    from kopfka_runtime.identity.mapping import PrincipalMapping

_BUILDER = "principal.builder.class"
_DEFAULT_BUILDER = "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"


@dataclass(slots=True, eq=False)
class Entrance:
    """What all connections of one listener share."""

    listener: Listener
    config: ListenerConfig
    tls: TlsContexts | None = None
    sasl: SaslRules | None = None
    mapping: PrincipalMapping | None = None
    """Of a TLS listener whose clients may prove themselves by certificate."""

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS context for a connection that is accepted now, None without TLS."""
        return None if self.tls is None else self.tls.context

    @property
    def failed_delay(self) -> float:
        """Seconds from a failed authentication to the end of the connection."""
        return self.config.number("connection.failed.authentication.delay.ms") / 1000

    def caller(self, host: str, tls: Any) -> Caller:
        """Return a new connection's other side; `tls` is its `ssl.SSLObject`, None without TLS.

        Raises:
            NoRuleAppliesError: nobody can be made of its certificate.
        """
        principal = ANONYMOUS if self.mapping is None or tls is None else self._certified(self.mapping, tls)
        return Caller(
            client_host=host,
            listener=self.listener.name,
            security_protocol=self.listener.protocol,
            principal=principal,
        )

    def _certified(self, mapping: PrincipalMapping, tls: Any) -> Principal:
        certificate = tls.getpeercert(binary_form=True)
        if certificate is None:
            return ANONYMOUS
        from kopfka_runtime.identity.dn import subject_name  # noqa: PLC0415

        return Principal(USER, mapping.name(subject_name(certificate)))

    def authenticator(self, caller: Caller, dispatcher: Dispatcher) -> Authenticator | None:
        """Return what stands before a new connection's requests, None where nobody is asked."""
        if self.sasl is None:
            return None
        from kopfka_broker.security.authenticator import Authenticator  # noqa: PLC0415

        return Authenticator(self.sasl, caller, dispatcher)


def entrance(listener: Listener, config: BrokerConfig, lookup: Lookup) -> Entrance:
    """Read the settings of one listener. What a plain one does not need is not imported.

    Raises:
        SettingsError: one is missing, malformed, or not for this broker; it names the setting.
    """
    own = ListenerConfig(config, listener.name)
    builder = own.get(_BUILDER)
    if builder not in (None, _DEFAULT_BUILDER):
        raise SettingsError(f"{_BUILDER}: Java classes cannot be loaded here; leave the setting out")
    made = Entrance(listener, own)
    if listener.protocol in ("SSL", "SASL_SSL"):
        from kopfka_broker.security.tls import TlsContexts  # noqa: PLC0415
        from kopfka_runtime.identity.mapping import parse_rules  # noqa: PLC0415

        # with SASL over TLS, Kafka asks for certificates only where the listener's own settings say so
        asked = listener.protocol == "SSL" or config.set_text(own.called("ssl.client.auth")) is not None
        made.tls = TlsContexts(own, client_auth=asked)
        if listener.protocol == "SSL":
            made.mapping = parse_rules(own.get("ssl.principal.mapping.rules"))
    if listener.protocol.startswith("SASL_"):
        made.sasl = read_sasl(own, lookup)
    return made


def read_sasl(config: ListenerConfig, lookup: Lookup) -> SaslRules:
    """As `sasl.sasl_rules`, imported where there is use for it."""
    from kopfka_broker.security.sasl import sasl_rules  # noqa: PLC0415

    return sasl_rules(config, lookup)

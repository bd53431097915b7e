"""The listeners of one broker, from its configuration: what each asks of clients, limits, and what changes at run time.

Certificates are looked at every second, and what IncrementalAlterConfigs changes is taken at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from kopfka_broker.config.listener import ListenerConfig
from kopfka_broker.network.limits import ConnectionLimits, ListenerLimits, parse_overrides
from kopfka_broker.network.server import ServerSettings
from kopfka_broker.security.entrance import Entrance, entrance, read_sasl
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.security.scram import TokenCredential
    from kopfka_wire.sasl.scram import ScramCredential

_LOOK_SECONDS: Final = 1.0
_ITERATIONS: Final = 4096
_OF_SASL: Final = ("sasl.", "connections.max.reauth.ms", "connection.failed.authentication.delay.ms")
"""How settings begin that an authentication goes by, a listener's and a mechanism's prefix left aside."""

log = logging.getLogger(__name__)


class Network:
    """Everything between a broker's configuration and its server."""

    def __init__(self, cluster: Cluster) -> None:
        """Read the configuration.

        Raises:
            SettingsError: a listener cannot be served as its settings say; it names the setting.
        """
        self._cluster = cluster
        config = cluster.config
        self.limits = ConnectionLimits(host_rate=cluster.quotas.connection_rate, windows=cluster.throttling.windows)
        self._lookup = ClusterCredentials(cluster)
        self.entrances: dict[Entrance, ListenerLimits] = {
            entrance(listener, config, self._lookup): ListenerLimits() for listener in cluster.listeners.bound
        }
        self._tls = [each.tls for each in self.entrances if each.tls is not None]
        self._sasl = {each: each.config.texts(_OF_SASL) for each in self.entrances if each.sasl is not None}
        self._take_limits()
        config.on_change(self._changed)
        config.on_check(self.check)

    def connections(self) -> Iterable[tuple[str, int, int]]:
        """Give, of each listener, its name, how many connections it has, and how many it has ever had."""
        return [(each.listener.name, own.count, own.accepted) for each, own in self.entrances.items()]

    async def run(self, stop: asyncio.Event) -> None:
        """Look at certificates until `stop` is set."""
        while self._tls and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
            for each in self._tls:
                each.refresh()
        await stop.wait()

    def check(self, changed: BrokerConfig) -> None:
        """Check a configuration before it is altered.

        Raises:
            SettingsError: what it says of limits or certificates cannot be.
        """
        parse_overrides(changed.get("max.connections.per.ip.overrides") or "")
        for each in self.entrances:
            config = ListenerConfig(changed, each.listener.name)
            if each.tls is not None:
                each.tls.check(config)
            if each.sasl is not None and config.texts(_OF_SASL) != self._sasl[each]:
                read_sasl(config, self._lookup)

    def _changed(self) -> None:
        self._take_limits()
        for each in self._tls:
            each.refresh()
        self._take_sasl()

    def _take_sasl(self) -> None:
        """Let new connections log in by what was altered of SASL; those that exist go on as they are."""
        for each, before in self._sasl.items():
            after = each.config.texts(_OF_SASL)
            if after != before:
                self._sasl[each] = after
                try:
                    each.sasl = read_sasl(each.config, self._lookup)
                except SettingsError:
                    log.exception("%s*: SASL stays as it was", each.config.prefix)

    def _take_limits(self) -> None:
        config, limits = self._cluster.config, self.limits
        limits.most = config.number("max.connections")
        limits.per_host = config.number("max.connections.per.ip")
        limits.overrides = parse_overrides(config.get("max.connections.per.ip.overrides") or "")
        limits.rate.per_second = config.number("max.connection.creation.rate")
        for each, own in self.entrances.items():
            own.most = each.config.number("max.connections")
            own.rate.per_second = each.config.number("max.connection.creation.rate")

    def add_users(self) -> None:
        """Give users that the JAAS configuration of SCRAM names a credential, if they have none yet.

        Raises:
            KafkaStorageError: it cannot be kept.
        """
        if not any(each.sasl is not None for each in self.entrances):
            return
        from kopfka_broker.security.sasl import scram_users  # noqa: PLC0415 - for those who use it
        from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, make_credential  # noqa: PLC0415

        credentials = self._cluster.credentials
        new: dict[tuple[str, str], ScramCredential] = {}
        for each in self.entrances:
            for mechanism in () if each.sasl is None else SCRAM_MECHANISMS.keys() & each.sasl.mechanisms.keys():
                for user, password in scram_users(each.config, mechanism).items():
                    if credentials.get(mechanism, user) is None:
                        new[user, mechanism] = make_credential(SCRAM_MECHANISMS[mechanism], password, _ITERATIONS)
        credentials.change(new, ())
        for user, mechanism in sorted(new):
            log.info("user %s has a first %s password, from the settings", user, mechanism)


class ClusterCredentials:
    """`scram.Lookup` over what the cluster keeps."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def user(self, mechanism: str, name: str) -> ScramCredential | None:
        """Return the credential of a user."""
        return self._cluster.credentials.get(mechanism, name)

    def token(self, mechanism: str, token_id: str) -> TokenCredential | None:
        """Return the credential of a delegation token that has not expired."""
        return self._cluster.tokens.credential(mechanism, token_id)


def server_settings(config: BrokerConfig) -> ServerSettings:
    """Return what the server takes from the configuration."""
    return ServerSettings(
        socket_request_max_bytes=config.number("socket.request.max.bytes"),
        connections_max_idle_ms=config.number("connections.max.idle.ms"),
        socket_listen_backlog_size=config.number("socket.listen.backlog.size"),
        queued_max_request_bytes=config.number("queued.max.request.bytes"),
    )

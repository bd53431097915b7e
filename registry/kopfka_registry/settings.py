"""The registry's settings, by Confluent's names.

Names that Confluent's registry has and this one has no use for are accepted and noted once in the log; names nobody
knows are refused with the nearest known one. `kafkastore.` stands before settings of the Kafka client.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kopfka_registry.errors import InvalidCompatibilityError
from kopfka_registry.security.settings import NAMES, SecuritySettings, read_security, security_setting
from kopfka_registry.service.compatibility import Level
from kopfka_runtime.errors import SettingsError
from kopfka_runtime.network import POD_IP, is_wildcard, split_address
from kopfka_runtime.settings import unknown_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT: Final = 8081
STORE_PREFIX: Final = "kafkastore."
_OWN_OF_STORE: Final = frozenset(
    {"topic", "topic.replication.factor", "timeout.ms", "init.timeout.ms", "group.id", "bootstrap.servers"}
)
_NO_USE_OF_STORE: Final = frozenset(
    {"connection.url", "zk.session.timeout.ms", "write.max.retries", "checkpoint.dir", "checkpoint.version",
     "update.handlers", "topic.skip.validation", "topic.config"}
)  # fmt: skip
USED: Final = frozenset(
    {"access.control.allow.methods", "access.control.allow.origin", "avro.compatibility.level", "host.name",
     "host.port", "inter.instance.protocol", "leader.eligibility", "leader.read.timeout.ms", "listeners",
     "master.eligibility", "mode.mutability", "schema.cache.size", "schema.compatibility.level",
     "schema.registry.group.id", "schema.registry.inter.instance.protocol", "schema.search.default.limit",
     "schema.search.max.limit", "schema.registry.session.timeout.ms", "schema.registry.heartbeat.interval.ms"}
)  # fmt: skip
"""Settings read here; those of security are read by `kopfka_registry.security`."""
NO_USE: Final = frozenset(
    {"compression.enable", "debug", "enable.fips", "http2.enabled", "kafka.rest.resource.extension.class",
     "leader.connect.timeout.ms", "leader.election.delay", "leader.election.sticky", "master.read.timeout.ms",
     "metadata.encoder.old.secret", "metadata.encoder.secret", "metadata.encoder.topic", "metric.reporters",
     "metrics.jmx.prefix", "metrics.num.samples", "metrics.sample.window.ms", "metrics.tag.map",
     "request.logger.name", "request.queue.capacity", "resource.static.locations", "response.http.headers.config",
     "response.mediatype.default", "response.mediatype.preferred", "schema.cache.expiry.secs",
     "schema.canonicalize.on.consume", "schema.providers", "schema.registry.zk.namespace",
     "schema.subject.search.default.limit", "shutdown.graceful.ms", "ssl.keymanager.algorithm", "ssl.keystore.reload",
     "ssl.keystore.watch.location", "ssl.protocol", "ssl.provider", "ssl.trustmanager.algorithm", "thread.pool.max",
     "thread.pool.min", "websocket.path.prefix", "websocket.servlet.initializor.classes"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to serve at."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instance is told."""

    kafka: Mapping[str, str]
    """Settings of the Kafka client, by Kafka's names."""
    listeners: tuple[Listen, ...]
    topic: str = "_schemas"
    replication_factor: int = 3
    timeout: float = 10.0
    """Seconds a read or a write of the topic may take; `kafkastore.timeout.ms` (Confluent's default is 0.5)."""
    init_timeout: float = 60.0
    group: str = "schema-registry"
    host: str = ""
    port: int = DEFAULT_PORT
    scheme: str = "http"
    eligible: bool = True
    session_timeout: float = 10.0
    heartbeat_interval: float = 3.0
    leader_timeout: float = 60.0
    level: Level = Level.BACKWARD
    mode_mutability: bool = True
    parsed_kept: int = 1000
    most_listed: int = 1000
    """Schemas one answer lists at most; `schema.search.max.limit`."""
    allowed_origins: tuple[str, ...] = ()
    security: SecuritySettings = field(default_factory=SecuritySettings)
    unused: tuple[str, ...] = ()


def read_settings(given: Mapping[str, str], *, bootstrap: str | None = None, listen: str | None = None) -> Settings:
    """Make settings of a properties file; `bootstrap` and `listen` are of the command line and win.

    Raises:
        SettingsError: a name is unknown, or a value is none of its setting.
    """
    kafka, rest, unused = _sorted(given)
    if bootstrap:
        kafka["bootstrap.servers"] = bootstrap
    if not kafka.get("bootstrap.servers"):
        raise SettingsError("no Kafka cluster: pass --bootstrap HOST:PORT, or set kafkastore.bootstrap.servers")
    kafka["bootstrap.servers"] = ",".join(
        each.strip().rpartition("://")[2] for each in kafka["bootstrap.servers"].split(",")
    )
    listeners = _listeners(listen, given.get("listeners"))
    between = given.get("inter.instance.protocol") or given.get("schema.registry.inter.instance.protocol")
    scheme = between.strip().lower() if between else listeners[-1].scheme
    internal = next((each for each in listeners if each.scheme == scheme), None)
    if internal is None:
        raise SettingsError(f"inter.instance.protocol={scheme}: no listener speaks it")
    return Settings(
        kafka=kafka,
        listeners=listeners,
        topic=given.get("kafkastore.topic", "_schemas"),
        replication_factor=_number(given, "kafkastore.topic.replication.factor", 3, low=1),
        timeout=_number(given, "kafkastore.timeout.ms", 10_000, low=1) / 1000,
        init_timeout=_number(given, "kafkastore.init.timeout.ms", 60_000, low=1) / 1000,
        group=given.get("schema.registry.group.id", "schema-registry"),
        host=given.get("host.name") or _own_host(internal.host),
        port=_number(given, "host.port", internal.port, low=0),
        scheme=scheme,
        eligible=_flag(given, "leader.eligibility", _flag(given, "master.eligibility", True)),
        session_timeout=_number(given, "schema.registry.session.timeout.ms", 10_000, low=1) / 1000,
        heartbeat_interval=_number(given, "schema.registry.heartbeat.interval.ms", 3_000, low=1) / 1000,
        leader_timeout=_number(given, "leader.read.timeout.ms", 60_000, low=1) / 1000,
        level=_level(given),
        mode_mutability=_flag(given, "mode.mutability", True),
        parsed_kept=_number(given, "schema.cache.size", 1000, low=1),
        most_listed=_number(given, "schema.search.max.limit", 1000, low=1),
        allowed_origins=tuple(each for each in given.get("access.control.allow.origin", "").split(",") if each),
        security=read_security(rest, {each.scheme for each in listeners}),
        unused=tuple(unused),
    )


def _sorted(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    kafka: dict[str, str] = {}
    rest: dict[str, str] = {}
    unused: list[str] = []
    for name, value in given.items():
        bare = name.removeprefix(STORE_PREFIX)
        if name == "kafkastore.bootstrap.servers":
            kafka["bootstrap.servers"] = value
        elif name != bare and bare not in _OWN_OF_STORE:
            if bare in _NO_USE_OF_STORE:
                unused.append(name)
            else:
                kafka[bare] = value
        elif security_setting(name):
            rest[name] = value
        elif name in NO_USE:
            unused.append(name)
        elif name == bare and name not in USED:
            known = USED | NO_USE | NAMES | {STORE_PREFIX + each for each in _OWN_OF_STORE}
            raise unknown_setting(name, sorted(known))
    return kafka, rest, unused


def _listeners(listen: str | None, given: str | None) -> tuple[Listen, ...]:
    if listen:
        scheme, _, address = listen.rpartition("://")
        try:
            return (Listen(scheme or "http", *split_address(address, DEFAULT_PORT)),)
        except ValueError as error:
            raise SettingsError(f"--listen: {error}") from None
    found = []
    for each in (given or f"http://0.0.0.0:{DEFAULT_PORT}").split(","):
        try:
            parts = urlsplit(each.strip())
            scheme, port = parts.scheme.lower(), parts.port
        except ValueError as error:
            raise SettingsError(f"listeners: {each.strip()}: {error}") from None
        if scheme not in ("http", "https"):
            raise SettingsError(f"listeners: {each.strip()}: write http://HOST:PORT or https://HOST:PORT")
        found.append(Listen(scheme, parts.hostname or "", DEFAULT_PORT if port is None else port))
    return tuple(found)


def _own_host(host: str) -> str:
    """Return the address at which others reach this instance, where `host.name` does not say: a pod's own, in a pod."""
    if not is_wildcard(host):
        return host
    return os.environ.get(POD_IP) or os.environ.get("POD_IP") or socket.gethostname()


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


def _flag(given: Mapping[str, str], name: str, default: bool) -> bool:
    text = given.get(name)
    if text is None:
        return default
    if text.lower() not in ("true", "false"):
        raise SettingsError(f"{name}={text}: write true or false")
    return text.lower() == "true"


def _level(given: Mapping[str, str]) -> Level:
    text = given.get("schema.compatibility.level", given.get("avro.compatibility.level", "backward"))
    try:
        return Level.named(text)
    except InvalidCompatibilityError as error:
        raise SettingsError(f"schema.compatibility.level: {error}") from None

"""The settings of `kopfka mirror`, by MM2's names: clusters, and the flows between them.

A flow's setting may stand behind `source->target.` or alone, for every flow; a client's behind the cluster's alias or
alone. Names that MM2 knows and this replicator has no use for are accepted and noted in the log; unknown ones are
refused with the nearest known one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_mirror.names import FLOW, ROLES, WITHOUT_USE
from kopfka_mirror.policy import NameFilter, ReplicationPolicy, name_filter, replication_policy
from kopfka_runtime.errors import SettingsError
from kopfka_runtime.settings import unknown_setting
from kopfka_wire.client.settings import ClientSettings, client_settings, known_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ALIAS: Final = re.compile(r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*")
_CLIENT_NAMES: Final = known_names()


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """One flow; every duration in seconds."""

    source: str
    target: str
    policy: ReplicationPolicy
    topics: NameFilter
    groups: NameFilter
    excluded_configs: NameFilter
    """`takes` tells which configs of topics follow."""
    source_defaults: bool
    refresh_topics: float | None
    """None where a refresh is not enabled, here and below."""
    sync_configs: float | None
    replicate_heartbeats: bool
    checkpoints: float | None
    sync_group_offsets: float | None
    offset_syncs: bool
    offset_lag_max: int
    offset_syncs_at_source: bool
    replication_factors: Mapping[str, int]
    """Of topics, by what stands before `replication.factor`; those that are not set are not in it."""
    offset_partitions: int
    exactly_once: bool
    flush_interval: float
    transaction_interval: float
    read_committed: bool
    from_earliest: bool
    fetch_bytes: int
    partition_fetch_bytes: int
    restart_recreated: bool
    retry_failed: float
    buffer_bytes: int

    @property
    def name(self) -> str:
        """As MM2 writes it."""
        return f"{self.source}->{self.target}"

    @property
    def offsets_topic(self) -> str:
        """Where on the target the positions in the source are: MM2's own topic."""
        return f"mm2-offsets.{self.source}.internal"

    @property
    def map_topic(self) -> str:
        """Where on the target the exact map of offsets is."""
        return f"mm2-kopfka-map.{self.source}.internal"


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """Everything one process does."""

    clusters: Mapping[str, ClientSettings]
    flows: tuple[FlowSettings, ...]
    heartbeats: tuple[tuple[str, str, float], ...]
    """Source, target and interval of heartbeats: where they are emitted is the target, as MM2 has it."""
    unused: tuple[str, ...]


def read_settings(given: Mapping[str, str]) -> MirrorSettings:
    """Read settings.

    Raises:
        SettingsError: one is unknown, malformed or missing, or contradicts another.
    """
    aliases = _list(given.get("clusters", ""))
    if len(aliases) < 2 or len(set(aliases)) != len(aliases):
        raise SettingsError("clusters: name two clusters or more, each by its alias, with commas between")
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            raise SettingsError(f"clusters: {alias!r} is no alias: letters, digits, - and _, which topics are named by")
    pairs = {f"{a}->{b}": (a, b) for a in aliases for b in aliases if a != b}
    found = _sort(given, aliases, pairs)
    clusters = {}
    for alias in aliases:
        own = {
            name: value for name, value in found.common.items() if name in _CLIENT_NAMES and name != "bootstrap.servers"
        }
        own |= found.of_cluster[alias]
        try:
            clusters[alias] = client_settings(own, client_id="kopfka-mirror")
        except SettingsError as error:
            raise SettingsError(f"{alias}.{error}") from None
    flows, heartbeats = [], []
    for name, (source, target) in pairs.items():
        reader = _reader(found, name)
        if reader.flag("enabled"):
            flows.append(_flow(reader, source, target))
    if not flows:
        raise SettingsError(f"no flow is enabled: write {next(iter(pairs))}.enabled = true")
    _refuse_cycles(flows)
    for name, (source, target) in pairs.items():
        every = _reader(found, name).interval("emit.heartbeats")
        # MM2 emits them into a flow's source as well: what arrives on the other side shows that the flow lives
        if every is not None and any({source, target} == {flow.source, flow.target} for flow in flows):
            heartbeats.append((source, target, every))
    return MirrorSettings(clusters, tuple(flows), tuple(heartbeats), tuple(sorted(found.unused)))


def _refuse_cycles(flows: Iterable[FlowSettings]) -> None:
    """Under identity naming nothing tells where a record is from: on a cycle of flows it would go round for ever."""
    onward: dict[str, list[str]] = {}
    for flow in flows:
        if flow.policy.identity:
            onward.setdefault(flow.source, []).append(flow.target)

    def walk(path: list[str]) -> None:
        for target in onward.get(path[-1], ()):
            if target in path:
                way = " -> ".join([*path[path.index(target) :], target])
                raise SettingsError(
                    f"replication.policy.class=IdentityReplicationPolicy: records would go round for ever: {way}; "
                    "use DefaultReplicationPolicy, or take one of these flows away"
                )
            walk([*path, target])

    for source in onward:
        walk([source])


@dataclass(slots=True)
class _Sorted:
    """Settings by what they are of: every flow and cluster, one cluster, one flow; and those without use here."""

    common: dict[str, str]
    of_cluster: dict[str, dict[str, str]]
    of_flow: dict[str, dict[str, str]]
    unused: set[str]


def _sort(given: Mapping[str, str], aliases: list[str], pairs: Iterable[str]) -> _Sorted:
    """Sort settings; refuse those that nobody knows."""
    found = _Sorted({}, {alias: {} for alias in aliases}, {name: {} for name in pairs}, set())
    for name, value in given.items():
        if name == "clusters":
            continue
        flow = next((each for each in found.of_flow if name.startswith(f"{each}.")), None)
        # of aliases of which one begins another, the longer one is meant
        cluster = next((each for each in sorted(aliases, key=len)[::-1] if name.startswith(f"{each}.")), None)
        if flow is not None:
            rest = name.removeprefix(f"{flow}.").removeprefix("source.")
            known, place, names = (
                rest in FLOW,
                found.of_flow[flow],
                [f"{flow}.{each}" for each in (*FLOW, *WITHOUT_USE)],
            )
            accepted = rest in _CLIENT_NAMES
        elif cluster is not None:
            rest = name.removeprefix(f"{cluster}.")
            known, place = rest in _CLIENT_NAMES, found.of_cluster[cluster]
            names = [f"{cluster}.{each}" for each in _CLIENT_NAMES]
            accepted = rest in FLOW
        elif "->" in name:
            raise unknown_setting(name, [f"{each}.{key}" for each in found.of_flow for key in FLOW])
        else:
            rest, place, names = name, found.common, [*FLOW, *WITHOUT_USE, *_CLIENT_NAMES]
            known, accepted = name in FLOW or name in _CLIENT_NAMES, False
        if known:
            place[rest] = value
        elif accepted or _without_use(rest):
            found.unused.add(name)
        else:
            raise unknown_setting(name, names)
    return found


def _without_use(name: str) -> bool:
    if name in WITHOUT_USE:
        return True
    name = re.sub(r"^(source|target)\.(cluster\.)?", "", name)
    name = name.removeprefix("topic.creation.default.")
    for role in ROLES:
        if name.startswith(role):
            return name.removeprefix(role) in _CLIENT_NAMES
    return name in WITHOUT_USE


class _Reader:
    """Values of one flow, read by kind."""

    def __init__(self, flow: str, values: Mapping[str, str]) -> None:
        self._flow = flow
        self._values = values

    def text(self, name: str) -> str:
        return self._values[name].strip()

    def refuse(self, name: str, write: str) -> SettingsError:
        return SettingsError(f"{self._flow}.{name}={self._values[name]}: write {write}")

    def flag(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in ("true", "false"):
            raise self.refuse(name, "true or false")
        return value == "true"

    def number(self, name: str, least: int = 1) -> int:
        value = self.text(name)
        if not value.isascii() or not value.isdigit() or int(value) < least:
            raise self.refuse(name, f"a whole number, {least} or more")
        return int(value)

    def interval(self, name: str) -> float | None:
        """An interval is off by `enabled`, or by a negative number of seconds."""
        if not self.flag(f"{name}.enabled") or self.text(f"{name}.interval.seconds").startswith("-"):
            return None
        return float(self.number(f"{name}.interval.seconds"))

    def one_of(self, name: str, *values: str) -> str:
        value = self.text(name).lower()
        if value not in values:
            raise self.refuse(name, " or ".join(values))
        return value


def _reader(found: _Sorted, flow: str) -> _Reader:
    common = {key: value for key, value in found.common.items() if key in FLOW}
    return _Reader(flow, FLOW | common | found.of_flow[flow])


def _flow(reader: _Reader, source: str, target: str) -> FlowSettings:
    support = reader.one_of("exactly.once.source.support", "disabled", "preparing", "enabled")
    committed = reader.one_of("consumer.isolation.level", "read_committed", "read_uncommitted") == "read_committed"
    if support == "enabled" and not committed:
        raise SettingsError(
            f"{source}->{target}: exactly.once.source.support=enabled needs consumer.isolation.level=read_committed"
        )
    factors = {}
    for kind in ("", "heartbeats.topic.", "checkpoints.topic.", "offset-syncs.topic.", "offset.storage."):
        name = f"{kind}replication.factor"
        if reader.text(name) and reader.text(name) != "-1":
            factors[kind] = reader.number(name)
    return FlowSettings(
        source=source,
        target=target,
        policy=replication_policy(
            reader.text("replication.policy.class"),
            source,
            reader.text("replication.policy.separator"),
            separator_in_internal=reader.flag("replication.policy.internal.topic.separator.enabled"),
        ),
        topics=name_filter("topics", _list(reader.text("topics")), _list(reader.text("topics.exclude"))),
        groups=name_filter("groups", _list(reader.text("groups")), _list(reader.text("groups.exclude"))),
        excluded_configs=name_filter("config.properties", (".*",), _list(reader.text("config.properties.exclude"))),
        source_defaults=reader.one_of("use.defaults.from", "target", "source") == "source",
        refresh_topics=reader.interval("refresh.topics"),
        sync_configs=reader.interval("sync.topic.configs"),
        replicate_heartbeats=reader.flag("heartbeats.replication.enabled"),
        checkpoints=reader.interval("emit.checkpoints"),
        sync_group_offsets=reader.interval("sync.group.offsets"),
        offset_syncs=reader.flag("emit.offset-syncs.enabled"),
        offset_lag_max=reader.number("offset.lag.max", least=0),
        offset_syncs_at_source=reader.one_of("offset-syncs.topic.location", "source", "target") == "source",
        replication_factors=factors,
        offset_partitions=reader.number("offset.storage.partitions"),
        exactly_once=support == "enabled",
        flush_interval=reader.number("offset.flush.interval.ms") / 1000,
        transaction_interval=reader.number("transaction.boundary.interval.ms") / 1000,
        read_committed=committed,
        from_earliest=reader.one_of("consumer.auto.offset.reset", "earliest", "latest") == "earliest",
        fetch_bytes=reader.number("consumer.fetch.max.bytes"),
        partition_fetch_bytes=reader.number("consumer.max.partition.fetch.bytes"),
        restart_recreated=reader.one_of("kopfka.recreated.topics", "stop", "restart") == "restart",
        retry_failed=reader.number("kopfka.retry.failed.partitions.ms") / 1000,
        buffer_bytes=reader.number("kopfka.buffer.bytes"),
    )


def _list(text: str) -> list[str]:
    return [part for part in (each.strip() for each in text.split(",")) if part]

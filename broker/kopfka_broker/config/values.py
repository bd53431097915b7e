"""The values in force: of the broker, from its file and from what was altered while it ran; of a topic, over those.

Altered broker configs are kept in one file of the data folder, since Kafka's metadata log, where Kafka keeps them, is
not here. Precedence and the order of synonyms are Kafka's: altered for this broker, altered for all, file, default.
"""

from __future__ import annotations

import copy
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_broker.config.definitions import Definition, Synonym, definitions
from kopfka_broker.config.listener import listener_setting, setting_definition
from kopfka_broker.storage.config import LogConfig
from kopfka_runtime.errors import SettingsError
from kopfka_runtime.settings import unknown_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_broker.metadata_store import Document, MetadataStore

_ALTERED = "altered-broker-configs"

OF_THE_AUTHORIZER = frozenset({"super.users", "allow.everyone.if.no.acl.found"})
"""Settings that Kafka leaves to its authorizer, a plug-in: they stand in the file and are no broker configs."""


class Source(enum.IntEnum):
    """Where a value comes from, numbered as DescribeConfigs numbers it."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    DYNAMIC_CLIENT_METRICS = 7
    DYNAMIC_GROUP = 8


@dataclass(frozen=True, slots=True)
class Value:
    """One value of one config and its source; `text` is None where there is none."""

    name: str
    text: str | None
    source: Source


class BrokerConfig:
    """Every config of this broker."""

    def __init__(self, file_settings: Mapping[str, str], node_id: int | None = None) -> None:
        """Check the settings of a `server.properties`.

        Raises:
            SettingsError: a name is unknown or a value malformed.
        """
        self._definitions = definitions().broker
        for name, text in file_settings.items():
            if name in OF_THE_AUTHORIZER:
                continue
            definition = setting_definition(name)
            if definition is None:
                raise unknown_setting(name, {*self._definitions, *OF_THE_AUTHORIZER})
            definition.parse(text)
        self.file_settings = dict(file_settings)
        self.altered: dict[str, dict[str, str]] = {"": {}}
        self._document: Document | None = None
        self.node_id = node_id if node_id is not None else self._file_node_id()
        self._listeners: list[Callable[[], None]] = []
        self._checks: list[Callable[[BrokerConfig], None]] = []
        self._parsed: dict[str, Any] = {}
        self._defaults: LogConfig | None = None

    def _file_node_id(self) -> int:
        for name in ("node.id", "broker.id"):
            if name in self.file_settings and int(self.file_settings[name]) >= 0:
                return int(self.file_settings[name])
        return 1

    def load_altered(self, store: MetadataStore) -> None:
        """Read what was altered while a broker ran over this data folder.

        Raises:
            DataFolderError: the file was damaged by hand.
        """
        self._document = store.document(_ALTERED, secret=True)  # passwords of key stores may be among them
        loaded = self._document.load()
        if loaded is not None:
            self.altered = {"": {}} | loaded
            self._forget()

    def alter(self, broker: str, settings: dict[str, str]) -> None:
        """Replace what was altered for `broker` (its id, or empty for all) and keep it, durably.

        Raises:
            KafkaStorageError: it cannot be kept; nothing has changed.
        """
        altered = self.altered | {broker: settings}
        if self._document is not None:
            self._document.save(altered)
        self.altered = altered
        self._forget()
        for listener in self._listeners:
            listener()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after a broker config was altered."""
        self._listeners.append(callback)

    def on_check(self, callback: Callable[[BrokerConfig], None]) -> None:
        """Call back with a configuration that is to be, before it is altered; it raises SettingsError to refuse it."""
        self._checks.append(callback)

    def check(self, broker: str, settings: dict[str, str]) -> None:
        """Check what is to replace the settings altered for `broker` (its id, or empty for all).

        Raises:
            SettingsError: a part of the broker could not work by them.
        """
        proposed = copy.copy(self)
        proposed.altered = self.altered | {broker: settings}
        proposed._parsed = {}
        for callback in self._checks:
            callback(proposed)

    def _forget(self) -> None:
        self._parsed.clear()
        self._defaults = None

    def values(self, name: str) -> list[Value]:
        """Return every value that `name` (a broker config) has, the one in force first, its default last."""
        definition = self._definitions[name]
        synonyms = definition.synonyms or (Synonym(name),)
        found: list[Value] = []
        own = str(self.node_id)
        for synonym in synonyms:
            for broker, source in ((own, Source.DYNAMIC_BROKER), ("", Source.DYNAMIC_DEFAULT_BROKER)):
                text = self.altered.get(broker, {}).get(synonym.name)
                if text is not None:
                    found.append(Value(synonym.name, text, source))
            text = self.file_settings.get(synonym.name)
            if text is not None:
                found.append(Value(synonym.name, text, Source.STATIC_BROKER))
        found.sort(key=lambda value: value.source)
        for synonym in synonyms:
            default = self._definitions[synonym.name].default
            if default is not None:
                found.append(Value(synonym.name, default, Source.DEFAULT))
        return found

    def get(self, name: str) -> Any:
        """Return the parsed value of a broker config (None where it has none), its synonyms left aside."""
        if name not in self._parsed:
            own = [value for value in self.values(name) if value.name == name]
            self._parsed[name] = self._definitions[name].parse(own[0].text) if own and own[0].text is not None else None
        return self._parsed[name]

    def set_text(self, name: str) -> str | None:
        """Return what stands under this very name (any listener's too): altered or in the file, None where nothing."""
        for settings in (self.altered.get(str(self.node_id), {}), self.altered[""], self.file_settings):
            if name in settings:
                return settings[name]
        return None

    def number(self, name: str) -> int:
        """Return the value of a config that is a whole number."""
        return int(self.get(name))

    def topic_values(self, name: str, overrides: Mapping[str, str]) -> list[Value]:
        """Return every value that `name` (a topic config) has for a topic, the one in force first, its default last."""
        definition = definitions().topic[name]
        found: list[Value] = []
        if name in overrides:
            found.append(Value(name, overrides[name], Source.DYNAMIC_TOPIC))
        for synonym in definition.synonyms:
            own = [value for value in self.values(synonym.name) if value.name == synonym.name]
            found += [Value(each.name, scaled(each.text, synonym.factor), each.source) for each in own]
        found.sort(key=lambda value: value.source)
        if not definition.synonyms:
            found.append(Value(name, definition.default, Source.DEFAULT))
        return found

    def log_config(self, overrides: Mapping[str, str]) -> LogConfig:
        """Return what storage is to do for a topic with these overrides."""
        if self._defaults is None:
            texts = {name: self.topic_values(name, {})[0].text for name in definitions().topic}
            self._defaults = LogConfig().overridden({name: text for name, text in texts.items() if text is not None})
        effective = dict(overrides)
        # Kafka's own tests, and ours, roll small segments by it; it wins over segment.bytes
        if "internal.segment.bytes" in effective:
            effective["segment.bytes"] = effective["internal.segment.bytes"]
        return self._defaults.overridden(effective)

    def unused(self, used: frozenset[str]) -> list[str]:
        """Return the names in the file that this broker takes no notice of."""
        topical = {synonym.name for each in definitions().topic.values() for synonym in each.synonyms}
        names = set(self.file_settings) - topical - OF_THE_AUTHORIZER
        return sorted(name for name in names if (listener_setting(name) or ("", name))[1] not in used)


def scaled(text: str | None, factor: int) -> str | None:
    """Return a number in the topic config's unit; negative ones mean "no limit" in any unit."""
    if text is None or factor == 1:
        return text
    return str(int(text) * factor) if int(text) >= 0 else "-1"


def check_topic_configs(overrides: Mapping[str, str | None]) -> None:
    """Check a topic's own settings as Kafka does on creation.

    Raises:
        SettingsError: the first that is unknown or malformed.
    """
    known = definitions().topic
    for name in overrides:
        if name not in known:
            raise SettingsError(f"Unknown topic config name: {name}")
    for name, text in overrides.items():
        definition: Definition = known[name]
        if text is None:
            raise SettingsError(f"Null value not supported for topic configs: {name}")
        definition.parse(text)
    shortest, longest = (
        int(overrides.get(name) or known[name].default or 0)
        for name in ("min.compaction.lag.ms", "max.compaction.lag.ms")
    )
    if shortest > longest:
        raise SettingsError(
            f"conflict topic config setting min.compaction.lag.ms ({shortest}) > max.compaction.lag.ms ({longest})"
        )

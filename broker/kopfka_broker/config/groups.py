"""Configs of single groups (`consumer.*`, `share.*`, `streams.*`): over the broker's `group.*`, within its bounds.

A group has what it was given, else what the broker says for all groups. A value that was within the broker's bounds
when it was given and no longer is counts as the bound (KIP-848, `GroupConfig`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kopfka_broker.config.definitions import definitions
from kopfka_broker.config.resources import ResourceConfigs
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kopfka_broker.config.definitions import Definition
    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.metadata_store import MetadataStore

# in the order in which Kafka checks them; each has the broker's bounds group.PROTOCOL.min.REST and .max.REST
_BOUNDED: Final = (
    "consumer.heartbeat.interval.ms", "consumer.session.timeout.ms", "consumer.assignment.interval.ms",
    "share.heartbeat.interval.ms", "share.session.timeout.ms", "share.record.lock.duration.ms",
    "share.delivery.count.limit", "share.partition.max.record.locks", "share.assignment.interval.ms",
    "streams.heartbeat.interval.ms", "streams.session.timeout.ms", "streams.num.standby.replicas",
    "streams.assignment.interval.ms",
)  # fmt: skip
_PROTOCOLS: Final = ("consumer", "share", "streams")
_OFFSET_RESET: Final = "share.auto.offset.reset"
_BY_DURATION: Final = "by_duration:"
# java.time.Duration.parse
_DURATION = re.compile(
    r"([-+]?)P(?:([-+]?\d+)D)?(?:T(?=[-+\d])(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+)(?:[.,](\d{0,9}))?S)?)?",
    re.IGNORECASE,
)


class GroupConfigs:
    """The configs of every group."""

    def __init__(self, config: BrokerConfig, documents: MetadataStore) -> None:
        self._config = config
        self._resources = ResourceConfigs(documents.document("group-configs"))

    def load(self) -> None:
        """Read what was altered before.

        Raises:
            DataFolderError: the document was damaged or is of a newer Kopfka.
        """
        self._resources.load()

    def names(self) -> Iterable[str]:
        """Return the groups that have configs of their own."""
        return self._resources.names()

    def of(self, group: str) -> Mapping[str, str]:
        """Return the configs a group was given, as they were given."""
        return self._resources.of(group)

    def get(self, group: str, name: str) -> Any:
        """Return the value in force of a group's config, for instance `consumer.session.timeout.ms`."""
        definition = definitions().group[name]
        own = self.of(group).get(name)
        if own is None:
            return self._default(definition)
        value = definition.parse(own)
        low, high = self._bounds(name)
        if low is not None:
            value = max(value, self._config.get(low))
        return value if high is None else min(value, self._config.get(high))

    def alter(self, group: str, settings: Mapping[str, str]) -> None:
        """Replace the configs of a group, which the caller has checked; durably.

        Raises:
            KafkaStorageError: it cannot be kept; nothing has changed.
        """
        self._resources.alter(group, settings)

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Call back with a group's name after its configs were altered."""
        self._resources.on_change(callback)

    def check(self, settings: Mapping[str, str]) -> None:
        """Check configs given to a group, as Kafka does and in its words.

        Raises:
            SettingsError: the first that is unknown, malformed or out of the broker's bounds.
        """
        known = definitions().group
        for name in settings:
            if name not in known:
                raise SettingsError(f"Unknown group config name: {name}")
        values = {name: known[name].parse(text) for name, text in settings.items()}
        if _OFFSET_RESET in settings:
            offset_reset(settings[_OFFSET_RESET])
        for name, low, high in self._bounded():
            if name not in values:
                continue
            if low is not None and values[name] < self._config.number(low):
                raise SettingsError(f"{name} must be greater than or equal to {low}")
            if high is not None and values[name] > self._config.number(high):
                raise SettingsError(f"{name} must be less than or equal to {high}")
        for protocol in _PROTOCOLS:
            session, beat = f"{protocol}.session.timeout.ms", f"{protocol}.heartbeat.interval.ms"
            if values.get(session, self._default(known[session])) <= values.get(beat, self._default(known[beat])):
                raise SettingsError(f"{session} must be greater than {beat}")

    def _default(self, definition: Definition) -> Any:
        if definition.synonyms:
            return self._config.get(definition.synonyms[0].name)
        return None if definition.default is None else definition.parse(definition.default)

    def _bounded(self) -> Iterator[tuple[str, str | None, str | None]]:
        for name in _BOUNDED:
            yield name, *self._bounds(name)

    @staticmethod
    def _bounds(name: str) -> tuple[str | None, str | None]:
        """Return the broker configs that are the bounds of a group's config."""
        protocol, _, rest = name.partition(".")
        rest = rest.removeprefix("num.")
        known = definitions().broker
        low, high = f"group.{protocol}.min.{rest}", f"group.{protocol}.max.{rest}"
        return low if low in known else None, high if high in known else None


def offset_reset(text: str) -> str | int:
    """Return what a value of share.auto.offset.reset says: `earliest`, `latest`, or so many milliseconds ago.

    Raises:
        SettingsError: it says something else.
    """
    if text in ("earliest", "latest"):
        return text
    if text.startswith(_BY_DURATION):
        found = _DURATION.fullmatch(text.removeprefix(_BY_DURATION))
        if found and any(part is not None for part in found.groups()[1:5]):
            sign, days, hours, minutes, seconds, fraction = found.groups()
            whole = ((int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
            rest = int((fraction or "").ljust(9, "0")[:3] or 0)
            millis = whole * 1000 + (-rest if (seconds or "").startswith("-") else rest)
            if sign != "-" and millis >= 0:
                return millis
    raise SettingsError(
        f"Invalid value {text} for configuration {_OFFSET_RESET}: Invalid value `{text}` for configuration "
        f"{_OFFSET_RESET}. The value must be either 'earliest', 'latest' or of the format "
        "'by_duration:<PnDTnHnMn.nS>'."
    )

"""What Apache Kafka 4.3.1 defines about configs: type, default, documentation, bounds, synonyms.

Of brokers, topics, groups (KIP-848, KIP-932, KIP-1071) and client metrics (KIP-714).

The data file `kafka.json` beside this module is printed by `broker/tools/DumpConfigs.java` from Kafka's jars. Values
are parsed and checked here as Kafka does, with its messages; what a value means to this broker is not decided here.
"""

from __future__ import annotations

import enum
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kopfka_broker.config import confluent
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ConfigType(enum.IntEnum):
    """The types of values, numbered as DescribeConfigs numbers them."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


_OWN: dict[str, dict[str, Any]] = {
    "kopfka.slow.request.ms": {
        "type": "LONG",
        "default": "1000",
        "valid": "[-1,...]",
        "doc": "Requests that take longer are told in the log; -1 for none.",
        "update": "cluster-wide",
    },
    "kopfka.acks.all.fsync": {
        "type": "BOOLEAN",
        "default": "true",
        "doc": "Whether acks=all, and what coordinators keep, is answered after fsync; otherwise after the write, as "
        "Apache Kafka does by default: kill -9 loses nothing then, a loss of power what the system had not written.",
        "update": "cluster-wide",
    },
}
"""Broker configs that Kafka does not have."""

_WHOLE_BITS = {ConfigType.SHORT: 16, ConfigType.INT: 32, ConfigType.LONG: 64}
_BOUNDS = re.compile(r"\[(-?[\d.]+),\.\.\.(?:,(-?[\d.]+))?\](?: or (-?\d+))?$")
_CHOICE = re.compile(r"(\(case insensitive\) )?\[([^\]:]+)\]$")


@dataclass(frozen=True, slots=True)
class Synonym:
    """A broker config that gives a topic config its default; `factor` turns its unit into the topic's (hours to ms)."""

    name: str
    factor: int = 1


@dataclass(frozen=True, slots=True)
class Definition:
    """One config."""

    name: str
    type: ConfigType
    default: str | None
    required: bool
    doc: str
    valid: str
    internal: bool
    """Whether it is shown only where somebody has set it."""
    update: str
    """`read-only`, `per-broker` or `cluster-wide`: how a broker config may change while the broker runs."""
    synonyms: tuple[Synonym, ...]
    """Of a broker config: the names that set the same thing, strongest first. Of others: the broker's names."""

    hidden: bool = True
    """Of a config whose type nobody knows: whether its value is hidden, as that of a plug-in's setting is."""

    @property
    def sensitive(self) -> bool:
        """Whether the value is never shown; nobody knows what a setting of a plug-in holds."""
        return self.type is ConfigType.PASSWORD or (self.type is ConfigType.UNKNOWN and self.hidden)

    def parse(self, text: str) -> Any:
        """Return the value `text` stands for: bool, int, float, str or list of str.

        Raises:
            SettingsError: it is none of this type, or out of bounds; the message is Kafka's.
        """
        value = self._convert(text.strip())
        self._check(value)
        return value

    def _convert(self, text: str) -> Any:
        kind = self.type
        if kind is ConfigType.BOOLEAN:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
            raise self.invalid(text, "Expected value to be either true or false")
        if kind in _WHOLE_BITS:
            limit = 1 << (_WHOLE_BITS[kind] - 1)
            if re.fullmatch(r"[+-]?[0-9]+", text) and -limit <= int(text) < limit:
                return int(text)
            raise self.invalid(text, f"Not a number of type {kind.name}")
        if kind is ConfigType.DOUBLE:
            try:
                return float(text)
            except ValueError:
                raise self.invalid(text, "Not a number of type DOUBLE") from None
        if kind is ConfigType.LIST:
            return re.split(r"\s*,\s*", text) if text else []
        return text

    def _check(self, value: Any) -> None:
        bounds = _BOUNDS.match(self.valid)
        if bounds and not isinstance(value, str | list):
            low, high, other = bounds.groups()
            if other is not None and value == int(other):
                return
            if value < float(low):
                raise self.invalid(value, f"Value must be at least {low}")
            if high is not None and value > float(high):
                raise self.invalid(value, f"Value must be no more than {high}")
            return
        choice = None if bounds else _CHOICE.match(self.valid)
        if choice:
            allowed = choice.group(2).split(", ")
            for word in value if isinstance(value, list) else [value]:
                known = word.lower() in map(str.lower, allowed) if choice.group(1) else word in allowed
                if not known:
                    raise self.invalid(word, f"String must be one of: {', '.join(allowed)}")
        elif self.valid == "non-empty string" and not value:
            raise self.invalid(value, "String must be non-empty")

    def invalid(self, value: object, why: str) -> SettingsError:
        """Return the error for a value that cannot be, in Kafka's words."""
        return SettingsError(f"Invalid value {value} for configuration {self.name}: {why}")


@dataclass(frozen=True, slots=True)
class Definitions:
    """All of them."""

    broker: Mapping[str, Definition]
    topic: Mapping[str, Definition]
    group: Mapping[str, Definition]
    client_metrics: Mapping[str, Definition]


@functools.cache
def definitions() -> Definitions:
    """Read the data file, once."""
    data = json.loads(Path(__file__).with_name("kafka.json").read_bytes())
    return Definitions(
        *(
            {name: _definition(name, entry) for name, entry in entries.items()}
            for entries in (
                data["broker"] | _OWN | confluent.BROKER,
                data["topic"] | confluent.TOPIC,
                data["group"],
                data["client-metrics"],
            )
        ),
    )


def unknown_definition(name: str, *, sensitive: bool = True) -> Definition:
    """Return what is assumed of a broker config that Kafka does not define: a setting of a plug-in, which it keeps."""
    return Definition(name, ConfigType.UNKNOWN, None, False, "", "", False, "read-only", (), sensitive)


def _definition(name: str, entry: dict[str, Any]) -> Definition:
    synonyms = tuple(
        Synonym(each) if isinstance(each, str) else Synonym(each[0], int(each[1])) for each in entry.get("synonyms", ())
    )
    return Definition(
        name,
        ConfigType[entry["type"]],
        entry.get("default"),
        "default" not in entry,
        entry["doc"],
        entry.get("valid", ""),
        entry.get("internal", False),
        entry.get("update", "read-only"),
        synonyms,
    )

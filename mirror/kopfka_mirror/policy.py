"""What topics are called on the other side, which are mirrored, and which never are: MM2's policies and filters.

Knows names only; what exists is `topics`' business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

HEARTBEATS: Final = "heartbeats"
_PACKAGE: Final = "org.apache.kafka.connect.mirror."
POLICIES: Final = ("DefaultReplicationPolicy", "IdentityReplicationPolicy")


@dataclass(frozen=True, slots=True)
class ReplicationPolicy:
    """`replication.policy.class`: DefaultReplicationPolicy, or IdentityReplicationPolicy where `identity` is set."""

    identity: bool = False
    source: str = ""
    """The alias of the source, which under identity naming is the only way to tell where a topic is from."""
    separator: str = "."
    """`replication.policy.separator`."""
    internal_separator: str = "."
    """The same, or a dot where `replication.policy.internal.topic.separator.enabled` is false."""

    def remote(self, alias: str, topic: str) -> str:
        """Return what a topic of the cluster `alias` is called elsewhere."""
        if self.identity and self._plain_original(topic) != HEARTBEATS:
            return topic
        return f"{alias}{self.separator}{topic}"

    def origin(self, topic: str) -> str | None:
        """Return the alias of the cluster that a topic was mirrored from, None where it was not."""
        if self.identity and self._plain_original(topic) != HEARTBEATS:
            return self.source
        return self._prefix(topic)

    def upstream(self, topic: str) -> str | None:
        """Return what a mirrored topic is called where it was mirrored from."""
        if self.identity and self._plain_original(topic) != HEARTBEATS:
            return topic
        prefix = self._prefix(topic)
        return None if prefix is None else topic[len(prefix) + len(self.separator) :]

    def is_heartbeats(self, topic: str) -> bool:
        """Tell whether this is `heartbeats`, here or mirrored from anywhere."""
        return self._plain_original(topic) == HEARTBEATS

    def is_internal(self, topic: str) -> bool:
        """Tell whether Kafka, Connect or MM2 keep their own things in it."""
        end = f"{self.internal_separator}internal"
        return (
            topic.startswith(("__", "."))
            or (topic.startswith("mm2") and topic.endswith(end))
            or topic.endswith(f"{self.internal_separator}checkpoints{end}")
        )

    def is_cycle(self, topic: str, target: str) -> bool:
        """Tell whether a topic came from `target`, on whatever way: it is not sent back."""
        seen: str | None = topic
        while seen:
            origin, upstream = self.origin(seen), self.upstream(seen)
            if origin is None:
                return False
            if origin == target:
                return True
            if upstream is None or upstream == seen:
                return False
            seen = upstream
        return False

    def offset_syncs_topic(self, alias: str) -> str:
        """Return the name of the topic of offset syncs."""
        return f"mm2-offset-syncs{self.internal_separator}{alias}{self.internal_separator}internal"

    def checkpoints_topic(self, alias: str) -> str:
        """Return the name of the topic of checkpoints."""
        return f"{alias}{self.internal_separator}checkpoints{self.internal_separator}internal"

    def _prefix(self, topic: str) -> str | None:
        prefix, found, _ = topic.partition(self.separator)
        return prefix if found else None

    def _plain_original(self, topic: str) -> str:
        while (prefix := self._prefix(topic)) is not None:
            topic = topic[len(prefix) + len(self.separator) :]
        return topic


def replication_policy(
    class_name: str, source: str, separator: str, *, separator_in_internal: bool
) -> ReplicationPolicy:
    """Return the policy of that class.

    Raises:
        SettingsError: it is none of MM2's.
    """
    name = class_name.removeprefix(_PACKAGE)
    if name not in POLICIES:
        raise SettingsError(
            f"replication.policy.class={class_name}: Java classes cannot be loaded here; write "
            + " or ".join(_PACKAGE + each for each in POLICIES)
        )
    if not separator:
        raise SettingsError("replication.policy.separator is empty: remote topics could not be told from others")
    internal = separator if separator_in_internal else "."
    return ReplicationPolicy(name == POLICIES[1], source, separator, internal)


@dataclass(frozen=True, slots=True)
class NameFilter:
    """Names that match one of the wanted patterns as a whole, and none of the excluded ones."""

    wanted: re.Pattern[str]
    excluded: re.Pattern[str]

    def takes(self, name: str) -> bool:
        """Tell whether a name is wanted."""
        return self.wanted.fullmatch(name) is not None and self.excluded.fullmatch(name) is None


def name_filter(setting: str, wanted: Iterable[str], excluded: Iterable[str]) -> NameFilter:
    """Return the filter of two lists of regular expressions.

    Raises:
        SettingsError: one of them is no regular expression.
    """
    return NameFilter(_pattern(setting, wanted), _pattern(f"{setting}.exclude", excluded))


def _pattern(setting: str, parts: Iterable[str]) -> re.Pattern[str]:
    parts = list(parts)
    for part in parts:
        try:
            re.compile(part)
        except re.error as error:
            raise SettingsError(f"{setting}: {part!r} is no regular expression: {error}") from None
    return re.compile("|".join(f"(?:{part})" for part in parts) if parts else "(?!)")

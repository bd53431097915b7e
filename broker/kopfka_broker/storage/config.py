"""What a topic's configuration means to storage: the configs of Kafka that the log acts on, with Kafka's defaults.

Names, documentation and validation of every topic config live in `kopfka_broker.config`; here are only parsed values.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_runtime.errors import SettingsError
from kopfka_wire.compression import GZIP, LZ4, NAMES, ZSTD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEEP_COMPRESSION = -1
"""`compression.type` is `producer`: batches stay as they come."""

_MAX_LONG = 2**63 - 1
_HOUR_MS = 60 * 60 * 1000
_DAY_MS = 24 * _HOUR_MS


def _policies(text: str) -> frozenset[str]:
    found = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
    if not found <= {"compact", "delete"}:
        raise ValueError
    return found


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.strip().lower()]


def _timestamp_type(text: str) -> str:
    return {"createtime": "CreateTime", "logappendtime": "LogAppendTime"}[text.strip().lower()]


def _compression(text: str) -> int:
    """The codec's number in batch attributes."""
    name = text.strip().lower()
    return KEEP_COMPRESSION if name == "producer" else NAMES.index("none" if name == "uncompressed" else name)


def _named(name: str, default: Any, parse: Callable[[str], Any] = int) -> Any:
    return field(default=default, metadata={"name": name, "parse": parse})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Parsed topic configs; sizes in bytes, times in milliseconds, -1 as in Kafka for no limit."""

    segment_bytes: int = _named("segment.bytes", 1024**3)
    segment_ms: int = _named("segment.ms", 7 * _DAY_MS)
    segment_jitter_ms: int = _named("segment.jitter.ms", 0)
    segment_index_bytes: int = _named("segment.index.bytes", 10 * 1024**2)
    index_interval_bytes: int = _named("index.interval.bytes", 4096)
    retention_ms: int = _named("retention.ms", 7 * _DAY_MS)
    retention_bytes: int = _named("retention.bytes", -1)
    file_delete_delay_ms: int = _named("file.delete.delay.ms", 60_000)
    max_message_bytes: int = _named("max.message.bytes", 1024**2 + 12)
    flush_messages: int = _named("flush.messages", _MAX_LONG)
    flush_ms: int = _named("flush.ms", _MAX_LONG)
    message_timestamp_type: str = _named("message.timestamp.type", "CreateTime", _timestamp_type)
    message_timestamp_before_max_ms: int = _named("message.timestamp.before.max.ms", _MAX_LONG)
    message_timestamp_after_max_ms: int = _named("message.timestamp.after.max.ms", _HOUR_MS)
    cleanup_policy: frozenset[str] = _named("cleanup.policy", frozenset({"delete"}), _policies)
    delete_retention_ms: int = _named("delete.retention.ms", _DAY_MS)
    min_cleanable_dirty_ratio: float = _named("min.cleanable.dirty.ratio", 0.5, float)
    min_compaction_lag_ms: int = _named("min.compaction.lag.ms", 0)
    max_compaction_lag_ms: int = _named("max.compaction.lag.ms", _MAX_LONG)
    compression_type: int = _named("compression.type", KEEP_COMPRESSION, _compression)
    compression_gzip_level: int = _named("compression.gzip.level", -1)
    compression_lz4_level: int = _named("compression.lz4.level", 9)
    compression_zstd_level: int = _named("compression.zstd.level", 3)
    key_schemas: bool = _named("confluent.key.schema.validation", False, _boolean)
    value_schemas: bool = _named("confluent.value.schema.validation", False, _boolean)
    checks_schemas: bool = field(init=False)
    """Whether records are appended only once `kopfka_broker.schemas` has let them pass; whoever appends sees to it."""
    plain: bool = field(init=False)
    """Whether batches are taken as they come, and nothing is to be done after: what no one sets makes a topic so."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks_schemas", self.key_schemas or self.value_schemas)
        plain = (
            self.compression_type == KEEP_COMPRESSION
            and not self.stamps_append_time
            and self.message_timestamp_before_max_ms == _MAX_LONG
            and not self.compacts
            and not self.flushes
            and not self.checks_schemas
        )
        object.__setattr__(self, "plain", plain)

    @property
    def deletes(self) -> bool:
        """Whether old segments are deleted by time and size."""
        return "delete" in self.cleanup_policy

    @property
    def compacts(self) -> bool:
        """Whether the newest record of each key is kept; such a topic takes no record without a key."""
        return "compact" in self.cleanup_policy

    @property
    def roll_ms(self) -> int:
        """How long a segment takes records: `segment.ms`, or less where compaction may not wait that long."""
        if self.compacts and 0 < self.max_compaction_lag_ms < self.segment_ms:
            return self.max_compaction_lag_ms
        return self.segment_ms

    @property
    def compression_level(self) -> int | None:
        """The level of the topic's own codec, None where that has none."""
        levels = {
            GZIP: self.compression_gzip_level,
            LZ4: self.compression_lz4_level,
            ZSTD: self.compression_zstd_level,
        }
        return levels.get(self.compression_type)

    def jitter_ms(self) -> int:
        """By how much earlier than `segment.ms` a new segment is to be rolled, so that not all are at once."""
        most = min(self.segment_jitter_ms, self.segment_ms)
        return random.randrange(most) if most > 0 else 0

    @property
    def stamps_append_time(self) -> bool:
        """Whether records get the time of their append."""
        return self.message_timestamp_type == "LogAppendTime"

    @property
    def flushes_by_time(self) -> bool:
        """Whether `flush.ms` says anything; by default the operating system decides when unacknowledged data goes."""
        return self.flush_ms < _MAX_LONG

    @property
    def flushes(self) -> bool:
        """Whether `flush.ms` or `flush.messages` says anything."""
        return self.flush_messages < _MAX_LONG or self.flush_ms < _MAX_LONG

    def overridden(self, overrides: Mapping[str, str]) -> LogConfig:
        """Return this config with a topic's own settings; names that storage does not act on are passed over.

        Raises:
            SettingsError: a value is malformed.
        """
        values: dict[str, Any] = {}
        for name, text in overrides.items():
            known = _BY_NAME.get(name)
            if known is None:
                continue
            try:
                values[known.name] = known.metadata["parse"](text)
            except (ValueError, KeyError):
                raise SettingsError(f"{text!r} is not a value for {name}") from None
        return dataclasses.replace(self, **values) if values else self


_BY_NAME = {entry.metadata["name"]: entry for entry in dataclasses.fields(LogConfig) if entry.init}

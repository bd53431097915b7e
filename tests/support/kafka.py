"""Apache Kafka as the peer that decides what is right; `kopfka_bench.brokers.kafka` has what measurements start too."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

from kopfka_bench.brokers import kafka
from kopfka_bench.brokers.kafka import serves
from support.java import kafka_classpath
from support.prerequisites import need_java
from support.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["CODECS", "ApacheKafka", "running_kafka", "serves", "stored_codecs"]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_ATTRIBUTES = 21  # offset 8, length 4, leader epoch 4, magic 1, checksum 4


class ApacheKafka(kafka.ApacheKafka):
    """One combined broker and controller; where it cannot run the test is skipped."""

    def start(self, *, wait: bool = True) -> None:
        """Format the data folder if it is new, start the broker, and wait until it answers."""
        need_java()
        super().start(wait=wait)

    def classpath(self) -> str:
        """Return where its classes are, plug-ins of the tests among them."""
        return kafka_classpath()


def stored_codecs(data: Path, topic: str) -> set[str]:
    """Return the compressions of the record batches in a topic's files, read from the batches' headers."""
    codecs = set()
    for segment in data.glob(f"{topic}-*/*.log"):
        content, position = segment.read_bytes(), 0
        while position + _ATTRIBUTES + 2 <= len(content):
            (length,) = struct.unpack_from(">i", content, position + 8)
            (attributes,) = struct.unpack_from(">h", content, position + _ATTRIBUTES)
            codecs.add(CODECS[attributes & 7])
            position += 12 + length
    return codecs


@contextlib.contextmanager
def running_kafka(data: Path, config: str = "", listeners: Sequence[str] = ()) -> Iterator[ApacheKafka]:
    """Run Apache Kafka over the folder `data` for the length of the block."""
    with running(ApacheKafka(data, config, listeners=listeners), ApacheKafka.kill) as broker:
        yield broker

"""Replicators as child processes: `kopfka mirror`, and Apache Kafka's MirrorMaker 2 in its dedicated mode."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kopfka_bench.brokers import java
from kopfka_bench.brokers.processes import ServerProcess
from kopfka_bench.figures import KOPFKA

if TYPE_CHECKING:
    from pathlib import Path

_FACTORS = (
    "replication.factor",
    "checkpoints.topic.replication.factor",
    "heartbeats.topic.replication.factor",
    "offset-syncs.topic.replication.factor",
    "offset.storage.replication.factor",
    "config.storage.replication.factor",
    "status.storage.replication.factor",
)
_HEAP = "1g"
_FLAGS = ("-XX:+UseG1GC",)
"""MirrorMaker 2's own start script gives it 2 GB and the same collector."""


class Replicator(ServerProcess):
    """One flow, from the cluster `alias` to the cluster `target`; by `kind`, Kopfka's or Apache Kafka's."""

    def __init__(self, folder: Path, kind: str, alias: str, *, source: str, target: str, topic: str) -> None:
        super().__init__(folder)
        self.kind = kind
        lines = [
            f"clusters={alias},target",
            f"{alias}.bootstrap.servers={source}",
            f"target.bootstrap.servers={target}",
            f"{alias}->target.enabled=true",
            f"{alias}->target.topics={topic}",
            *(f"{name}=1" for name in _FACTORS),
        ]
        self.config.write_text("\n".join(lines) + "\n")

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    def command(self) -> list[str]:
        """Return the command line that starts it."""
        if self.kind == KOPFKA:
            health = f"127.0.0.1:{self.port}"
            return [sys.executable, "-m", "kopfka_cli", "mirror", "--config", str(self.config), "--health", health]
        return java.java_command(
            "org.apache.kafka.connect.mirror.MirrorMaker",
            str(self.config),
            heap=_HEAP,
            flags=_FLAGS,
            classpath=f"{java.mirror_libraries()}/*",
        )

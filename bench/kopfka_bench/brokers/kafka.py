"""A real Apache Kafka (KRaft, one combined node) on loopback, beside which the bundled broker is measured and tested.

It has the surface of the bundled broker's process (`processes`), so either can be run in the other's place.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kopfka_bench.brokers.cache import built_once, digest, run_builder
from kopfka_bench.brokers.java import LAUNCH_FLAGS, POM, archive, java_command, libraries
from kopfka_bench.brokers.processes import ServerProcess, free_port
from kopfka_runtime.settings import format_properties, parse_properties

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLUSTER_ID = "a29wZmthLWludGVyb3AtMQ"
_FORMATTED = ("meta.properties", "bootstrap.checkpoint")
FEATURES = ("eligible.leader.replicas.version=0",)
"""Off, as on a cluster upgraded to this version: it only moves `min.insync.replicas` to a dynamic default."""
PRODUCTION_FLAGS = (
    "-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
)  # fmt: skip
"""How Apache Kafka's own scripts start it, with a heap of 1 GB: for measurements."""

SETTINGS = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    # a killed broker is let in again once its old session is over: 9 s by default
    "broker.heartbeat.interval.ms": "250",
    "broker.session.timeout.ms": "1500",
}
"""What one node needs, and what keeps it small and soon back."""


def serves(bootstrap: str) -> bool:
    """Tell whether a broker answers Metadata there."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 2000})
    with contextlib.suppress(KafkaException):
        return bool(client.list_topics(timeout=2).brokers)
    return False


class ApacheKafka(ServerProcess):
    """One combined broker and controller."""

    start_seconds = 60.0

    def __init__(
        self,
        data: Path,
        config: str = "",
        port: int | None = None,
        *,
        heap: str = "512m",
        flags: Sequence[str] = LAUNCH_FLAGS,
        listeners: Sequence[str] = (),
    ) -> None:
        super().__init__(data, port)
        self._heap = heap
        self._listeners = listeners
        self._flags = flags
        self.controller_port = free_port()
        given = parse_properties(config)
        self.config.write_text(format_properties(self._settings(given.get("node.id", "0")) | given))
        self.process: subprocess.Popen[bytes] | None = None

    def _settings(self, node: str) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": f"{node}@127.0.0.1:{self.controller_port}",
            "listeners": ",".join(
                (f"PLAINTEXT://{self.bootstrap}", f"CONTROLLER://127.0.0.1:{self.controller_port}", *self._listeners)
            ),
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            **SETTINGS,
        }

    def command(self) -> list[str]:
        """Return the command line that starts this broker, over a formatted data folder."""
        return java_command(
            "kafka.Kafka", str(self.config), heap=self._heap, flags=self._flags, classpath=self.classpath()
        )

    def classpath(self) -> str:
        """Return where its classes are: Apache Kafka's jars first."""
        return f"{libraries()}/*"

    def start(self, *, wait: bool = True) -> None:
        """Format the data folder if it is new, start the broker, and wait until it answers."""
        if self._flags is LAUNCH_FLAGS:
            built_once(archive().parent.name, _archive_classes)
        self.format()
        super().start(wait=wait)

    def serves(self) -> bool:
        """Tell whether it answers; it accepts connections before."""
        return serves(self.bootstrap)

    def format(self) -> None:
        """Format the data folder if it is new: with what the storage tool wrote once, as it takes a JVM of its own."""
        if (self.data / "meta.properties").exists():
            return
        formatted = built_once(f"formatted-{digest(POM)}", self._format)
        self.data.mkdir(parents=True, exist_ok=True)
        for name in _FORMATTED:
            shutil.copy(formatted / name, self.data)
        node = parse_properties(self.config.read_text())["node.id"]
        meta = self.data / "meta.properties"
        meta.write_text(format_properties(parse_properties(meta.read_text()) | {"node.id": node}))

    def _format(self, folder: Path) -> None:
        config = folder / "format.properties"
        config.write_text(format_properties(self._settings("0") | {"log.dirs": str(folder)}))
        command = ("format", "-t", CLUSTER_ID, "-c", str(config), "-f", *FEATURES)
        run_builder(java_command("kafka.tools.StorageTool", *command))

    def stop(self) -> int:
        """End it with SIGTERM, with SIGKILL where that takes too long, and return its exit code."""
        try:
            return super().stop()
        except subprocess.TimeoutExpired:
            assert self.process is not None
            self.kill()
            return self.process.returncode


def _archive_classes(folder: Path) -> None:
    """Start a broker once to note which classes it loads, and how they look in memory, when it stops."""
    flags = (*LAUNCH_FLAGS, f"-XX:ArchiveClassesAtExit={folder / archive().name}")
    broker = ApacheKafka(folder / "data", flags=flags)
    broker.start()
    broker.stop()
    shutil.rmtree(broker.data)

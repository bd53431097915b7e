"""`kopfka mirror` as a child of a test, and its settings as a test writes them."""

from __future__ import annotations

import contextlib
import http.client
import sys
from typing import TYPE_CHECKING

from kopfka_mirror.settings import read_settings
from support.processes import ServerProcess, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kopfka_mirror.settings import FlowSettings

QUICK = {
    "refresh.topics.interval.seconds": "1",
    "sync.topic.configs.interval.seconds": "1",
    "emit.checkpoints.interval.seconds": "1",
    "sync.group.offsets.interval.seconds": "1",
    "offset.flush.interval.ms": "200",
    "kopfka.retry.failed.partitions.ms": "1000",
    "retry.backoff.max.ms": "200",
    "reconnect.backoff.max.ms": "200",
}


class MirrorProcess(ServerProcess):
    """A replicator, started by its command line; it serves nothing but health and metrics."""

    def __init__(self, folder: Path, config: str) -> None:
        super().__init__(folder)
        self.config.write_text(config)

    def command(self) -> list[str]:
        """Return the command line that starts it."""
        return [
            sys.executable, "-m", "kopfka_cli", "mirror", "--config", str(self.config), "--health", self.bootstrap,
        ]  # fmt: skip

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page of its health."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(each in line for each in wanted))


def mirror_config(clusters: Mapping[str, str], flows: str, settings: Mapping[str, str]) -> str:
    """Return a properties file: bootstrap servers by alias, flows as `a->b b->a`, and settings."""
    lines = [f"clusters = {', '.join(clusters)}"]
    lines += [f"{alias}.bootstrap.servers = {bootstrap}" for alias, bootstrap in clusters.items()]
    lines += [f"{flow}.enabled = true" for flow in flows.split()]
    lines += [f"{name} = {value}" for name, value in (QUICK | dict(settings)).items()]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def running_mirror(
    folder: Path, clusters: Mapping[str, str], flows: str = "a->b", **settings: str
) -> Iterator[MirrorProcess]:
    """Run a replicator for the length of the block; settings by their names with underscores for dots."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    with running(MirrorProcess(folder, mirror_config(clusters, flows, named)), MirrorProcess.stop) as mirror:
        yield mirror


def flow_settings(**settings: str) -> FlowSettings:
    """Return a flow from a to b; settings by their names with underscores for dots."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    clusters = {"clusters": "a,b", "a.bootstrap.servers": "127.0.0.1:1", "b.bootstrap.servers": "127.0.0.1:2"}
    (flow,) = read_settings(clusters | {"a->b.enabled": "true"} | named).flows
    return flow

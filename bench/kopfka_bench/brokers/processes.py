"""Free ports, and brokers as child processes on loopback: for measurements and for tests."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from kopfka_bench.brokers.waiting import eventually
from kopfka_bench.errors import BrokerEndedError

if TYPE_CHECKING:
    from pathlib import Path


# below the ports that systems give to outgoing connections, and a range of its own for each process that tests
_PORTS_FROM = 15_000
_PORTS_EACH = 2_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_turns = itertools.count(os.getpid() * 37)  # runs beside each other begin at different places


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port nobody listens on right now, and which nobody is soon to be given but who asks here."""
    for turn in itertools.islice(_turns, _PORTS_EACH):
        port = _PORTS_FROM + _worker * _PORTS_EACH + turn % _PORTS_EACH
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((host, port))
            return port
    raise RuntimeError(f"every port from {_PORTS_FROM} on is in use")


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


class ServerProcess:
    """A broker on loopback, a child of this process: kill it, start it again over the same data."""

    start_seconds = 30.0
    stop_seconds = 30.0

    def __init__(self, data: Path, port: int | None = None) -> None:
        self.data = data
        self.port = port or free_port()
        self.log = data.with_name(data.name + ".log")
        self.config = data.with_name(data.name + ".properties")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command line that starts this broker."""
        raise NotImplementedError

    def serves(self) -> bool:
        """Tell whether clients can come."""
        return accepts(self.port)

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it serves."""
        with self.log.open("ab") as log:
            environment = os.environ | {"PYTHONUNBUFFERED": "1"}
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=environment)
        if wait:
            eventually(self._started, seconds=self.start_seconds, what=f"{self.bootstrap} to answer")

    def _started(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise BrokerEndedError(f"the broker ended with {self.process.returncode}:\n{self.log.read_text()}")
        return self.serves()

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it with SIGTERM and return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=self.stop_seconds)


class BrokerProcess(ServerProcess):
    """A bundled broker, started by its command line."""

    def __init__(self, data: Path, config: str = "", port: int | None = None) -> None:
        super().__init__(data, port)
        self.health_port = free_port()
        self.config.write_text(config)

    def command(self) -> list[str]:
        """Return the command line that starts this broker."""
        return [
            sys.executable, "-m", "kopfka_cli", "broker", "--data", str(self.data), "--listen", self.bootstrap,
            "--config", str(self.config), "--health", f"127.0.0.1:{self.health_port}",
        ]  # fmt: skip


class RegistryProcess(ServerProcess):
    """A schema registry over the brokers at `bootstrap_servers`, started by its command line."""

    def __init__(self, folder: Path, bootstrap_servers: str, config: str = "", port: int | None = None) -> None:
        super().__init__(folder, port)
        self.health_port = free_port()
        self.config.write_text(
            f"kafkastore.bootstrap.servers={bootstrap_servers}\nkafkastore.topic.replication.factor=1\n{config}"
        )

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.bootstrap}"

    def command(self) -> list[str]:
        """Return the command line that starts this registry."""
        return [
            sys.executable, "-m", "kopfka_cli", "registry", "--listen", self.bootstrap,
            "--config", str(self.config), "--health", f"127.0.0.1:{self.health_port}",
        ]  # fmt: skip

    def serves(self) -> bool:
        """Tell whether schemas can be asked for and registered."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=1)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

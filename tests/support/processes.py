"""Kopfka's own processes as children of a test; `kopfka_bench.brokers.processes` has what measurements start too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from kopfka_bench.brokers.processes import BrokerProcess, RegistryProcess, ServerProcess, accepts, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = [
    "BrokerProcess",
    "RegistryProcess",
    "ServerProcess",
    "accepts",
    "free_port",
    "killed_at_the_end",
    "running",
    "running_broker",
    "running_registry",
]

Server = TypeVar("Server", bound=ServerProcess)


@contextlib.contextmanager
def running(server: Server, end: Callable[[Server], object]) -> Iterator[Server]:
    """Run a server for the length of the block; `end` ends it where it still runs then."""
    try:
        server.start()
        yield server
    finally:
        _end(server, end)


@contextlib.contextmanager
def killed_at_the_end(*servers: ServerProcess) -> Iterator[None]:
    """End servers with SIGKILL where the block, which starts and stops them itself, leaves any running."""
    try:
        yield
    finally:
        for server in servers:
            _end(server, ServerProcess.kill)


@contextlib.contextmanager
def running_broker(data: Path, config: str = "", port: int | None = None) -> Iterator[BrokerProcess]:
    """Run a broker over the folder `data` for the length of the block."""
    with running(BrokerProcess(data, config, port), BrokerProcess.stop) as broker:
        yield broker


@contextlib.contextmanager
def running_registry(folder: Path, bootstrap_servers: str, config: str = "") -> Iterator[RegistryProcess]:
    """Run a schema registry for the length of the block; its files stand beside `folder`."""
    with running(RegistryProcess(folder, bootstrap_servers, config), RegistryProcess.stop) as registry:
        yield registry


def _end(server: Server, end: Callable[[Server], object]) -> None:
    if server.process is not None and server.process.poll() is None:
        end(server)

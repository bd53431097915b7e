"""Kopfka's own processes as children of a test; `kopfka_bench.brokers.processes` has what measurements start too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kopfka_bench.brokers.processes import BrokerProcess, ServerProcess, accepts, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["BrokerProcess", "ServerProcess", "accepts", "free_port", "running_broker"]


@contextlib.contextmanager
def running_broker(data: Path, config: str = "", port: int | None = None) -> Iterator[BrokerProcess]:
    """Run a broker over the folder `data` for the length of the block."""
    broker = BrokerProcess(data, config, port)
    broker.start()
    try:
        yield broker
    finally:
        if broker.process is not None and broker.process.poll() is None:
            broker.stop()

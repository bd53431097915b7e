"""What docs/broker.md says of memory holds: 10,000 idle connections, and 10,000 partitions, also after a kill.

Memory of a process is no figure of time: it hardly varies between runs and machines. Limits are what the page states
and a fifth more.
"""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from kopfka_bench.load.topics import create_partitions
from kopfka_bench.machine import raise_file_limit, usage
from support.prerequisites import REPOSITORY, lacking
from support.processes import BrokerProcess, running_broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 10_000
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
STATED = (REPOSITORY / "docs" / "broker.md").read_text(encoding="utf-8")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    raise_file_limit()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MANY + 500:
        lacking(f"{MANY} connections need as many open files, and {soft} are allowed (ulimit -n)")
    with running_broker(tmp_path / "data") as broker:
        yield broker


def stated(pattern: str) -> float:
    """Return the megabytes that the page states, with what they may vary by."""
    found = re.search(pattern, STATED.replace("\n", " "))
    assert found is not None, f"docs/broker.md no longer says: {pattern}"
    return float(found[1]) * 1.2


def megabytes(broker: BrokerProcess) -> float:
    assert broker.process is not None
    return usage(broker.process.pid).rss


def used_once(broker: BrokerProcess) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", broker.port), timeout=60)
    connection.sendall(API_VERSIONS)
    (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
    assert len(connection.recv(size, socket.MSG_WAITALL)) == size
    return connection


def test_idle_connections(broker: BrokerProcess) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(used_once(broker))
        assert megabytes(broker) <= stated(r"with 10,000 of them the broker grew from \d+ to (\d+) MB")
        used_once(broker).close()


def test_partitions(broker: BrokerProcess) -> None:
    most = stated(r"With 10,000 of them the broker holds (\d+) MB")
    create_partitions(broker.bootstrap, "many", MANY)
    assert megabytes(broker) <= most
    broker.kill()
    broker.start()
    used_once(broker).close()
    assert megabytes(broker) <= most

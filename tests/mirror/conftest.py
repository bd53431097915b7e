"""Two brokers that all tests of mirroring share, and names of each test's own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from support.mirrored import Side
from support.processes import running_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = (
    "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=2\ntransaction.state.log.num.partitions=2\n"
    "log.cleaner.backoff.ms=100\nlog.retention.check.interval.ms=300\nauto.create.topics.enable=false\n"
)
_names = itertools.count(1)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """Return source and target."""
    folder = tmp_path_factory.mktemp("mirror")
    with running_broker(folder / "a", CONFIG) as a, running_broker(folder / "b", CONFIG) as b:
        yield Side("a", a), Side("b", b)


@pytest.fixture
def name() -> str:
    """Return a name no other test uses."""
    return f"name-{next(_names)}"

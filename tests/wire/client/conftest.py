"""Brokers of the client's tests: one that all share, and one of a test's own, which it may kill."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from support.processes import free_port, running_broker
from support.proxy import TcpProxy
from support.wire_clients import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kopfka_wire.client.cluster import Cluster
    from support.processes import BrokerProcess

CONFIG = (
    "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=2\ntransaction.state.log.num.partitions=2\n"
    "group.min.session.timeout.ms=500\nlog.cleaner.backoff.ms=100\n"
)
_names = itertools.count(1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with running_broker(tmp_path_factory.mktemp("wire-client") / "data", CONFIG) as broker:
        yield broker


@pytest.fixture
def own(tmp_path) -> Iterator[BrokerProcess]:
    with running_broker(tmp_path / "data", CONFIG) as broker:
        yield broker


@pytest.fixture
async def cluster(shared: BrokerProcess) -> AsyncIterator[Cluster]:
    async with connected(shared.bootstrap) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TcpProxy]:
    """Return a proxy by which clients come to a broker that advertises it."""
    port = free_port()
    proxy = TcpProxy(port)
    config = f"{CONFIG}advertised.listeners=PLAINTEXT://{proxy.bootstrap}\n"
    with running_broker(tmp_path_factory.mktemp("wire-proxied") / "data", config, port):
        yield proxy
    proxy.close()


@pytest.fixture
async def through(proxy: TcpProxy) -> AsyncIterator[Cluster]:
    """Return a cluster whose connections the proxy can cut and stall."""
    async with connected(proxy.bootstrap) as cluster:
        yield cluster


@pytest.fixture
def name() -> str:
    """Return a name no other test uses."""
    return f"name-{next(_names)}"

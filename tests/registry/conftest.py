"""A bundled broker and a registry over it, as processes, for the tests of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from registry.http import Rest
from support.processes import RegistryProcess, running_broker, running_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.processes import BrokerProcess

BROKER_CONFIG = (
    "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\ntransaction.state.log.num.partitions=1\n"
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with running_broker(tmp_path_factory.mktemp("broker") / "data", BROKER_CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def registry(broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("registry") / "one", broker.bootstrap) as process:
        yield process


@pytest.fixture(scope="module")
def rest(registry: RegistryProcess) -> Rest:
    return Rest(registry.url)

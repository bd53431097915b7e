"""Schema registries of the interop tests: one over each of the session's brokers, shared by all tests that take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("interop.registry.evolution")

from interop.registry import programs  # noqa: E402
from interop.registry.stack import Stack  # noqa: E402
from support.processes import running_registry  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop.conftest import Peer
    from interop.registry.programs import Program


def _running(peer: Peer, factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_registry(factory.mktemp("registry") / peer.kind, peer.bootstrap) as process:
        yield Stack(peer.bootstrap, process)


@pytest.fixture(scope="session")
def over_kopfka(kopfka: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from _running(kopfka, tmp_path_factory)


@pytest.fixture(scope="session")
def over_apache_kafka(apache_kafka: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from _running(apache_kafka, tmp_path_factory)


@pytest.fixture(scope="session")
def node() -> Iterator[Program]:
    program = programs.node()
    yield program
    program.close()


@pytest.fixture(scope="session")
def go() -> Iterator[Program]:
    program = programs.go()
    yield program
    program.close()


@pytest.fixture(scope="session")
def java() -> Iterator[Program]:
    program = programs.java()
    yield program
    program.close()


@pytest.fixture
def stack(over_kopfka: Stack) -> Stack:
    """Give the registry over the bundled broker, for what is the registry's alone."""
    return over_kopfka


@pytest.fixture
def either(broker: Peer, request: pytest.FixtureRequest) -> Stack:
    """Give the registry over each kind of broker in turn."""
    made: Stack = request.getfixturevalue(f"over_{broker.kind.replace('-', '_')}")
    return made

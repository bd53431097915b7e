"""Avro's Java library for the tests that ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from registry.formats.avro import peer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def latest() -> Iterator[peer.Peer]:
    """The library whose rules are the registry's."""
    yield from _running(peer.LATEST)


@pytest.fixture(scope="session")
def confluent() -> Iterator[peer.Peer]:
    """The library that Confluent's registry is built with, up to 8.2."""
    yield from _running(peer.CONFLUENT)


def _running(version: str) -> Iterator[peer.Peer]:
    started = peer.Peer(version)
    yield started
    started.close()

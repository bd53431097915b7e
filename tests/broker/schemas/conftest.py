"""Fixtures: a schema registry to ask, and a broker that asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.live import live_broker
from broker.schemas.stand_in import RegistryStandIn, serving
from kopfka_broker.schemas import answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from broker.live import LiveBroker


@pytest.fixture
def registry() -> RegistryStandIn:
    """What the registry knows; it is reached where `url` is used too."""
    return RegistryStandIn()


@pytest.fixture
async def url(registry: RegistryStandIn) -> AsyncIterator[str]:
    """Return the address of the registry."""
    async with serving(registry) as address:
        yield address


@pytest.fixture
async def checking(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LiveBroker]:
    """Return a running broker that knows the registry, and never takes what is missing for missing a moment later."""
    monkeypatch.setattr(answers, "SECOND_LOOK_SECONDS", 0)
    monkeypatch.setattr(answers, "MISSING_SECONDS", 0)
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=url) as live:
        yield live

"""Fixtures of the broker's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.live import live_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from broker.live import LiveBroker


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[LiveBroker]:
    """Return a running broker."""
    async with live_broker(tmp_path / "data") as live:
        yield live

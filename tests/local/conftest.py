from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.laptop import Laptop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def laptop(tmp_path: Path) -> AsyncIterator[Laptop]:
    """A running local cluster."""
    laptop = Laptop(tmp_path / "state")
    await laptop.start()
    yield laptop
    await laptop.stop()

"""Fixtures of the storage engine's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.storage import close_descriptors

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    yield
    close_descriptors()

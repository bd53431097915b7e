"""Order of all tests: what needs kubectl, helm or a cluster comes last, as a cluster may take its time to be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort, and keep the order within both parts."""
    items.sort(key=lambda item: any(map(item.get_closest_marker, ("kubectl", "kubernetes"))))

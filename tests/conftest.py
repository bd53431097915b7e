"""How tests are dealt out to workers (`pytest -n`): a file stays whole, `interop` shares its brokers on one worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from support.prerequisites import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

# a busy machine is no failure: how long an example takes says nothing of what it shows
settings.register_profile("kopfka", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kopfka")

INTEROP = REPOSITORY / "tests" / "interop"
OWN_BROKERS = frozenset({"test_java_clients.py", "test_transaction_files.py", "test_dump_log_segments.py"})
"""Files of `interop` that start brokers of their own anyway."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Put every test into the group that one worker runs."""
    for item in items:
        shared = INTEROP in item.path.parents and item.path.name not in OWN_BROKERS
        group = "interop" if shared else str(item.path.relative_to(REPOSITORY))
        item.add_marker(pytest.mark.xdist_group(group))

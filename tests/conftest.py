"""How tests are dealt out to workers (`pytest -n`): a file stays whole, files that share brokers stay together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from support.prerequisites import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

# a busy machine is no failure: how long an example takes says nothing of what it shows
settings.register_profile("kopfka", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kopfka")

INTEROP = REPOSITORY / "tests" / "interop"
OWN_BROKERS = frozenset(
    {"test_java_clients.py", "test_transaction_files.py", "test_dump_log_segments.py", "test_mirror.py"}
)
"""Files of `interop` that start brokers of their own anyway."""
SHARING = {
    "interop: answers": ("test_differential", "test_security"),
    "interop: transactions and tools": ("test_transactions", "test_streams", "test_share_groups", "test_tools"),
    "interop: clients": ("test_",),
}
"""How the names of files begin that share one pair of brokers, as a folder's do; each of these takes a few minutes."""
LONG = "faults/test_promises.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest groups come first, so that none ends alone."""
    items.sort(key=lambda item: 0 if str(item.path).endswith(LONG) else 1 if INTEROP in item.path.parents else 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out whole groups, in their order."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(REPOSITORY / nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return ByGroup(config, log)


def _group(path: Path) -> str:
    if INTEROP not in path.parents or path.name in OWN_BROKERS:
        return str(path.relative_to(REPOSITORY))
    if path.parent != INTEROP:
        return f"interop: {path.parent.name}"
    return next(group for group, names in SHARING.items() if path.name.startswith(names))

"""Which scenarios there are, in the order in which they run. A module is imported when it is its turn.

Each has a `TITLE`, an `AIM` against Apache Kafka, and `run(session)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SCENARIOS = {
    "start": "from a process's start to the first acknowledged record",
}


def load(name: str) -> ModuleType:
    """Return the module of a scenario."""
    return import_module(f"kopfka_bench.scenarios.{name.replace('-', '_')}")

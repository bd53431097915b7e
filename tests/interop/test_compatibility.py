"""`docs/compatibility.md` as committed: every client at the version that is locked, every test that drives one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interop.compatibility import CLIENTS, TABLE, called

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| client")
]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_committed_table_has_the_client_at_its_version(client: str) -> None:
    of_client = [version for named, version, *_ in ROWS if named == called(client)]
    assert of_client, "run `make compatibility`"
    if client == "kcat":  # the one of the system, not a locked one
        assert len(set(of_client)) == 1
    else:
        assert set(of_client) == {CLIENTS[client][1]()}, "run `make compatibility`"


def test_the_committed_table_has_what_the_tests_exercise_and_nothing_else() -> None:
    marked = {(called(client), what) for path in HERE.rglob("test_*.py") for client, what in _marks(path)}
    assert {(named, what) for named, _, what, *_ in ROWS} == marked, "run `make compatibility`"


def test_the_committed_table_tells_of_no_failure() -> None:
    outcomes = [(named, what, cell) for named, _, what, *cells in ROWS for cell in cells]
    assert not [each for each in outcomes if "passed" not in each[2] and each[2] != "–"]


def _marks(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the arguments of each `@pytest.mark.client` of a module."""
    module = importlib.import_module(".".join(("interop", *path.relative_to(HERE).with_suffix("").parts)))
    for name, function in vars(module).items():
        if name.startswith("test_"):
            for mark in getattr(function, "pytestmark", ()):
                if mark.name == "client":
                    yield mark.args

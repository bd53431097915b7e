"""`docs/compatibility.md` as committed: every client is in it, at the version that is locked."""

from __future__ import annotations

import re

import pytest

from interop.compatibility import CLIENTS, TABLE

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| client")
]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_committed_table_has_the_client_at_its_version(client: str) -> None:
    of_client = [version for named, version, *_ in ROWS if re.fullmatch(rf"{re.escape(client)}( `.*`)?", named)]
    assert of_client, "run `make compatibility`"
    if client == "kcat":  # the one of the system, not a locked one
        assert len(set(of_client)) == 1
    else:
        assert set(of_client) == {CLIENTS[client][1]()}, "run `make compatibility`"

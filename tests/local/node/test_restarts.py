from __future__ import annotations

import pytest

from kopfka_local.node.restarts import Backoff, restarts


def test_the_first_restart_is_immediate_then_it_doubles_to_five_minutes() -> None:
    backoff = Backoff()
    assert [backoff.after_exit(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_long_run_starts_over() -> None:
    backoff = Backoff()
    assert [backoff.after_exit(ran) for ran in (1, 1, 1, 599, 600, 1)] == [0, 10, 20, 40, 0, 10]


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 137, True), ("Never", 1, False)],
)
def test_policies(policy: str, code: int, expected: bool) -> None:
    assert restarts(policy, code) is expected

"""What a test needs beyond Python: missing on a user's machine it skips, with a reason; in CI it fails.

`KOPFKA_TESTS_REQUIRE=all` (set by `.ci/run`) turns every skip for a missing prerequisite into a failure.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kopfka_bench.brokers.java import java_version

REPOSITORY = Path(__file__).resolve().parents[2]


def lacking(reason: str) -> None:
    """Skip the running test because of `reason`, or fail it where everything is required."""
    if os.environ.get("KOPFKA_TESTS_REQUIRE") == "all":
        pytest.fail(f"required here: {reason}", pytrace=False)
    pytest.skip(reason)


def need_cluster() -> Path:
    """Return the KUBECONFIG of a real cluster that tests may use, with the image `kopfka:dev` in it, or skip.

    `KOPFKA_E2E_KUBECONFIG` names it. KUBECONFIG alone is no consent: it may lead to production.
    """
    named = os.environ.get("KOPFKA_E2E_KUBECONFIG")
    if not named:
        lacking("no real cluster named: make e2e KUBECONFIG=… (with the image kopfka:dev in it)")
    return Path(str(named))


def need_command(name: str, how: str) -> str:
    """Return the path of a program, or skip (`how` says how to install it)."""
    path = shutil.which(name)
    if path is None:
        lacking(f"{name} is not on PATH: {how}")
    return str(path)


def need_java() -> None:
    """Skip unless there are a JDK 17+ and Maven."""
    if java_version() < 17 or not shutil.which("mvn") or not shutil.which("javac"):
        lacking("a JDK 17 or newer and Maven are needed")

"""The fuzz targets for a short while, from their seeds: they find nothing at once (`make fuzz` looks longer)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.prerequisites import REPOSITORY, lacking

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = {"frames": 15_000, "batches": 30_000}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("atheris") is None:
        lacking("atheris is not here: it has wheels for Linux on x86-64")
    folder = tmp_path_factory.mktemp("fuzz")
    _run("seeds", str(folder))
    return folder


@pytest.mark.parametrize("target", _RUNS)
def test_nothing_is_found_at_once(seeds: Path, target: str) -> None:
    _run(target, f"-runs={_RUNS[target]}", "-rss_limit_mb=1500", f"-artifact_prefix={seeds}/", str(seeds / target))


def _run(program: str, *arguments: str) -> None:
    command = [sys.executable, str(REPOSITORY / "tests" / "fuzz" / f"{program}.py"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tests")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]

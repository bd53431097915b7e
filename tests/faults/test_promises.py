"""Every workload at once under every fault, judged by the checker: no anomaly, whatever was killed, cut or full.

`KOPFKA_SOAK_SECONDS` says how long (`make soak`), in rounds of some minutes with a broker of their own; without it,
three minutes. `KOPFKA_SOAK_AGAINST=apache-kafka` puts Apache Kafka in the broker's place, to judge by.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faults.checker.rounds import ENDING_SECONDS
from support.disks import small_disk

_ROUND_SECONDS = 150.0
_SECONDS = float(os.environ.get("KOPFKA_SOAK_SECONDS", "180"))
_SEED = int(os.environ.get("KOPFKA_SOAK_SEED", time.time()))
_DISK_MEGABYTES = 512
_TESTS = Path(__file__).parents[1]


@pytest.mark.root
@pytest.mark.timeout(_SECONDS * 1.5 + 1500)
def test_no_promise_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deadline = time.monotonic() + _SECONDS
    number = hung = 0
    while number == 0 or time.monotonic() < deadline - 5:
        seconds = max(5.0, min(_ROUND_SECONDS, deadline - time.monotonic()))
        with small_disk(tmp_path / f"round-{number}", _DISK_MEGABYTES) as disk:
            report = _round(disk, seconds, _SEED + number)
        if report is None:
            hung += 1
            assert hung < 2, "the clients' process hung twice with Python's lock in librdkafka's hand"
            deadline += seconds  # what it did is not judged, so it is done once more
        with capsys.disabled():
            print(report or f"\nseed {_SEED + number}: the clients' process hung in librdkafka; once more")
        number += 1


def _round(disk: Path, seconds: float, seed: int) -> str | None:
    """Run a round in a process of its own, see `faults.checker.rounds`; None where that process itself hung.

    A workload that hangs ends there by itself, as a failure: only Python's lock keeps that from happening.
    """
    command = [sys.executable, "-m", "faults.checker.rounds", str(disk), str(seconds), str(seed)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=seconds + ENDING_SECONDS + 60)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # its broker with it
            process.wait()
    assert process.returncode == 0, said
    return said

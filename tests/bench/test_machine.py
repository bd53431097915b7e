"""What processes use, however the system tells it."""

from __future__ import annotations

import os

import pytest

from kopfka_bench import machine
from kopfka_bench.report.background import Background


def test_a_process_uses_time_and_memory() -> None:
    used = machine.usage(os.getpid(), exact=True)
    assert used.cpu > 0
    assert used.rss > 5
    assert used.processes >= 1


def test_what_is_gone_uses_nothing() -> None:
    assert machine.usage(2**22 + 1) == machine.Usage(0, 0, 0, 0)


def test_ps_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    table = "1 0 1000 0:01.50\n2 1 2000 01:00:00\n3 2 3000 1-00:00:00\n9 0 9000 0:09.00\n"
    monkeypatch.setattr(machine, "_said", lambda *_: table)
    used = machine._usage_by_ps(1)
    assert used.processes == 3
    assert used.rss == pytest.approx(6000 * 1024 / 1e6)
    assert used.cpu == pytest.approx(1.5 + 3600 + 86400)


def test_a_reader_learns_of_machine_and_versions() -> None:
    assert {"processor", "cores", "memory_gb", "system"} <= set(machine.describe_machine())
    assert {"python", "kopfka", "confluent-kafka", "librdkafka", "commit"} <= set(machine.describe_versions())


def test_a_run_tells_what_its_host_kept_from_it() -> None:
    begun = Background({"cores": 2}, {}, {}, {}, "now")
    assert begun.ended(5, (10, 100), (20, 300)).machine["processor_time_stolen_by_the_host"] == "5.0 %"
    assert begun.ended(5, (0, 0), (0, 0)).machine["processor_time_stolen_by_the_host"] == "not known"

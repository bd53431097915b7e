"""Every workload at once under every fault, judged by the checker: no anomaly, whatever was killed, cut or full.

`KOPFKA_SOAK_SECONDS` says how long (`make soak`), in rounds of some minutes with a broker of their own; without it,
three minutes. `KOPFKA_SOAK_AGAINST=apache-kafka` puts Apache Kafka in the broker's place, to judge by.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from faults.checker.nemesis import Nemesis
from faults.checker.workloads import PARTITIONS, WORKLOADS
from support.disks import small_disk
from support.kafka import ApacheKafka
from support.processes import BrokerProcess, free_port
from support.proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROUND_SECONDS = 150.0
_SECONDS = float(os.environ.get("KOPFKA_SOAK_SECONDS", "180"))
_SEED = int(os.environ.get("KOPFKA_SOAK_SEED", time.time()))
_DISK_MEGABYTES = 512
_LONG_ENOUGH = 90.0
"""For every fault to have its turn."""


@pytest.mark.root
@pytest.mark.timeout(_SECONDS * 1.5 + 600)
def test_no_promise_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deadline = time.monotonic() + _SECONDS
    number = 0
    while number == 0 or time.monotonic() < deadline - 5:
        seconds = max(5.0, min(_ROUND_SECONDS, deadline - time.monotonic()))
        with small_disk(tmp_path / f"round-{number}", _DISK_MEGABYTES) as disk:
            report = _round(disk, seconds, _SEED + number)
        with capsys.disabled():
            print(report)
        number += 1


def _round(disk: Path, seconds: float, seed: int) -> str:
    port = free_port()
    proxy = TcpProxy(port)
    config = (
        f"advertised.listeners=PLAINTEXT://{proxy.bootstrap}\ngroup.initial.rebalance.delay.ms=0\n"
        "log.segment.bytes=1048576\nlog.retention.ms=-1\n"
        "offsets.topic.num.partitions=4\ntransaction.state.log.num.partitions=4\n"
    )
    kind = ApacheKafka if os.environ.get("KOPFKA_SOAK_AGAINST") == "apache-kafka" else BrokerProcess
    broker = kind(disk / "data", config, port)
    broker.start()
    stop = threading.Event()
    workloads = [kind(proxy.bootstrap, stop, seed) for kind in WORKLOADS]
    nemesis = Nemesis(broker, proxy, disk, stop, seed)
    try:
        admin = AdminClient({"bootstrap.servers": proxy.bootstrap})
        topics = [topic for each in workloads for topic in each.topics]
        for created in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics]).values():
            created.result(timeout=20)
        failures = _run([nemesis.run, *(run for each in workloads for run in each.threads())], stop, seconds)
        anomalies = [found for each in workloads for found in each.judge()]
    finally:
        proxy.close()
        broker.stop()
        shutil.copy(broker.log, disk.parent / "broker.log")  # the disk goes with the round
    report = [f"\nseed {seed}, {seconds:.0f} s; faults: {_counts(nemesis.faults)}"]
    report += [f"  {each.name}: {_counts(each.history.counts)}" for each in workloads]
    report.append(f"  anomalies: {len(anomalies)}")
    report += [f"    {count} of {kind}" for kind, count in Counter(each.kind for each in anomalies).items()]
    report += [f"      {each.kind}: {each.what}" for each in anomalies[:20]]
    text = "\n".join(report)
    if failures:
        raise ExceptionGroup(text, failures)
    assert not anomalies, text
    if seconds >= _LONG_ENOUGH:
        assert nemesis.faults.keys() == nemesis.kinds.keys(), f"{text}\nnot every fault was there"
        for each in (each for each in workloads if each.aborts):
            assert each.history.counts["records hidden"] > 0, f"{text}\n{each.name} aborted nothing that was written"
    for each in workloads:
        assert each.history.counts["committed"] > 0, f"{text}\n{each.name} committed nothing"
    return text


def _run(works: list[Callable[[], None]], stop: threading.Event, seconds: float) -> list[Exception]:
    """Run all on threads of their own for so long, then wait for them to finish what they began."""
    failures: list[Exception] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            failures.append(error)
            stop.set()

    threads = [
        threading.Thread(target=guarded, args=(work,), name=f"{at} {work}", daemon=True)
        for at, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join(240)
        if thread.is_alive():
            where = traceback.format_stack(sys._current_frames()[thread.ident or 0])
            failures.append(AssertionError(f"{thread.name} hangs\n{''.join(where[-4:])}"))
            return failures
    return failures


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"

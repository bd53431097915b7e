"""One round: every workload at once against one broker, every fault in turn, and the checker's verdict.

A process of its own (`python -m faults.checker.rounds DISK SECONDS SEED`): librdkafka, closed by a consumer whose group
rebalances, was seen to wait for ever for its own thread with Python's lock in its hand. No thread of such a process can
do or tell anything any more; whoever started it can.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
import sys
import threading
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient, NewTopic

from faults.checker.nemesis import Nemesis
from faults.checker.workloads import PARTITIONS, WORKLOADS
from support.kafka import ApacheKafka
from support.processes import BrokerProcess, free_port
from support.proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Callable

_LONG_ENOUGH = 90.0
"""For every fault to have its turn."""
ENDING_SECONDS = 240.0
"""What a thread may take to finish what it began."""


def run_round(disk: Path, seconds: float, seed: int) -> str:
    """Do it, with a broker whose data is on `disk`; return the report. Raises where a promise was broken."""
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
        thread.join(ENDING_SECONDS)
        if thread.is_alive():
            where = traceback.format_stack(sys._current_frames()[thread.ident or 0])
            failures.append(AssertionError(f"{thread.name} hangs\n{''.join(where[-4:])}"))
            return failures
    return failures


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def main() -> int:
    """Do a round, and print its report, or how it failed."""
    disk, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    # says where all threads are, if it comes to that, whoever has Python's lock
    faulthandler.dump_traceback_later(seconds + 2 * ENDING_SECONDS)
    try:
        print(run_round(disk, seconds, seed), flush=True)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # clients that hang do not keep it

"""`make bench`, `python -m bench`: starts, memory, throughput and round trips on this machine, as a table and as JSON.

It does not judge: no figure makes it fail, only a broker that does not start or loses what it acknowledged.
Everything runs on loopback, in a temporary folder of the current disk, with one process of load beside the broker.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench import lifecycle, measures
from bench.machine import ROOT, describe_machine
from bench.report import Report
from bench.targets import APACHE_KAFKA, KOPFKA, MissingPeerError, Process, Target, cpu_seconds, make_targets

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = ("start", "memory", "throughput", "round-trips", "connections", "partitions", "up")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    starts: int
    rounds: int
    megabytes: int
    many: int  # connections, and partitions
    batches_kb: tuple[int, ...]
    latency_seconds: float
    warm_megabytes: int  # sent and read before what counts
    warm_seconds: float


FULL = Plan(
    starts=5,
    rounds=3,
    megabytes=200,
    many=10_000,
    batches_kb=measures.BATCHES_KB,
    latency_seconds=10,
    warm_megabytes=100,
    warm_seconds=3,
)
SHORT = Plan(
    starts=2,
    rounds=1,
    megabytes=60,
    many=1_000,
    batches_kb=(16, 128),
    latency_seconds=3,
    warm_megabytes=20,
    warm_seconds=1,
)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = _parser().parse_args(argv)
    plan = SHORT if options.short else FULL
    if options.against:  # a JVM needs longer to get as fast as it can, and both get the same
        plan = replace(plan, warm_megabytes=300, warm_seconds=10)
    names = [KOPFKA, *options.against]
    report = Report(describe_machine(), asdict(plan) | {"record_bytes": measures.RECORD_BYTES})
    with tempfile.TemporaryDirectory(prefix="kopfka-bench-", ignore_cleanup_errors=True) as folder:
        try:
            targets = make_targets(names, Path(folder))
        except MissingPeerError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        measure: dict[str, Callable[[], None]] = {
            "start": lambda: _starts(report, targets, plan),
            "memory": lambda: _memory(report, targets),
            "throughput": lambda: _throughput(report, targets, plan),
            "round-trips": lambda: _round_trips(report, targets, plan),
            "connections": lambda: _connections(report, targets, plan),
            "partitions": lambda: _partitions(report, targets, plan),
            "up": lambda: _up(report, Path(folder) / "up"),
        }
        for part in options.only or PARTS:
            print(f"measuring {part}…", file=sys.stderr, flush=True)
            measure[part]()
    report.show(names)
    print(f"written to {report.write(options.results)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Kopfka on this machine.")
    parser.add_argument("--short", action="store_true", help="fewer rounds and less data: under 45 s")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        choices=[APACHE_KAFKA],
        help="measure it too, in turns (needs a JDK and Maven)",
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part (may be repeated)")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results", help="folder of the JSON files")
    return parser


def _starts(report: Report, targets: list[Target], plan: Plan) -> None:
    for number in range(plan.starts):
        for target in targets:
            seconds = lifecycle.start_to_ack(target, f"start-{number}")
            report.add("start to first acknowledged record", target.name, seconds, "s", aim="start under 0.5 s")
    for _ in range(plan.rounds):
        for target in targets:
            seconds = lifecycle.restart_to_ack(target, "start-0", "first")
            report.add("restart after SIGKILL to first acknowledged record", target.name, seconds, "s")


def _memory(report: Report, targets: list[Target]) -> None:
    for target in targets:
        figures = lifecycle.idle_memory(target, "idle")
        report.add("broker idle, RSS", target.name, figures["rss_mb"], "MB", aim="under 80 MB")
        if "pss_mb" in figures:
            report.add("broker idle, PSS", target.name, figures["pss_mb"], "MB")


def _throughput(report: Report, targets: list[Target], plan: Plan) -> None:
    for number in range(plan.rounds):
        for target in targets:
            with target.running(f"throughput-{number}") as process:
                _warm(process, plan)
                _throughput_of(report, target, process, plan)


def _warm(process: Process, plan: Plan) -> None:
    measures.create_topic(process.bootstrap, "warm")
    measures.produce_rate(process.bootstrap, "warm", megabytes=plan.warm_megabytes, batch_kb=16, acks="1")
    measures.consume_rate(process.bootstrap, "warm", megabytes=plan.warm_megabytes)


def _throughput_of(report: Report, target: Target, process: Process, plan: Plan) -> None:
    gigabytes = plan.megabytes / 1000
    for batch_kb in plan.batches_kb:
        aim = "over 150 MB/s" if batch_kb == 128 else ""
        for acks in ("1", "all"):
            name = f"in, {batch_kb} KB batches, acks={acks}"
            topic = f"batches-{batch_kb}-acks-{acks}"
            measures.create_topic(process.bootstrap, topic)
            before = cpu_seconds(process)
            rate = measures.produce_rate(
                process.bootstrap, topic, megabytes=plan.megabytes, batch_kb=batch_kb, acks=acks
            )
            report.add(name, target.name, rate, "MB/s", more_is_better=True, aim=aim)
            report.add(f"{name}, broker's CPU", target.name, (cpu_seconds(process) - before) / gigabytes, "s/GB")
    for batch_kb in plan.batches_kb:
        name = f"out, {batch_kb} KB batches"
        before = cpu_seconds(process)
        rate = measures.consume_rate(process.bootstrap, f"batches-{batch_kb}-acks-all", megabytes=plan.megabytes)
        report.add(name, target.name, rate, "MB/s", more_is_better=True)
        report.add(f"{name}, broker's CPU", target.name, (cpu_seconds(process) - before) / gigabytes, "s/GB")


def _round_trips(report: Report, targets: list[Target], plan: Plan) -> None:
    for number in range(plan.rounds):
        for target in targets:
            with target.running(f"round-trips-{number}") as process:
                measures.create_topic(process.bootstrap, "paced")
                measures.round_trips(process.bootstrap, "paced", seconds=plan.warm_seconds)
                for acks in ("1", "all"):
                    times = measures.round_trips(
                        process.bootstrap, "paced", seconds=plan.latency_seconds / 2, acks=acks
                    )
                    for part in ("p50", "p99", "p999", "highest"):
                        report.add(
                            f"round trip at 1,000 records/s, acks={acks}, {part}",
                            target.name,
                            getattr(times, part),
                            "ms",
                        )


def _connections(report: Report, targets: list[Target], plan: Plan) -> None:
    for target in targets:
        kilobytes = lifecycle.connection_memory(target, "connections", plan.many)
        report.add(f"one of {plan.many} idle connections, RSS", target.name, kilobytes, "KB")


def _partitions(report: Report, targets: list[Target], plan: Plan) -> None:
    for target in targets:
        figures = lifecycle.many_partitions(target, "partitions", plan.many)
        report.add(f"{plan.many} partitions made in", target.name, figures.made, "s")
        report.add(f"one of {plan.many} idle partitions, RSS", target.name, figures.kilobytes, "KB")
        report.add(f"restart with {plan.many} partitions to first acknowledged record", target.name, figures.start, "s")


def _up(report: Report, folder: Path) -> None:
    try:
        seconds, memory = lifecycle.up(folder)
    except lifecycle.UpFailedError as error:
        report.note(f"kopfka up: {error}")
        return
    report.add("kopfka up to everything Ready", KOPFKA, seconds, "s", aim="under 3 s")
    report.add("kopfka up, everything idle, RSS", KOPFKA, memory["rss_mb"], "MB")
    if "pss_mb" in memory:
        report.add("kopfka up, everything idle, PSS", KOPFKA, memory["pss_mb"], "MB")


if __name__ == "__main__":
    sys.exit(main())

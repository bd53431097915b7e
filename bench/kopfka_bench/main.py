"""`kopfka bench`: measures the bundled broker beside Apache Kafka on this machine; prints a table, writes files.

It does not judge: no figure makes it fail, only a broker that does not start or loses what it acknowledged. Everything
runs on loopback, in a temporary folder.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_bench import plan as plans
from kopfka_bench.figures import APACHE_KAFKA, KOPFKA
from kopfka_bench.scenarios.catalog import SCENARIOS
from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.plan import Plan

_BREAKS = (KopfkaError, OSError, subprocess.SubprocessError)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = parser().parse_args(argv)
    # brokers and folders are cleared away, however this ends
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _measure(options, chosen_plan(options))
    except _BREAKS as error:
        print(f"kopfka bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    scenarios = "\n".join(f"  {name:<16}{what}" for name, what in SCENARIOS.items())
    made = argparse.ArgumentParser(
        prog="kopfka bench",
        description="Measure the bundled broker beside Apache Kafka 4.3.1 (which needs Java 17 and Maven) here.",
        epilog=f"scenarios:\n{scenarios}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = made.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="a look at each scenario, in under 3 minutes: for CI")
    size.add_argument("--full", action="store_true", help="more rounds, and a topic of 10 GB: hours, 40 GB of disk")
    made.add_argument("--alone", action="store_true", help="without Apache Kafka beside")
    made.add_argument(
        "--only", action="append", choices=SCENARIOS, metavar="SCENARIO", help="only this one (may be repeated)"
    )
    made.add_argument("--rounds", type=_positive, help="samples of each figure")
    made.add_argument("--seconds", type=float, help="duration of a load that is not bound by an amount")
    made.add_argument("--megabytes", type=_positive, help="amount of a load that is not bound by a duration")
    made.add_argument("--warm-seconds", type=float, help="load on a broker before what counts")
    made.add_argument("--folder", type=Path, help="where brokers keep their data meanwhile (default: the system's)")
    made.add_argument("--output", type=Path, help="write table, charts and raw figures to this folder")
    return made


def chosen_plan(options: argparse.Namespace) -> Plan:
    """Return how much these options ask for."""
    plan = plans.SHORT if options.short else plans.FULL if options.full else plans.NORMAL
    given = {name: getattr(options, name) for name in ("rounds", "seconds", "megabytes", "warm_seconds")}
    return replace(plan, **{name: value for name, value in given.items() if value is not None})


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _measure(options: argparse.Namespace, plan: Plan) -> int:
    from kopfka_bench.brokers.targets import make_targets  # noqa: PLC0415
    from kopfka_bench.figures import Results  # noqa: PLC0415
    from kopfka_bench.machine import processor_ticks, raise_file_limit  # noqa: PLC0415
    from kopfka_bench.report.background import Background  # noqa: PLC0415
    from kopfka_bench.report.terminal import show  # noqa: PLC0415
    from kopfka_bench.report.writing import write  # noqa: PLC0415
    from kopfka_bench.scenarios.catalog import load  # noqa: PLC0415
    from kopfka_bench.session import Session  # noqa: PLC0415

    raise_file_limit()
    names = [KOPFKA] if options.alone else [KOPFKA, APACHE_KAFKA]
    results = Results()
    broken: list[str] = []
    begun, before = time.time(), processor_ticks()
    background = Background.of_this_machine(asdict(plan), compared=not options.alone)
    with (
        tempfile.TemporaryDirectory(prefix="kopfka-bench-", dir=options.folder, ignore_cleanup_errors=True) as folder,
        Session(plan, make_targets(names, Path(folder)), results) as session,
    ):
        for name in options.only or SCENARIOS:
            scenario = load(name)
            session.say(f"measuring {name}: {SCENARIOS[name]}…")
            session.scenario = scenario.TITLE
            results.aims[scenario.TITLE] = scenario.AIM
            try:
                scenario.run(session)
            except _BREAKS as error:  # the others are measured all the same
                broken.append(name)
                results.note(f"{name} broke: {type(error).__name__}: {error}")
            if options.output is not None:  # what is measured is kept, should the next hour be interrupted
                write(options.output, results, background.ended(round(time.time() - begun), before, processor_ticks()))
    show(results, background.ended(round(time.time() - begun), before, processor_ticks()), names)
    if options.output is not None:
        print(f"written to {options.output}")
    if broken:
        print(f"kopfka bench: {', '.join(broken)} broke, see the notes", file=sys.stderr)
    return 1 if broken else 0

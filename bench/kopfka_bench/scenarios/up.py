"""`kopfka up` with one cluster and two topics: seconds until all is ready, and the memory of all it runs when idle.

Apache Kafka has no counterpart, so there is nothing beside it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_bench.figures import KOPFKA
from kopfka_bench.machine import usage

if TYPE_CHECKING:
    from kopfka_bench.session import Session

TITLE = "kopfka up"
AIM = ""
_SECONDS = 60
_IDLE_SECONDS = 3.0
_RESOURCES = """\
apiVersion: kopfka.io/v1alpha1
kind: KafkaCluster
metadata: {name: bench}
spec: {engine: bundled, storage: {size: 1Gi}}
---
apiVersion: kopfka.io/v1alpha1
kind: KafkaTopic
metadata: {name: orders}
spec: {cluster: bench, partitions: 3}
---
apiVersion: kopfka.io/v1alpha1
kind: KafkaTopic
metadata: {name: payments}
spec: {cluster: bench, partitions: 3}
"""


def run(session: Session) -> None:
    """Measure it as often as there are rounds."""
    for _ in range(session.plan.rounds):
        with tempfile.TemporaryDirectory(prefix="kopfka-bench-up-", ignore_cleanup_errors=True) as folder:
            _once(session, Path(folder))


def _once(session: Session, folder: Path) -> None:
    resources, state = folder / "resources.yaml", folder / "state"
    resources.write_text(_RESOURCES, "utf-8")
    command = [sys.executable, "-m", "kopfka_cli"]
    asked = ["up", "-f", str(resources), "--state", str(state), "--detach", "--timeout", str(_SECONDS)]
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, *asked], capture_output=True, text=True, timeout=_SECONDS + 30, check=False
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
            session.results.note(f"kopfka up was not measured: {said}")
            return
        time.sleep(_IDLE_SECONDS)
        # the state's first file has the process that `kopfka down` would end
        used = usage(int((state / "kopfka-state").read_text().strip()), exact=True)
        session.add("to everything ready", KOPFKA, seconds, "s")
        session.add("everything idle, RSS", KOPFKA, used.rss, "MB")
        if used.pss:
            session.add("everything idle, PSS", KOPFKA, used.pss, "MB")
    finally:
        subprocess.run([*command, "down", "--state", str(state)], capture_output=True, timeout=60, check=False)

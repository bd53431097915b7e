"""Where figures come from: machine, versions, and what processes hold in memory."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import confluent_kafka
import psutil

ROOT = Path(__file__).parents[1]


def describe_machine() -> dict[str, object]:
    """Return what a reader needs to judge the figures."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kopfka": metadata.version("kopfka"),
        "commit": _commit(),
        "confluent-kafka": confluent_kafka.version()[0]
        if isinstance(confluent_kafka.version(), tuple)
        else confluent_kafka.version(),
        "librdkafka": confluent_kafka.libversion()[0],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def memory_of(pid: int) -> dict[str, float]:
    """Return the memory of a process and all its children in MB: RSS, and where the system tells it PSS.

    RSS counts pages that processes share once for each of them, PSS once.
    """
    root = psutil.Process(pid)
    rss = pss = 0.0
    processes = 0
    for process in (root, *root.children(recursive=True)):
        try:
            info = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        processes += 1
        rss += info.rss
        pss += getattr(info, "pss", 0)
    figures = {"rss_mb": round(rss / 1e6, 1), "processes": float(processes)}
    return figures | ({"pss_mb": round(pss / 1e6, 1)} if pss else {})

"""Where figures come from: machine and versions, and what processes use of it.

Linux tells it in /proc; elsewhere `ps` does, with a processor time in whole hundredths and without PSS.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and all its children use: seconds of processor time until now, MB of memory."""

    cpu: float
    rss: float
    pss: float = 0.0
    """Pages that processes share are counted once in it; 0 where the system does not tell."""
    processes: int = 1


def usage(pid: int, *, exact: bool = False) -> Usage:
    """Return what a process and its children use now; PSS, which takes long to find out, with `exact`."""
    if not _PROC.joinpath("self/stat").exists():
        return _usage_by_ps(pid)
    found = [one for each in (pid, *_children(pid)) if (one := _usage_by_proc(each, exact=exact)) is not None]
    return Usage(
        sum(one.cpu for one in found), sum(one.rss for one in found), sum(one.pss for one in found), len(found)
    )


def _usage_by_proc(pid: int, *, exact: bool) -> Usage | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        rss = int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE / 1e6
        pss = 0.0
        if exact:
            with contextlib.suppress(OSError):
                for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        pss = int(line.split()[1]) * 1024 / 1e6
    except (OSError, ProcessLookupError):
        return None
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, rss, pss)


def _children(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(folder.name))
    found, left = [], [pid]
    while left:
        of = parents.get(left.pop(), [])
        found += of
        left += of
    return found


def _usage_by_ps(pid: int) -> Usage:
    lines = _said("ps", "-axo", "pid=,ppid=,rss=,time=").splitlines()
    table = {int(line.split()[0]): line.split() for line in lines}
    wanted, grew = {pid}, True
    while grew:
        more = {each for each, row in table.items() if int(row[1]) in wanted} - wanted
        wanted |= more
        grew = bool(more)
    rows = [table[each] for each in wanted if each in table]
    return Usage(sum(_seconds(row[3]) for row in rows), sum(int(row[2]) * 1024 / 1e6 for row in rows), 0.0, len(rows))


def _seconds(text: str) -> float:
    days, _, rest = text.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = total * 60 + float(part)
    return total + 86_400 * int(days or 0)


def describe_machine() -> dict[str, object]:
    """Return what a reader needs to judge the figures."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * _PAGE / 1e9, 1),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
    }


def describe_versions() -> dict[str, object]:
    """Return the versions of what has a part in the figures."""
    import confluent_kafka  # noqa: PLC0415 - `kopfka bench --help` needs no client

    return {
        "python": platform.python_version(),
        "kopfka": metadata.version("kopfka"),
        "commit": _said("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty") or "not known",
        "confluent-kafka": str(confluent_kafka.__version__),
        "librdkafka": str(confluent_kafka.libversion()[0]),
    }


def processor_ticks() -> tuple[int, int]:
    """Return what processor time the host of a virtual machine kept from it, and all there was; (0, 0) elsewhere."""
    try:
        fields = [int(field) for field in (_PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return 0, 0
    return fields[7], sum(fields)


def java_runtime() -> str:
    """Return what `java` calls itself, empty where there is none."""
    lines = _said("java", "--version").splitlines()
    return lines[0] if lines else ""


def _processor() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _said(*command: str) -> str:
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def raise_file_limit() -> None:
    """Let this process and the brokers it starts open as many files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > soft else soft, hard))

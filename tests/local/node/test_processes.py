"""The guard and what it starts."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kopfka_local.node.processes import Processes, StartError
from local.laptop import alive
from support.prerequisites import lacking
from support.waiting import eventually, eventually_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    processes = Processes()
    processes.open()
    yield processes
    processes.close()


class Output(list[bytes]):
    """What a process wrote; its last entry is b"" once it closed."""

    @property
    def text(self) -> str:
        return b"".join(self).decode()


async def run(processes: Processes, script: str, **env: str) -> tuple[int, str, str]:
    out, err = Output(), Output()
    command = [sys.executable, "-uc", script]
    process = await processes.start(command, env=dict(os.environ) | env, cwd=Path("/"), out=out.append, err=err.append)
    code = await process.wait()
    await eventually_async(lambda: out[-1:] == err[-1:] == [b""])
    return code, out.text, err.text


async def test_output_environment_and_exit_code(processes: Processes) -> None:
    script = "import os, sys; print(os.environ['A'], os.getcwd()); print('e', file=sys.stderr); sys.exit(7)"
    assert await run(processes, script, A="1") == (7, "1 /\n", "e\n")


async def test_signals(processes: Processes) -> None:
    assert (await run(processes, "import os; os.kill(os.getpid(), 9)"))[0] == -signal.SIGKILL


async def test_nothing_but_its_standard_files_is_inherited(processes: Processes) -> None:
    _, out, _ = await run(processes, "import os; print(sorted(int(fd) for fd in os.listdir('/dev/fd')))")
    assert [fd for fd in eval(out) if fd > 3] == []  # 3 is the folder being listed


async def test_each_leads_a_session_without_blocked_signals(processes: Processes) -> None:
    script = "import os, signal; print(os.getsid(0) == os.getpid(), *map(signal.getsignal, (2, 15)))"
    _, out, _ = await run(processes, script)
    assert out == f"True {signal.default_int_handler} {signal.SIG_DFL}\n"


@pytest.mark.parametrize(
    ("command", "cwd", "message"),
    [
        (["/no/such/program"], "/", "No such file or directory"),
        ([sys.executable], "/no/such/folder", "No such file or directory"),
        (["/etc/passwd"], "/", "Permission denied"),
    ],
)
async def test_what_cannot_start_says_why(processes: Processes, command: list[str], cwd: str, message: str) -> None:
    sink = Output().append
    with pytest.raises(StartError, match=message):
        await processes.start(command, env={}, cwd=Path(cwd), out=sink, err=sink)
    assert (await run(processes, "pass"))[0] == 0  # and the guard goes on


async def test_many_at_once(processes: Processes) -> None:
    import asyncio

    results = await asyncio.gather(
        *(run(processes, f"print({number}); raise SystemExit({number})") for number in range(20))
    )
    assert [(code, out) for code, out, _ in results] == [(number, f"{number}\n") for number in range(20)]


PARENT = """
import asyncio, os, sys
from pathlib import Path
from kopfka_local.node.processes import Processes
async def main():
    processes = Processes()
    processes.open()
    child = (
        "import signal, subprocess, sys; "
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); signal.pause()"
    )
    command = [sys.executable, "-c", child]
    pids = []
    for _ in range(2):
        process = await processes.start(command, env=dict(os.environ), cwd=Path("/"), out=print, err=print)
        pids.append(process.pid)
    print("pids", processes.guard_pid, *pids, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def family(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


@pytest.mark.parametrize("victim", ["parent", "guard", "both"])
def test_no_orphans_whoever_is_killed(victim: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        guard, *pids = (int(pid) for pid in parent.stdout.readline().split()[1:])
        eventually(lambda: len(family(parent.pid)) == 5)  # the guard, two processes, and a child of each
        everyone = family(parent.pid)
        if victim in ("guard", "both"):
            os.kill(guard, signal.SIGKILL)
        if victim in ("parent", "both"):
            parent.kill()
        eventually(lambda: not any(alive(pid) for pid in pids), what="the processes to be gone")
        if victim != "both":  # where both are gone at once, Linux ends the processes, and nobody what they started
            eventually(
                lambda: not any(alive(pid) for pid in everyone if pid != guard), what="their children to be gone"
            )
        parent.kill()
        for pid in everyone:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


async def test_a_parent_with_very_many_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        lacking(f"at most {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1200)]
    processes = Processes()
    try:
        processes.open()
        assert await run(processes, "print('here')") == (0, "here\n", "")
    finally:
        processes.close()
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

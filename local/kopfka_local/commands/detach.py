"""`--detach`: the same process goes on in the background once it has said that everything is ready.

The child is forked before anything is started and leads a session of its own; it keeps this terminal as its output
until it lets go, so what it shows is what `kopfka up` shows in the foreground. This process waits for the word of the
child, passes signals on to it, and ends with its exit code where it fails.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    LetGo = Callable[[], None]


def run_detached(main: Callable[[LetGo], int], log: Path) -> int:
    """Run `main(let_go)` in a child; return 0 once it called `let_go`, or its exit code where it ended before.

    `log` takes its output from then on.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ready, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        os.setsid()

        def let_go() -> None:
            sys.stdout.flush()
            sys.stderr.flush()
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            os.close(output)
            os.close(nothing)
            os.chdir("/")
            os.write(ready_write, b"ready")
            os.close(ready_write)

        code = 1
        try:
            code = main(let_go)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # not the parent's way out: no handler of its own runs twice
    os.close(ready_write)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    with os.fdopen(ready, "rb") as pipe:
        if pipe.read() == b"ready":
            return 0
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

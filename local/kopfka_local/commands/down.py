"""`kopfka down`: stop what `kopfka up` runs, and with `--purge` remove all it kept. Asks for nothing."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from kopfka_local.commands.state import State, StateError, default_folder
from kopfka_runtime.process import fail

_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.05


def main(argv: list[str]) -> int:
    """Stop it; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="kopfka down", description="Stop what kopfka up runs. What it kept stays, unless --purge."
    )
    parser.add_argument(
        "--purge", action="store_true", help="remove the state as well: every resource, every volume, every log"
    )
    parser.add_argument(
        "--state", default=str(default_folder()), metavar="DIR", help="the state (default: $KOPFKA_HOME or ~/.kopfka)"
    )
    options = parser.parse_args(argv)
    state = State(Path(options.state).expanduser().resolve())
    try:
        if options.purge and state.folder.exists() and not state.exists:
            raise StateError(f"{state.folder} is not a state folder of kopfka: nothing was removed")
        stopped = stop(state)
        print(f"kopfka up over {state.folder} {'is stopped' if stopped else 'was not running'}")
        if options.purge and state.exists:
            with state.held():
                state.purge()
            print(f"{state.folder} is removed")
    except StateError as error:
        return fail(error)
    return 0


def stop(state: State) -> bool:
    """Stop the `kopfka up` that runs over a state, and wait for its end; tell whether there was one.

    Raises:
        StateError: it does not end.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (owner := state.owner()) == -1 and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)  # it has the lock and is about to write who it is
    if owner is None:
        return False
    try:
        os.kill(owner, signal.SIGTERM)
    except ProcessLookupError:
        return True
    except PermissionError as error:
        raise StateError(f"process {owner} belongs to another user: run kopfka down as that user") from error
    while state.owner() == owner:
        if time.monotonic() > deadline:
            print(f"process {owner} did not end within {_PATIENCE_SECONDS:g} s: killing it", file=sys.stderr)
            os.kill(owner, signal.SIGKILL)  # its guard ends what it ran
            deadline = time.monotonic() + _PATIENCE_SECONDS
        time.sleep(_LOOK_SECONDS)  # the lock is the only thing to wait on, and waiting on it would be taking it
    return True

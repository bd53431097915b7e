"""`kopfka up`: a local cluster with the operator in it, and the resources of some files, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import logging.handlers
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_local.commands.manifests import apply_documents
from kopfka_local.commands.state import State, StateError, default_folder
from kopfka_runtime.errors import KopfkaError
from kopfka_runtime.manifests import read_documents
from kopfka_runtime.process import fail, run

if TYPE_CHECKING:
    from kopfka_local.commands.detach import LetGo
    from kopfka_local.commands.output import Screen
    from kopfka_local.commands.watched import Watched
    from kopfka_local.session import Session
    from kopfka_runtime.manifests import Document

log = logging.getLogger(__name__)

_LOG_BYTES = 10 * 1024 * 1024
_NOTHING_YET = "Nothing to run yet: kubectl apply -f FILE, or kopfka up -f FILE"


class NotReadyError(KopfkaError):
    """Not everything became ready in the time given."""


def main(argv: list[str]) -> int:
    """Run until told to stop; return the exit code."""
    options = _parser().parse_args(argv)
    state = State(Path(options.state).expanduser().resolve())
    try:
        documents = read_documents(options.file)
        if options.detach:
            from kopfka_local.commands.detach import run_detached  # noqa: PLC0415

            if owner := state.owner():
                raise KopfkaError(f"kopfka up already runs over {state.folder} (process {owner}): see kopfka status")
            return run_detached(lambda let_go: _hold_and_run(state, Up(options, state, documents, let_go)), state.log)
        return _hold_and_run(state, Up(options, state, documents))
    except KopfkaError as error:
        return fail(error)


def _hold_and_run(state: State, up: Up) -> int:
    try:
        with state.held():
            return run(up.run)
    except KopfkaError as error:
        return fail(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kopfka up",
        description="Run resources on this machine as Kubernetes would, with no JVM, Docker or Kubernetes.",
        epilog="Everything is kept: the next kopfka up finds it again.",
    )
    parser.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        metavar="FILE",
        help="apply the resources of a file or folder, or - (may be repeated)",
    )
    parser.add_argument("--detach", action="store_true", help="go to the background once everything is ready")
    parser.add_argument("--no-operator", action="store_true", help="do not run the operator (to install it with Helm)")
    add_state_option(parser)
    parser.add_argument("--port", type=int, help="port of the API server (default: a free one, kept from then on)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="how long to wait for everything to be ready (default: 120)",
    )
    return parser


def add_state_option(parser: argparse.ArgumentParser) -> None:
    """Add `--state`."""
    parser.add_argument(
        "--state",
        default=str(default_folder()),
        metavar="DIR",
        help="where everything is kept (default: $KOPFKA_HOME or ~/.kopfka)",
    )


class Up:
    """One run of `kopfka up`."""

    def __init__(
        self,
        options: argparse.Namespace,
        state: State,
        documents: list[Document],
        let_go: LetGo | None = None,
    ) -> None:
        self._options = options
        self._state = state
        self._documents = documents
        self._let_go = let_go
        self._begun = time.monotonic() - time.process_time()  # the interpreter's start and the imports count too

    async def run(self, stop: asyncio.Event) -> None:
        """Start, apply, wait until all is ready, say so, and wait for the end.

        Raises:
            KopfkaError: something is refused, or does not become ready.
        """
        # imported when the state is ours: an error before this costs nothing
        from kopfka_local.commands.output import Screen  # noqa: PLC0415
        from kopfka_local.session import Session  # noqa: PLC0415

        screen = Screen()
        self._log_to(screen)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)  # the terminal is gone: as Ctrl-C
        try:
            session = Session(self._state.folder, self._state.kubeconfig)
        except sqlite3.Error as error:
            raise StateError(
                f"the resources in {self._state.folder} cannot be read ({error}): mend the disk, "
                "or start anew with kopfka down --purge"
            ) from error
        try:
            await session.start(port=self._options.port, operator=not self._options.no_operator)
            watched = await self._apply(session)
            try:
                await self._bring_up(screen, watched, stop)
            finally:
                await watched.stop()
        finally:
            if stop.is_set():
                screen.say("stopping…")
            await session.stop()

    def _log_to(self, screen: Screen) -> None:
        from kopfka_local.commands.output import ScreenHandler  # noqa: PLC0415

        file = logging.handlers.RotatingFileHandler(self._state.log, maxBytes=_LOG_BYTES, backupCount=3)
        self._state.log.chmod(0o600)
        root = logging.getLogger()
        file.setFormatter(root.handlers[0].formatter)
        root.handlers[:] = [file, ScreenHandler(screen)]

    async def _apply(self, session: Session) -> Watched:
        from kopfka_local.commands.watched import Watched, remember_references  # noqa: PLC0415

        references = await apply_documents(session.cluster, self._documents)
        remember_references(self._state.applied, references)
        watched = Watched(session.cluster, references)
        await watched.start()
        return watched

    async def _bring_up(self, screen: Screen, watched: Watched, stop: asyncio.Event) -> None:
        if self._options.no_operator:
            self._close(screen, watched)
        else:
            with screen:
                ready = await self._wait(screen, watched, stop)
            if stop.is_set():
                return
            if ready:
                self._close(screen, watched)
            elif self._let_go is not None:
                raise NotReadyError(f"not ready after {self._options.timeout:g} s: {_what_is_missing(watched)}")
            else:
                screen.say(
                    f"Not ready after {self._options.timeout:g} s: {_what_is_missing(watched)}. "
                    "It goes on; Ctrl-C stops it."
                )
        if self._let_go is not None:
            self._let_go()
        await self._report_changes(screen, watched, stop)

    async def _wait(self, screen: Screen, watched: Watched, stop: asyncio.Event) -> bool:
        from kopfka_local.commands.output import FRAME_SECONDS  # noqa: PLC0415
        from kopfka_local.commands.table import all_ready  # noqa: PLC0415

        deadline = self._begun + self._options.timeout
        while not stop.is_set():
            watched.changed.clear()
            rows = watched.rows()
            screen.show(rows)
            if all_ready(rows) and watched.pods_are_ready():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await _first_of(stop, watched.changed, min(left, FRAME_SECONDS if screen.moves else left))
        return False

    def _close(self, screen: Screen, watched: Watched) -> None:
        from kopfka_local.commands.output import closing_lines  # noqa: PLC0415
        from kopfka_local.commands.table import addresses_of  # noqa: PLC0415
        from kopfka_local.node.hosts import read_hosts  # noqa: PLC0415

        addresses = addresses_of(watched.own(), read_hosts(self._state.hosts))
        seconds = time.monotonic() - self._begun
        if not watched.own():
            screen.say(_NOTHING_YET)
        else:
            screen.say(f"Ready in {seconds:.1f} s")
        for line in closing_lines(addresses, self._state.kubeconfig, foreground=self._let_go is None):
            screen.say(line)

    async def _report_changes(self, screen: Screen, watched: Watched, stop: asyncio.Event) -> None:
        """Say what stops being ready, and what is ready again."""
        from kopfka_local.commands.table import plain_line  # noqa: PLC0415

        known = {row.label: row.state.ready for row in watched.rows()}
        while not stop.is_set():
            watched.changed.clear()
            for row in watched.rows():
                if known.get(row.label) != row.state.ready:
                    known[row.label] = row.state.ready
                    screen.say(plain_line(row))
            await _first_of(stop, watched.changed, None)


def _what_is_missing(watched: Watched) -> str:
    from kopfka_local.commands.table import plain_line  # noqa: PLC0415

    return "; ".join(plain_line(row) for row in watched.rows() if not row.state.ready) or "pods are not ready"


async def _first_of(stop: asyncio.Event, changed: asyncio.Event, seconds: float | None) -> None:
    tasks = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(changed.wait())]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()

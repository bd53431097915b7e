"""What `kopfka up` says while it brings things up: a live table on a terminal, a line a change elsewhere."""

from __future__ import annotations

import logging
import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

from kopfka_local.commands.table import Address, Row, plain_line, render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FRAME_SECONDS = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PYTHON_CLIENT = (
    'python3 -c "from confluent_kafka.admin import AdminClient as A; '
    "print(A({{'bootstrap.servers': '{servers}'}}).list_topics(timeout=5).topics)\""
)


class Screen:
    """Where progress goes. Use it as a context: the terminal is itself again at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live: Any = None
        self._shown: dict[str, str] = {}
        self._frame = 0
        self._rows: Sequence[Row] = ()

    @property
    def moves(self) -> bool:
        """Whether it wants to be drawn again though nothing changed."""
        return self._live is not None

    def __enter__(self) -> Screen:
        if self._stream.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
            from rich.live import Live  # noqa: PLC0415

            self._live = Live(console=Console(file=self._stream), auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, rows: Sequence[Row]) -> None:
        """Show how things are."""
        self._rows = rows
        if self._live is not None:
            self._frame += 1
            self._live.update(render(rows, _FRAMES[self._frame % len(_FRAMES)]), refresh=True)
            return
        for row in rows:
            line = plain_line(row)
            if self._shown.get(row.label) != line:
                self._shown[row.label] = line
                self.say(line)

    def say(self, line: str) -> None:
        """Print a line, above the table where there is one."""
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=self._stream, flush=True)


class ScreenHandler(logging.Handler):
    """Shows warnings and errors of the log on the screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, without its traceback: that is in the file."""
        self._screen.say(f"{record.levelname.lower()}: {record.getMessage()}")


def closing_lines(addresses: Sequence[Address], kubeconfig: Path, *, foreground: bool) -> list[str]:
    """Return what is to be said once everything is ready."""
    lines = [""]
    width = max((len(address.label) for address in addresses), default=0)
    lines += [f"{address.label:<{width}}  {address.servers}" for address in addresses]
    lines += [f"export KUBECONFIG={kubeconfig}", ""]
    if addresses and addresses[0].kafka:
        lines.append(f"try: {line_to_try(addresses[0].servers)}")
    stopped = "Ctrl-C stops everything" if foreground else "kopfka down stops everything"
    lines.append(f"{stopped}; kopfka up starts it again with all its data.")
    return lines


def line_to_try(servers: str) -> str:
    """Return a command that shows the cluster's topics, with a program that is there."""
    for program in ("kcat", "kafkacat"):
        if shutil.which(program):
            return f"{program} -b {servers} -L"
    return _PYTHON_CLIENT.format(servers=servers)

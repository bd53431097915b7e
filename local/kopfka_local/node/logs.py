"""Logs of containers: written with time stamps as a container runtime does, rotated, and read back for `kubectl logs`.

One folder a container, one file a run (`0.log`, `1.log`, …: the restart count), rotated parts `0.log.1` (newest)
onwards. A line is `2026-01-02T03:04:05.000000006Z stdout F text`, `P` instead of `F` where a longer line goes on in
the next. The present and the previous run are kept. Following a log waits for the writer, and polls nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

LARGEST_FILE = 10 * 1024 * 1024
MOST_FILES = 5
LONGEST_LINE = 16 * 1024
_PIECE = 64 * 1024
_LAST_LINES = 80
_LAST_BYTES = 2048
_LAST_WORDS_SECONDS = 1.0


def stamp(nanoseconds: int) -> bytes:
    """Return a time as RFC 3339 with nanoseconds, in UTC."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return b"%s.%09dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode(), rest)


class ContainerLog:
    """The log of one container of one pod."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], int] = time.time_ns,
        largest: int = LARGEST_FILE,
        most: int = MOST_FILES,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._largest = largest
        self._most = most
        self._changed = asyncio.Event()
        self._file: int | None = None
        self._size = 0
        self._run = 0
        self._open = 0
        self._rests = {b"stdout": b"", b"stderr": b""}
        self._ended = True

    @property
    def path(self) -> Path:
        """The file of the present run."""
        return self._folder / f"{self._run}.log"

    def begin(self, run: int) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """Begin the log of a run; return what takes its standard output and its standard error (b"" is the end)."""
        self._close()
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in self._folder.iterdir():
            number = file.name.partition(".")[0]
            if number.isdigit() and int(number) not in (run, run - 1):
                file.unlink(missing_ok=True)
        self._run = run
        self._ended = False
        self._open = 2
        self._rests = {b"stdout": b"", b"stderr": b""}
        self._reopen()
        return self._sink(run, b"stdout"), self._sink(run, b"stderr")

    def _sink(self, run: int, stream: bytes) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            if run != self._run or self._file is None:
                return  # a child that outlived its run still holds the pipe
            if data:
                self._write(stream, data)
                return
            if self._rests[stream]:
                self._append(stream, b"F", [self._rests[stream]])
                self._rests[stream] = b""
            self._open -= 1
            if self._open == 0:
                self._close()

        return take

    def _write(self, stream: bytes, data: bytes) -> None:
        *lines, rest = (self._rests[stream] + data).split(b"\n")
        if lines:
            self._append(stream, b"F", lines)
        while len(rest) >= LONGEST_LINE:
            self._append(stream, b"P", [rest[:LONGEST_LINE]])
            rest = rest[LONGEST_LINE:]
        self._rests[stream] = rest

    def _append(self, stream: bytes, tag: bytes, lines: list[bytes]) -> None:
        prefix = b"%s %s " % (stamp(self._clock()), stream)
        for line in lines:
            pieces = [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)] or [b""]
            for piece in pieces[:-1]:
                self._put(b"%sP %s\n" % (prefix, piece))
            self._put(b"%s%s %s\n" % (prefix, tag, pieces[-1]))
        self._wake()

    def _put(self, line: bytes) -> None:
        if self._size + len(line) > self._largest and self._size:
            self._rotate()
        assert self._file is not None
        self._size += os.write(self._file, line)

    def _rotate(self) -> None:
        path = self.path
        for number in range(self._most - 1, 0, -1):
            source = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
            if source.exists():
                source.rename(path.with_name(f"{path.name}.{number}"))
        self._reopen()

    def _reopen(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def last_words(self) -> str:
        """Return what ends the present run: at most 80 lines and 2048 bytes, as a termination message is made of logs.

        To be called when the process has ended; waits a little for what it wrote last.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                while not self._ended:
                    await self._changed.wait()
        lines = b"".join(render(read_entries(self._folder, self._run), LogRequest(tail_lines=_LAST_LINES)))
        return lines[-_LAST_BYTES:].decode(errors="replace")

    async def follow(self, request: LogRequest) -> AsyncIterator[bytes]:
        """Yield what `read` gives, and then what comes, until the present run ends."""
        run = self._run
        changed, ended = self._changed, self._ended
        file, position = None, 0
        try:
            # what is there now is read before anything else can be written: nothing between comes twice or not at all
            before = list(render(read_entries(self._folder, run), request))
            if self.path.exists() and run == self._run:
                file = self.path.open("rb")
                position = file.seek(0, os.SEEK_END)
            for piece in before:
                yield piece
            rest = b""
            while file is not None:
                size = os.fstat(file.fileno()).st_size
                while position < size:
                    data = os.pread(file.fileno(), _PIECE, position)
                    position += len(data)
                    *lines, rest = (rest + data).split(b"\n")
                    for piece in render(map(Entry.parse, lines), request.tailless()):
                        yield piece
                if run == self._run and not os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    file.close()  # rotated: what is left of it has been read
                    file, position = self.path.open("rb"), 0
                    continue
                if ended or run != self._run:
                    return
                await changed.wait()
                changed, ended = self._changed, self._ended
        finally:
            if file is not None:
                file.close()


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What `kubectl logs` asks for."""

    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None

    def tailless(self) -> LogRequest:
        """Return the same without a tail: for what comes after it."""
        return LogRequest(None, self.since, self.timestamps, None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a log file: when, which stream, whether the line ends here, and its text."""

    time: bytes
    full: bool
    text: bytes

    @staticmethod
    def parse(line: bytes) -> Entry:
        """Read a line of a log file, without its line feed."""
        time_stamp, _, rest = line.partition(b" ")
        _, _, rest = rest.partition(b" ")
        return Entry(time_stamp, not rest.startswith(b"P "), rest[2:])


def runs(folder: Path) -> list[int]:
    """Return the runs a container's folder has logs of, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(
        int(file.name[:-4]) for file in folder.iterdir() if file.name.endswith(".log") and file.name[:-4].isdigit()
    )


def read_entries(folder: Path, run: int) -> Iterator[Entry]:
    """Yield the entries of a run, the rotated parts first."""
    parts = sorted(folder.glob(f"{run}.log.*"), key=lambda file: -int(file.name.rpartition(".")[2]))
    for part in [*parts, folder / f"{run}.log"]:
        try:
            with part.open("rb") as file:
                for line in file:
                    yield Entry.parse(line.rstrip(b"\n"))
        except FileNotFoundError:
            continue


def render(entries: Iterable[Entry], request: LogRequest) -> Iterator[bytes]:
    """Yield the text `kubectl logs` shows for entries, in pieces; only a tail is held in memory as a whole."""
    lines = _lines(entries, request)
    if request.tail_lines is not None:
        lines = iter(deque(lines, maxlen=request.tail_lines))
    left = request.limit_bytes
    piece = bytearray()
    for line in lines:
        piece += line if left is None else line[:left]
        left = None if left is None else left - len(line)
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
        if left is not None and left <= 0:
            break
    if piece:
        yield bytes(piece)


def _lines(entries: Iterable[Entry], request: LogRequest) -> Iterator[bytes]:
    """Yield the lines as they were written: entries that go on are put together."""
    since = request.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode() if request.since else b""
    line = bytearray()
    for entry in entries:
        if entry.time < since:
            continue
        if request.timestamps and not line:
            line += entry.time + b" "
        line += entry.text
        if entry.full:
            yield bytes(line) + b"\n"
            line.clear()
    if line:
        yield bytes(line)

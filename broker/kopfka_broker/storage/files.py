"""Open files of many logs: opened at first use, the longest unused ones closed when there are too many.

A broker may have ten thousand partitions and an operating system that gives it a thousand descriptors.
"""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 65_536
_MOST_OF_MACOS = 10_240
"""More are refused there even where the hard limit says unlimited."""
_SHARE = 2
"""One in so many of the descriptors that the process may have is for log files; sockets need the others."""


def default_limit() -> int:
    """Return how many log files to keep open, after raising this process's limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    for wanted in (most, _MOST_OF_MACOS):
        if soft < wanted <= most:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                soft = wanted
    return max(16, min(soft, _MOST) // _SHARE)


class LogFile:
    """One file that an `OpenFiles` opens and closes as it sees fit; pinned, it stays open."""

    __slots__ = ("_files", "_number", "path", "pins", "retired")

    def __init__(self, path: Path, files: OpenFiles) -> None:
        self.path = path
        self.pins = 0
        self.retired = False
        """Whether it is to be closed for good when the last pin goes."""
        self._files = files
        self._number = -1

    def descriptor(self, *, create: bool = False) -> int:
        """Return a descriptor, valid until the next call for another file. May raise OSError."""
        if self._number < 0:
            flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
            self._number = os.open(self.path, flags, 0o644)
        self._files.used(self)
        return self._number

    @property
    def is_open(self) -> bool:
        """Whether a descriptor is held."""
        return self._number >= 0

    def close(self) -> None:
        """Give the descriptor back."""
        self._files.forget(self)
        if self._number >= 0:
            number, self._number = self._number, -1
            os.close(number)


class OpenFiles:
    """The open files of a data folder, the longest unused first."""

    __slots__ = ("_limit", "_open")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[LogFile, None] = {}

    def used(self, file: LogFile) -> None:
        """Take note that a file is open and in use now."""
        if len(self._open) > self._limit // 2:  # order matters only when closing is near
            self._open.pop(file, None)
        self._open[file] = None
        if len(self._open) > self._limit:
            self._close_oldest(file)

    def forget(self, file: LogFile) -> None:
        """Take note that a file is closed."""
        self._open.pop(file, None)

    def _close_oldest(self, keep: LogFile) -> None:
        for file in self._open:
            if not file.pins and file is not keep:
                file.close()
                return

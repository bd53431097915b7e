"""How fast work beside the event loop goes: it shares a processor core with it (and Python's lock), and the disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    import threading

_SLICE_SECONDS = 0.002
"""After so much work the event loop has a turn: what a request waits longer at most, but for one large batch."""


class StoppedError(KopfkaError):
    """The broker is shutting down."""


class Pace:
    """Lets a thread work in slices, as long again at rest, and no faster than so many bytes a second."""

    def __init__(self, stop: threading.Event, bytes_per_second: float) -> None:
        self._stop = stop
        self._bytes_per_second = bytes_per_second
        self._began = time.perf_counter()
        self._bytes = 0

    def worked(self, size: int) -> None:
        """Take note of bytes read or written, and rest where a rest is due.

        Raises:
            StoppedError: the broker is shutting down.
        """
        self._bytes += size
        worked = time.perf_counter() - self._began
        least = self._bytes / self._bytes_per_second
        if max(worked, least) < _SLICE_SECONDS:
            return
        if self._stop.wait(max(worked, least - worked)):
            raise StoppedError("the broker is shutting down")
        self._bytes = 0
        self._began = time.perf_counter()

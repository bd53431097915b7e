"""The API server's port: the one asked for, or the one it had before, or a free one that it keeps."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from kopfka_local.files import write_atomically
from kopfka_runtime.errors import AddressInUseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HOST = "127.0.0.1"


def choose_port(file: Path, wanted: int | None, bind: Callable[[str, int], int]) -> int:
    """Return the port to listen on, and keep it in `file`.

    Raises:
        AddressInUseError: the one asked for is taken.
    """
    if wanted and bind(_HOST, wanted):
        raise AddressInUseError(
            f"port {wanted} of {_HOST} is taken: choose another one with --port, or none to have one chosen"
        )
    kept = int(file.read_text()) if file.exists() and file.read_text().strip().isdigit() else 0
    chosen = wanted or (kept if kept and not bind(_HOST, kept) else _free_port())
    if chosen != kept:
        write_atomically(file, f"{chosen}\n".encode())
    return chosen


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])

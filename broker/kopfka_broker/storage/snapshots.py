"""The `.snapshot` files of a log: written at rolls and at a clean close, read at recovery, removed when useless."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import write_atomically
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.segment import SNAPSHOT_SUFFIX, offset_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kopfka_broker.storage.producers import ProducerStates

log = logging.getLogger(__name__)


def save_snapshot(directory: Path, producers: ProducerStates, offset: int) -> None:
    """Write the state as of `offset`. A disk that takes no snapshot is no reason to stop: recovery then reads more."""
    path = directory / offset_name(offset, SNAPSHOT_SUFFIX)
    try:
        write_atomically(path, producers.encode(), durable=False)
    except KafkaStorageError as error:
        log.warning("%s; the next recovery reads more of the log instead", error)


def load_snapshot(directory: Path, producers: ProducerStates, offsets: list[int]) -> int | None:
    """Load the newest whole one of the snapshots at `offsets` and return its offset; None where there is none.

    Damaged ones are removed.
    """
    for offset in reversed(offsets):
        path = directory / offset_name(offset, SNAPSHOT_SUFFIX)
        if producers.decode(path.read_bytes()):
            return offset
        log.warning("%s is damaged and removed", path)
        path.unlink()
    return None


def remove_snapshots_below(directory: Path, offset: int) -> None:
    """Remove the snapshots of segments that are deleted."""
    for path in directory.glob(f"*{SNAPSHOT_SUFFIX}"):
        if path.stem.isdigit() and int(path.stem) < offset:
            _remove(path)


def remove_useless_snapshots(directory: Path, offsets: list[int], bases: Iterable[int], end: int) -> list[int]:
    """Remove snapshots above the log end offset, and those that are neither the newest nor at a segment's beginning.

    Returns:
        The offsets of those that are left.
    """
    usable = [offset for offset in offsets if offset <= end]
    kept = set(usable[-1:]) | set(bases)
    for offset in offsets:
        if offset > end or offset not in kept:
            _remove(directory / offset_name(offset, SNAPSHOT_SUFFIX))
    return [offset for offset in usable if offset in kept]


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()

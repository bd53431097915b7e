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


def snapshot_offsets(directory: Path) -> list[int]:
    """Return the offsets of the snapshots that are there, in their order."""
    return sorted(int(path.stem) for path in directory.glob(f"*{SNAPSHOT_SUFFIX}") if path.stem.isdigit())


def save_snapshot(directory: Path, producers: ProducerStates, offset: int) -> None:
    """Write the state as of `offset`. A disk that takes no snapshot is no reason to stop: recovery then reads more."""
    path = directory / offset_name(offset, SNAPSHOT_SUFFIX)
    try:
        write_atomically(path, producers.encode(), durable=False)
    except KafkaStorageError as error:
        log.warning("%s; the next recovery reads more of the log instead", error)


def load_snapshot(directory: Path, producers: ProducerStates, *, at_most: int) -> int | None:
    """Load the newest whole snapshot at or below `at_most` and return its offset; None where there is none.

    Damaged ones are removed.
    """
    for offset in reversed(snapshot_offsets(directory)):
        if offset > at_most:
            continue
        path = directory / offset_name(offset, SNAPSHOT_SUFFIX)
        if producers.decode(path.read_bytes()):
            return offset
        log.warning("%s is damaged and removed", path)
        path.unlink()
    return None


def remove_snapshots(directory: Path, *, below: int = 0, above: int | None = None) -> None:
    """Remove snapshots of offsets below `below`, and above `above`."""
    for offset in snapshot_offsets(directory):
        if offset < below or (above is not None and offset > above):
            with contextlib.suppress(OSError):
                (directory / offset_name(offset, SNAPSHOT_SUFFIX)).unlink()


def keep_snapshots(directory: Path, base_offsets: Iterable[int]) -> None:
    """Remove snapshots that are neither the newest nor of a segment's first offset."""
    offsets = snapshot_offsets(directory)
    wanted = set(base_offsets) | set(offsets[-1:])
    for offset in offsets:
        if offset not in wanted:
            with contextlib.suppress(OSError):
                (directory / offset_name(offset, SNAPSHOT_SUFFIX)).unlink()

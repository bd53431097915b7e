"""The `.snapshot` files of a log: what is known of its producers as of an offset; read at recovery."""

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

    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.producers import ProducerStates

_log = logging.getLogger(__name__)

_WORTH_BYTES = 16 * 1024 * 1024


class Snapshots:
    """The snapshots one log writes: at each roll, at a clean close, and now and then in a segment that grows.

    Between rolls only the newest one is kept: recovery uses no other.
    """

    __slots__ = ("_base", "_offset", "_size")

    def __init__(self) -> None:
        self._offset = -1
        self._base = -1
        self._size = 0

    def save(self, log: PartitionLog) -> None:
        """Write the state as of the log end offset.

        A disk that takes no snapshot is no reason to stop: recovery then reads more.
        """
        offset = log.log_end_offset
        try:
            write_atomically(
                log.directory / offset_name(offset, SNAPSHOT_SUFFIX), log.producers.encode(), durable=False
            )
        except KafkaStorageError as error:
            _log.warning("%s; the next recovery reads more of the log instead", error)
            return
        before, self._offset = self._offset, offset
        self._base, self._size = log.active.base_offset, log.active.size
        if before not in (-1, offset) and log.segments[log.segment_at(before)].base_offset != before:
            _remove(log.directory / offset_name(before, SNAPSHOT_SUFFIX))

    def checkpoint(self, log: PartitionLog) -> None:
        """Write the state where a recovery would have much to read after the last snapshot."""
        active = log.active
        if active.size - (self._size if self._base == active.base_offset else 0) >= _WORTH_BYTES:
            self.save(log)


def load_snapshot(directory: Path, producers: ProducerStates, offsets: list[int]) -> int | None:
    """Load the newest whole one of the snapshots at `offsets` and return its offset; None where there is none.

    Damaged ones are removed.
    """
    for offset in reversed(offsets):
        path = directory / offset_name(offset, SNAPSHOT_SUFFIX)
        if producers.decode(path.read_bytes()):
            return offset
        _log.warning("%s is damaged and removed", path)
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

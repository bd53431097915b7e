"""Which leader epoch wrote from which offset on (KIP-101), in memory and in `leader-epoch-checkpoint`."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import LEADER_EPOCHS, read_epochs, write_epochs

if TYPE_CHECKING:
    from pathlib import Path

UNDEFINED = (-1, -1)
MAX_EPOCH = 2**31 - 1


class LeaderEpochs:
    """Epochs of one log, in the order of their start offsets."""

    __slots__ = ("_entries", "_path")

    def __init__(self, directory: Path) -> None:
        self._path = directory / LEADER_EPOCHS
        self._entries: list[tuple[int, int]] = []

    @property
    def latest(self) -> int:
        """The newest epoch, -1 where there is none."""
        return self._entries[-1][0] if self._entries else -1

    def load(self) -> None:
        """Read the checkpoint; entries that contradict each other are dropped."""
        self._entries = []
        for epoch, start in read_epochs(self._path):
            self._assign(epoch, start)

    def assign(self, epoch: int, start_offset: int, *, durable: bool = False) -> None:
        """Take note that `epoch` writes from `start_offset` on, if it is newer than the latest.

        Raises:
            KafkaStorageError: the checkpoint cannot be written; nothing is changed.
        """
        before = list(self._entries)
        if self._assign(epoch, start_offset):
            self._write_or(before, durable=durable)

    def found(self, epoch: int, start_offset: int) -> None:
        """Take note of an epoch seen in a batch at recovery; nothing is written."""
        self._assign(epoch, start_offset)

    def save(self) -> None:
        """Write the checkpoint."""
        write_epochs(self._path, self._entries, durable=False)

    def truncate_end(self, end_offset: int) -> bool:
        """Drop epochs that begin at `end_offset` or above; True where that dropped something."""
        kept = [entry for entry in self._entries if entry[1] < end_offset]
        dropped, self._entries = len(kept) < len(self._entries), kept
        return dropped

    def truncate_start(self, start_offset: int) -> None:
        """Drop epochs whose records are all below `start_offset`; the one that holds it then begins there.

        Raises:
            KafkaStorageError: the checkpoint cannot be written; nothing is changed.
        """
        at = bisect_right(self._entries, start_offset, key=lambda entry: entry[1]) - 1
        if at < 0 or (at == 0 and self._entries[0][1] == start_offset):
            return
        before = self._entries
        self._entries = [(before[at][0], start_offset), *before[at + 1 :]]
        self._write_or(before, durable=False)

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """Return the largest epoch at or below `epoch`, and the offset it ends at; (-1, -1) where unknown."""
        if not self._entries or epoch < 0 or epoch > self.latest:
            return UNDEFINED
        if epoch == self.latest:
            return epoch, log_end_offset
        at = bisect_right(self._entries, epoch, key=lambda entry: entry[0])
        if at == 0:  # the epochs before the first one wrote nothing that is still here
            return epoch, self._entries[0][1]
        return self._entries[at - 1][0], self._entries[at][1]

    def _assign(self, epoch: int, start_offset: int) -> bool:
        if epoch < 0 or epoch <= self.latest:
            return False
        while self._entries and self._entries[-1][1] >= start_offset:
            self._entries.pop()
        self._entries.append((epoch, start_offset))
        return True

    def _write_or(self, before: list[tuple[int, int]], *, durable: bool) -> None:
        try:
            write_epochs(self._path, self._entries, durable=durable)
        except BaseException:
            self._entries = before
            raise

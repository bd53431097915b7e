"""Producer ids that never repeat, of transactional producers and of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import write_atomically
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "producer-ids"
# ids reserved on disk at once, as a Kafka broker reserves blocks of them from its controller (ProducerIdsBlock)
_BLOCK = 1000


class ProducerIds:
    """Gives out producer ids. A block is reserved durably before its first id is given: none repeats after a kill."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE
        self._next = self._reserved = 0

    def load(self) -> bool:
        """Read what is reserved; False where nothing is: the folder is new, or was another broker's.

        Raises:
            SettingsError: the file is damaged.
        """
        try:
            self._next = self._reserved = int(self._path.read_text("ascii"))
        except FileNotFoundError:
            return False
        except ValueError:
            raise SettingsError(
                f"{self._path} is damaged: write into it a number above every producer id that was ever used"
            ) from None
        return True

    def skip(self, used: int) -> None:
        """Give out no id up to one that somebody has."""
        self._next = max(self._next, used + 1)

    def take(self) -> int:
        """Return an id nobody has had; raises KafkaStorageError where it cannot be kept from coming again."""
        if self._next >= self._reserved:
            self._reserve(self._next + _BLOCK)
        self._next += 1
        return self._next - 1

    def _reserve(self, up_to: int) -> None:
        write_atomically(self._path, str(up_to).encode())
        self._reserved = up_to

"""The lock of a data folder: two brokers never write to the same one."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import DataFolderError

if TYPE_CHECKING:
    from pathlib import Path

_NAME = ".lock"


class FolderLock:
    """An exclusive lock on a folder for the life of this process; the system takes it back when the process ends."""

    def __init__(self, directory: Path) -> None:
        """Make the folder where it is missing, and lock it.

        Raises:
            DataFolderError: another process has it, or it cannot be written to.
        """
        path = directory / _NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DataFolderError(f"cannot use the data folder {directory}: {error.strerror}") from error
        try:
            # The first keeps out another Kopfka, in this process too; the second is the kind Apache Kafka takes.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise DataFolderError(
                f"the data folder {directory} is in use by another broker: stop that one, or pass another --data"
            ) from error

    def release(self) -> None:
        """Let others have the folder."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

"""Whether the system has run on since a broker last wrote to a folder: what was written is then there, synced or not.

A process that is killed leaves the system's page cache as it is; only what it was just writing can be torn. So after
`kill -9` the whole batches below the last index entry need no check, however long ago the last sync was. After a crash
of the system (another boot), or a sync that failed, only what was synced counts.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from kopfka_broker.storage.checkpoints import write_atomically
from kopfka_broker.storage.errors import KafkaStorageError

FILE = ".kopfka_boot"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Names the run of the kernel on Linux; other systems have none, and check more."""


def mark_boot(directory: Path) -> None:
    """Note in the folder under which run of the system it is written to."""
    with contextlib.suppress(OSError, KafkaStorageError):
        write_atomically(directory / FILE, BOOT_ID.read_bytes(), durable=False)


def same_boot(directory: Path) -> bool:
    """Tell whether the system still runs under which the folder was written to, and no sync has failed."""
    try:
        return bool(BOOT_ID.read_bytes()) and (directory / FILE).read_bytes() == BOOT_ID.read_bytes()
    except OSError:
        return False


def forget_boot(directory: Path) -> None:
    """Have the next start trust only what was synced. May raise OSError."""
    (directory / FILE).unlink(missing_ok=True)

"""The state folder of a local cluster: everything that `kopfka up` keeps, and who has it.

kopfka-state       says that this is such a folder; locked and holding the process id while `kopfka up` runs
cluster.sqlite     every resource            kubeconfig, api.*, token, port   for clients of the API server
volumes/           persistent volumes        pods/, logs/, hosts              what the node has of its pods
up.log             what `kopfka up` itself logged
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME_VARIABLE = "KOPFKA_HOME"
_MARKER = "kopfka-state"
_LOOKS, _LOOK_SECONDS = 4, 0.02


class StateError(KopfkaError):
    """The state folder is in use, is not one, or cannot be written."""


def default_folder() -> Path:
    """Return `$KOPFKA_HOME`, or `~/.kopfka`."""
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / ".kopfka")


@dataclass(frozen=True, slots=True)
class State:
    """One state folder."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """For kubectl and all other clients."""
        return self.folder / "kubeconfig"

    @property
    def log(self) -> Path:
        """What `kopfka up` logs."""
        return self.folder / "up.log"

    @property
    def hosts(self) -> Path:
        """Names of services and pods."""
        return self.folder / "hosts"

    @property
    def applied(self) -> Path:
        """What was given with `-f`."""
        return self.folder / "applied.json"

    @property
    def exists(self) -> bool:
        """Whether there is a state."""
        return (self.folder / _MARKER).is_file()

    def owner(self) -> int | None:
        """Return the process id of the `kopfka up` that runs over this (-1: not known yet), None where none does."""
        try:
            with (self.folder / _MARKER).open("r+") as file:
                if _lock(file.fileno()):
                    return None
                digits = file.read().strip()
                return int(digits) if digits.isdigit() else -1
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder if need be and hold it; the lock goes with this process, however it ends.

        Raises:
            StateError: another `kopfka up` runs over it, or it is someone else's folder.
        """
        if self.folder.is_dir() and not self.exists and any(self.folder.iterdir()):
            raise StateError(f"{self.folder} holds something else: name another folder with --state, or empty this one")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.folder / _MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"cannot keep state in {self.folder} ({error.strerror}): name another folder with --state"
            ) from error
        try:
            # tried more than once: who only looks whether it is held holds it for a moment
            if not _lock_soon(descriptor):
                raise StateError(
                    f"kopfka up already runs over {self.folder} (process {self.owner()}): "
                    "kopfka status shows it, kopfka down stops it, --state DIR starts another one"
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def purge(self) -> None:
        """Remove the folder with everything in it.

        Raises:
            StateError: it is not a state folder.
        """
        if not self.exists:
            raise StateError(f"{self.folder} is not a state folder of kopfka: nothing was removed")
        shutil.rmtree(self.folder)


def _lock_soon(descriptor: int) -> bool:
    for _ in range(_LOOKS):
        if _lock(descriptor):
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

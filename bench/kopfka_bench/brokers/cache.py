"""What measurements and tests build once and keep outside the tree: in `$KOPFKA_CACHE`, or `~/.cache/kopfka`.

Each thing has a folder named by a hash of what it is made from. It is made under a lock and put in place by a rename:
test runs started together build it once, and a run that is killed leaves nothing half done.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_bench.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BUILD_SECONDS = 900


def cache_folder() -> Path:
    """Return the folder of everything that is built once."""
    folder = Path(os.environ.get("KOPFKA_CACHE") or Path.home() / ".cache" / "kopfka")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest(*files: Path) -> str:
    """Return a hash of the names and contents of files."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]


def built_once(name: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache; if it is not there, `build` fills it first."""
    final = cache_folder() / name
    if final.is_dir():
        return final
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.is_dir():
            scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_folder()))
            try:
                build(scratch)
                scratch.rename(final)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return final


def run_builder(command: Sequence[str], folder: Path | None = None) -> None:
    """Run a command that builds something.

    Raises:
        BuildError: it failed.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise BuildError(f"`{' '.join(command[:6])} …` ended with {done.returncode}\n{done.stdout}\n{done.stderr}")

"""What a container runs. Pure but for the look on PATH.

There is no container runtime here: an image whose last path part is `kopfka` stands for this installation, and its own
command line is `kopfka`. No other image can run.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from kopfka_local.node.environment import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_local.kinds import Object
    from kopfka_local.node.paths import MountPaths

_PYTHONS = frozenset({"python", "python3"})
KOPFKA = (sys.executable, "-m", "kopfka_cli")


class ImageNotRunnableError(Exception):
    """The image is not this installation's."""


class CommandNotFoundError(Exception):
    """The container's command is not on this machine."""


def is_runnable(image: str) -> bool:
    """Tell whether an image stands for this installation, whatever its registry, tag and digest."""
    last = image.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[0] == "kopfka"


def command_line(container: Object, paths: MountPaths, variables: Mapping[str, str]) -> list[str]:
    """Return the command line of a container.

    Raises:
        ImageNotRunnableError: the image is not kopfka's.
        CommandNotFoundError: the command is not on PATH.
    """
    image = container.get("image", "")
    if not is_runnable(image):
        raise ImageNotRunnableError(
            f'image "{image}" cannot run here: kopfka up runs images named kopfka only, as processes of this machine; '
            "apply these resources to a real Kubernetes cluster to run it"
        )
    command = [expand(paths.replace(part), variables) for part in container.get("command") or ()]
    args = [expand(paths.replace(part), variables) for part in container.get("args") or ()]
    if not command:
        return [*KOPFKA, *args]
    program = command[0]
    if program.rpartition("/")[2] == "kopfka":
        return [*KOPFKA, *command[1:], *args]
    if program in _PYTHONS:
        return [sys.executable, *command[1:], *args]
    found = shutil.which(program, path=variables.get("PATH") or os.environ.get("PATH"))
    if found is None:
        raise CommandNotFoundError(f'"{program}" is not on the PATH of this machine: install it, or use what is')
    return [found, *command[1:], *args]

"""Mount paths in command lines and variables become folders of this machine. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class MountPaths:
    """Replaces mount paths in texts: whole path components only, the longest mount path first."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        """`folders` maps a mount path to the folder that stands for it."""
        self._folders = {path.rstrip("/"): folder for path, folder in folders.items() if path.strip("/")}
        paths = sorted(self._folders, key=len, reverse=True)
        # no path goes on before it (but `file://` may stand there), none goes on behind it
        pattern = rf"(?:(?<![\w.\-/])|(?<=://))({'|'.join(map(re.escape, paths))})(?![\w.\-])"
        self._pattern = re.compile(pattern) if paths else None

    def replace(self, text: str) -> str:
        """Return the text with every mount path replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._folders[match[1]], text)

"""Why a text is refused, where in it, and how much work it may cost. The format turns it into the API's errors."""

from __future__ import annotations

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.contract import MOST_STEPS


class RefusalError(Exception):
    """Something in a file is not allowed; `at` is where, counted in characters, and -1 where there is no text."""

    def __init__(self, message: str, at: int = -1) -> None:
        super().__init__(message)
        self.at = at


class Steps:
    """Counts the steps of one parse or one comparison."""

    __slots__ = ("_left",)

    def __init__(self, most: int = MOST_STEPS) -> None:
        self._left = most

    def take(self, count: int = 1) -> None:
        """Take some of what is left.

        Raises:
            SchemaTooComplexError: nothing is left.
        """
        self._left -= count
        if self._left < 0:
            raise SchemaTooComplexError("the schema is too complex: working on it takes too many steps")


def placed(message: str, text: str, at: int) -> str:
    """Say where in a text something is, by line and column as editors count them."""
    if at < 0 or not text:
        return message
    line = text.count("\n", 0, at) + 1
    return f"line {line}, column {at - text.rfind(chr(10), 0, at)}: {message}"

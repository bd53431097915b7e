"""How many steps one parse or one comparison may take: what keeps a poison schema from holding the process up."""

from __future__ import annotations

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.contract import MOST_STEPS


class Budget:
    """Steps that are left for one piece of work."""

    __slots__ = ("_left", "_total", "_work")

    def __init__(self, work: str, steps: int = MOST_STEPS) -> None:
        self._work = work
        self._total = self._left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            SchemaTooComplexError: there are none left.
        """
        self._left -= steps
        if self._left < 0:
            raise SchemaTooComplexError(
                f"{self._work} takes more than {self._total} steps: split the schema, or name fewer types in it"
            )

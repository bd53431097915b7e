"""What the mode of a subject allows: reading only, registering, registering with ids of another registry."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from kopfka_registry.errors import InvalidModeError, OperationNotPermittedError
from kopfka_registry.names import context_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_registry.store.state import State


class Mode(Enum):
    """What may be done with a subject."""

    READWRITE = "READWRITE"
    READONLY = "READONLY"
    READONLY_OVERRIDE = "READONLY_OVERRIDE"
    """Of all, whatever a subject's own mode is."""
    IMPORT = "IMPORT"
    """Schemas come with their ids, and need not be compatible."""
    FORWARD = "FORWARD"
    """Taken and told as Confluent's; registers nothing here."""

    @classmethod
    def named(cls, name: str | None) -> Mode:
        """Return a mode by its name, in any case.

        Raises:
            InvalidModeError: there is none of this name.
        """
        try:
            return cls((name or "").upper())
        except ValueError:
            raise InvalidModeError(
                f"Invalid mode '{name}'. Valid values are {', '.join(each.value for each in cls)}"
            ) from None


class Modes:
    """The modes in force."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def of(self, subject: str | None) -> Mode:
        """Return the mode that holds for a subject, or for all."""
        name = self._state().mode_in_scope(subject)
        return Mode.named(name) if name else Mode.READWRITE

    def check_register(self, subject: str, *, with_id: bool) -> bool:
        """Tell whether schemas come to this subject with their ids; a schema may be registered there.

        Raises:
            OperationNotPermittedError: it may not, or not with an id, or not without one.
        """
        mode = self.of(subject)
        where = f"Subject {subject} in context {context_of(subject)}"
        if mode in (Mode.READONLY, Mode.READONLY_OVERRIDE):
            raise OperationNotPermittedError(f"{where} is in read-only mode")
        if with_id and mode is not Mode.IMPORT:
            raise OperationNotPermittedError(f"{where} is not in import mode")
        if not with_id and mode is not Mode.READWRITE:
            raise OperationNotPermittedError(f"{where} is not in read-write mode")
        return mode is Mode.IMPORT

    def check_change(self, subject: str | None) -> None:
        """Let pass what changes or deletes something of a subject.

        Raises:
            OperationNotPermittedError: it is read-only.
        """
        if self.of(subject) in (Mode.READONLY, Mode.READONLY_OVERRIDE):
            what = "All subjects are" if subject is None else f"Subject {subject} in context {context_of(subject)} is"
            raise OperationNotPermittedError(f"{what} in read-only mode")

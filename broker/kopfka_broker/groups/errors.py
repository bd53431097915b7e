"""What a group request can be refused with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.coordinators.errors import LOG_ERRORS, MalformedRecordError, RefusedError, of_the_log

if TYPE_CHECKING:
    from kio.schema.errors import ErrorCode

__all__ = ["LOG_ERRORS", "GroupError", "MalformedRecordError", "of_the_log"]


class GroupError(RefusedError):
    """A group request is refused with one of the protocol's error codes."""

    def __init__(self, code: ErrorCode, message: str = "") -> None:
        super().__init__(code, message)
        self.message = message or None
        """What the client is told besides, in the APIs that have room for it."""

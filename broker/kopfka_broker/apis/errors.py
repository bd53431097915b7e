"""An error of one part of a request (a topic, a resource) on its way to the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from kio.schema.errors import ErrorCode


class ApiError(KopfkaError):
    """What a client is told: the protocol's error code, and a sentence where the API has room for one."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(message or code.name)
        self.code = code
        self.message = message

"""An error of one part of a request (a topic, a resource) on its way to the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from kio.schema.errors import ErrorCode


MALFORMED = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details."
)
"""What Kafka says with INVALID_REQUEST where it has nothing more precise to say; clients print it."""


class ApiError(KopfkaError):
    """What a client is told: the protocol's error code, and a sentence where the API has room for one."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(message or code.name)
        self.code = code
        self.message = message

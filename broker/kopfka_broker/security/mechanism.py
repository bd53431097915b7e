"""What a SASL mechanism is to the broker: an exchange of tokens that ends in a principal or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kopfka_broker.security.principal import Principal


class AuthenticationFailedError(KopfkaError):
    """A client could not prove who it is; the message is for the client."""


class InvalidTokenError(KopfkaError):
    """A client's token is malformed or proves nothing; why is for the log, clients learn no details."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who a client has proved to be."""

    principal: Principal
    expires_ms: int | None = None
    """When the proof ends (Unix time), where it does."""
    by_token: bool = False
    """Whether by a delegation token: such a client may not get further ones."""


Step = tuple[bytes, Authenticated | None]


class Exchange(Protocol):
    """One client's authentication, by one mechanism."""

    def step(self, token: bytes) -> Step | Awaitable[Step]:
        """Take the client's next token; return the server's, and the outcome once there is one.

        Raises:
            AuthenticationFailedError: the client is refused, and told why.
            InvalidTokenError: it is refused, and told no more than that.
        """
        ...

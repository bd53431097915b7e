"""SASL PLAIN (RFC 4616) as Kafka serves it: user names and passwords stand in the listener's JAAS configuration."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from kopfka_broker.security.mechanism import Authenticated, AuthenticationFailedError
from kopfka_broker.security.principal import USER, Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = 3


class PlainExchange:
    """One authentication; see `mechanism.Exchange`."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users

    def step(self, token: bytes) -> tuple[bytes, Authenticated | None]:
        """Take the client's only message."""
        parts = token.decode("utf-8", "replace").split("\0")
        if len(parts) != _PARTS:
            raise AuthenticationFailedError(
                f"Invalid SASL/PLAIN response: expected 3 tokens, got {min(len(parts), _PARTS + 1)}"
            )
        authorization_id, user, password = parts
        if not user:
            raise AuthenticationFailedError("Authentication failed: username not specified")
        if not password:
            raise AuthenticationFailedError("Authentication failed: password not specified")
        expected = self._users.get(user)
        # compared also where there is no such user: how long it takes tells nothing
        same = hmac.compare_digest(password.encode(), (expected or "").encode())
        if expected is None or not same:
            raise AuthenticationFailedError("Authentication failed: Invalid username or password")
        if authorization_id not in ("", user):
            raise AuthenticationFailedError(
                "Authentication failed: Client requested an authorization id that is different from username"
            )
        return b"", Authenticated(Principal(USER, user))

"""SASL OAUTHBEARER (RFC 7628) as Kafka serves it: the client's message, the server's refusal, extensions. What makes a
token a good one is decided by a `TokenValidator`: `kopfka_runtime.identity.tokens` has one, `jwt_validation` another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from kopfka_broker.security.mechanism import Authenticated, AuthenticationFailedError, InvalidTokenError
from kopfka_broker.security.principal import USER, Principal
from kopfka_runtime.identity.tokens import Claims, TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable

_NAME = r"(?:[\x01-\x2B\x2D-\x3C\x3E-\x7F]|=2C|=3D)+"
_MESSAGE = re.compile(
    rf"n,(?:a=(?P<authzid>{_NAME}))?,\x01(?P<pairs>(?:[A-Za-z]+=[\x21-\x7E \t\r\n]+\x01)*)\x01", re.ASCII
)
_BEARER = re.compile(r"(?P<scheme>\w+) +(?P<token>[-_~+/.a-zA-Z0-9]+=*)", re.ASCII)
_HEARD = b"\x01"
"""What a client answers to a refusal (RFC 7628, 3.2.3)."""


class TokenValidator(Protocol):
    """Decides about tokens; may have to fetch a key first."""

    def validate(self, token: str) -> Awaitable[Claims]:
        """Return what the token says.

        Raises:
            TokenRefusedError: it is no good, and why.
        """
        ...


class OAuthBearerExchange:
    """One authentication; see `mechanism.Exchange`."""

    def __init__(self, validator: TokenValidator) -> None:
        self._validator = validator
        self._refused: TokenRefusedError | None = None

    async def step(self, token: bytes) -> tuple[bytes, Authenticated | None]:
        """Take the client's message; a refusal is a token of its own, which the client confirms before the end."""
        if self._refused is not None and token == _HEARD:
            raise AuthenticationFailedError(_told(self._refused))
        self._refused = None
        authorization_id, bearer = _read(token)
        try:
            claims = await self._validator.validate(bearer)
        except TokenRefusedError as error:
            self._refused = error
            return _told(error).encode(), None
        if authorization_id not in ("", claims.principal):
            raise AuthenticationFailedError(
                f"Authentication failed: Client requested an authorization id ({authorization_id}) that is different "
                f"from the token's principal name ({claims.principal})"
            )
        return b"", Authenticated(Principal(USER, claims.principal), claims.expires_ms)

    @property
    def refusal(self) -> str | None:
        """Why the token was refused, for the log."""
        return None if self._refused is None else str(self._refused)


def _told(error: TokenRefusedError) -> str:
    """Return what the client is told of a refusal."""
    scope = f', "scope":"{error.scope}"' if error.scope else ""
    return f'{{"status":"{error.status}"{scope}}}'


def _read(message: bytes) -> tuple[str, str]:
    """Return the authorization id (empty where there is none) and the token of the client's message."""
    found = _MESSAGE.fullmatch(message.decode("utf-8", "replace"))
    if found is None:
        raise InvalidTokenError("Invalid OAUTHBEARER client first message")
    pairs = dict(pair.split("=", 1) for pair in found["pairs"].split("\x01") if pair)
    if "auth" not in pairs:
        raise InvalidTokenError("Invalid OAUTHBEARER client first message: 'auth' not specified")
    bearer = _BEARER.fullmatch(pairs["auth"])
    if bearer is None:
        raise InvalidTokenError("Invalid OAUTHBEARER client first message: invalid 'auth' format")
    if bearer["scheme"].lower() != "bearer":
        raise InvalidTokenError(f"Invalid scheme in OAUTHBEARER client first message: {bearer['scheme']}")
    return (found["authzid"] or "").replace("=2C", ",").replace("=3D", "="), bearer["token"]

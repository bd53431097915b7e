"""Kafka's unsecured bearer tokens, for development (KIP-255); signed ones are `kopfka_runtime.identity.tokens`'."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import TYPE_CHECKING, Any

from kopfka_runtime.identity.tokens import Claims, TokenRefusedError, principal_of, scopes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class UnsecuredTokens:
    """Validator of tokens nobody signed: whoever writes one is who it says. For development, as Kafka has it."""

    def __init__(self, options: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._principal_claim = options.get("unsecuredValidatorPrincipalClaimName", "sub")
        self._scope_claim = options.get("unsecuredValidatorScopeClaimName", "scope")
        self._required_scope = options.get("unsecuredValidatorRequiredScope", "").split()
        self._skew_ms = int(options.get("unsecuredValidatorAllowableClockSkewMs", "0"))
        self._clock = clock

    async def validate(self, token: str) -> Claims:
        """Return what the token says; `oauth.TokenValidator`."""
        claims = _unsigned_claims(token)
        principal = principal_of(claims, self._principal_claim)
        expires, now_ms = _time(claims, "exp"), int(self._clock() * 1000)
        if expires is None:
            raise TokenRefusedError("it has no time of expiry")
        issued, not_before = _time(claims, "iat"), _time(claims, "nbf")
        for begins in (issued, not_before):
            if begins is not None and begins > now_ms + self._skew_ms:
                raise TokenRefusedError("its time has not come yet")
        if expires <= now_ms - self._skew_ms:
            raise TokenRefusedError("it has expired")
        if not scopes_of(claims.get(self._scope_claim)).issuperset(self._required_scope):
            raise TokenRefusedError("it lacks a required scope", "insufficient_scope", " ".join(self._required_scope))
        return Claims(principal, expires)


def _unsigned_claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefusedError("it does not have three parts")
    try:
        header, claims = (json.loads(_decoded(part)) for part in parts[:2])
    except (ValueError, binascii.Error):
        raise TokenRefusedError("it is no base64 of JSON") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefusedError("its parts are no JSON objects")
    if header.get("alg") != "none" or parts[2]:
        raise TokenRefusedError("it is signed, and this listener takes unsecured tokens only")
    return claims


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _time(claims: Mapping[str, Any], name: str) -> int | None:
    """Return a claim that is a time, in milliseconds."""
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 1e12:
        raise TokenRefusedError(f"claim {name} is no time")
    return int(found * 1000)

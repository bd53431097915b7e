"""Bearer tokens: JSON Web Tokens signed by a key of a JWKS, and Kafka's unsecured ones for development.

What is asked of a token, and by which settings, is Kafka's (`sasl.oauthbearer.*`; KIP-768, KIP-255).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kopfka_broker.security.oauth import Claims, TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kopfka_broker.security.jwks import KeySet

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""What a signature may be made with: keys in a JWKS are public, so no symmetric ones, and never none at all."""


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What `sasl.oauthbearer.*` asks of a token."""

    audience: Sequence[str] = ()
    issuer: str | None = None
    clock_skew_seconds: int = 30
    principal_claim: str = "sub"
    scope_claim: str = "scope"


class SignedTokens:
    """Validator of tokens signed by a key of a JWKS."""

    def __init__(self, keys: KeySet, rules: JwtRules) -> None:
        self._keys = keys
        self._rules = rules

    async def validate(self, token: str) -> Claims:
        """Return what the token says; `oauth.TokenValidator`."""
        import jwt  # noqa: PLC0415 - for those who use it

        rules = self._rules
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise TokenRefusedError(f"it is no JWT: {error}") from None
        if header.get("alg") not in ALGORITHMS:
            raise TokenRefusedError(f"its algorithm is {header.get('alg')}, which is not taken")
        key = await self._keys.find(header.get("kid"), header["alg"])
        if key is None:
            raise TokenRefusedError(f"no key {header.get('kid')!r} for {header['alg']} is in the JWKS")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],
                audience=list(rules.audience) or None,
                issuer=rules.issuer,
                leeway=rules.clock_skew_seconds,
                options={"require": ["exp", "iat"], "verify_aud": bool(rules.audience), "verify_sub": False},
            )
        except jwt.InvalidTokenError as error:
            raise TokenRefusedError(str(error)) from None
        _scope(claims.get(rules.scope_claim))
        return Claims(_principal(claims, rules.principal_claim), int(claims["exp"] * 1000))


def _principal(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not found.strip():
        raise TokenRefusedError(f"claim {name} does not name anyone")
    return found


def _scope(value: object) -> frozenset[str]:
    """Return the scopes: one text with blanks between, or a list of texts."""
    if value is None:
        return frozenset()
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise TokenRefusedError("its scope is neither a text nor a list of texts")
    if len({word.strip() for word in words}) < len(words):
        raise TokenRefusedError("its scope says something twice")
    return frozenset(word.strip() for word in words)


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
        principal = _principal(claims, self._principal_claim)
        expires, now_ms = _time(claims, "exp"), int(self._clock() * 1000)
        if expires is None:
            raise TokenRefusedError("it has no time of expiry")
        issued, not_before = _time(claims, "iat"), _time(claims, "nbf")
        for begins in (issued, not_before):
            if begins is not None and begins > now_ms + self._skew_ms:
                raise TokenRefusedError("its time has not come yet")
        if expires <= now_ms - self._skew_ms:
            raise TokenRefusedError("it has expired")
        if not _scope(claims.get(self._scope_claim)).issuperset(self._required_scope):
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

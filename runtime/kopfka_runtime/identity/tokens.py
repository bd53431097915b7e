"""Bearer tokens: JSON Web Tokens signed by a key of a JWKS.

What is asked of a token is what Kafka asks (`sasl.oauthbearer.*`; KIP-768); how it came here is not this module's
business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopfka_runtime.identity.jwks import KeySet

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""What a signature may be made with: keys in a JWKS are public, so no symmetric ones, and never none at all."""


class TokenRefusedError(KopfkaError):
    """A token is not a good one."""

    def __init__(self, why: str, status: str = "invalid_token", scope: str | None = None) -> None:
        super().__init__(why)
        self.status = status
        """The error code of RFC 6750."""
        self.scope = scope
        """What the token lacks."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says."""

    principal: str
    expires_ms: int
    roles: tuple[str, ...] = ()
    """What its roles claim lists, where the rules name one."""


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What is asked of a token."""

    audience: Sequence[str] = ()
    issuer: str | None = None
    clock_skew_seconds: int = 30
    principal_claim: str = "sub"
    scope_claim: str = "scope"
    roles_claim: str | None = None
    """A claim, or a way to one in inner objects with dots between (`realm_access.roles`)."""


class SignedTokens:
    """Validator of tokens signed by a key of a JWKS."""

    def __init__(self, keys: KeySet, rules: JwtRules) -> None:
        self._keys = keys
        self._rules = rules

    async def validate(self, token: str) -> Claims:
        """Return what the token says.

        Raises:
            TokenRefusedError: it is no good, and why.
        """
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
        scopes_of(claims.get(rules.scope_claim))
        principal = principal_of(claims, rules.principal_claim)
        return Claims(principal, int(float(claims["exp"]) * 1000), _roles(claims, rules.roles_claim))


def principal_of(claims: Mapping[str, Any], name: str) -> str:
    """Return whom the claim `name` names.

    Raises:
        TokenRefusedError: nobody.
    """
    found = claims.get(name)
    if not isinstance(found, str) or not found.strip():
        raise TokenRefusedError(f"claim {name} does not name anyone")
    return found


def scopes_of(value: object) -> frozenset[str]:
    """Return the scopes: one text with blanks between, or a list of texts.

    Raises:
        TokenRefusedError: it is neither, or says something twice.
    """
    if value is None:
        return frozenset()
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise TokenRefusedError("its scope is neither a text nor a list of texts")
    if len({word.strip() for word in words}) < len(words):
        raise TokenRefusedError("its scope says something twice")
    return frozenset(word.strip() for word in words)


def _roles(claims: Mapping[str, Any], name: str | None) -> tuple[str, ...]:
    if name is None:
        return ()
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for step in name.split("."):
            found = found.get(step) if isinstance(found, dict) else None
    if found is None:
        return ()
    words = [found] if isinstance(found, str) else found
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TokenRefusedError(f"claim {name} is neither a text nor a list of texts")
    return tuple(words)

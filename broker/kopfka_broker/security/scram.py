"""SCRAM-SHA-256 and SCRAM-SHA-512, the server's side (RFC 5802, RFC 7677), with delegation tokens as Kafka has them.

One exchange: the client's first message, the server's, the client's proof, the server's signature. Nothing here knows
where credentials are kept: a `Lookup` finds them. No channel binding, as in Kafka.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kopfka_broker.security.mechanism import Authenticated, AuthenticationFailedError, InvalidTokenError
from kopfka_broker.security.principal import USER, Principal
from kopfka_wire.sasl.scram import CLIENT_FINAL, CLIENT_FIRST, TOKEN_AUTHENTICATION, combined, unescaped

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from kopfka_wire.sasl.scram import ScramCredential, ScramMechanism


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """What SCRAM needs of a delegation token."""

    owner: Principal
    credential: ScramCredential
    expires_ms: int


class Lookup(Protocol):
    """Where credentials are found."""

    def user(self, mechanism: str, name: str) -> ScramCredential | None:
        """Return the credential of a user."""
        ...

    def token(self, mechanism: str, token_id: str) -> TokenCredential | None:
        """Return the credential of a delegation token that has not expired."""
        ...


@dataclass(frozen=True, slots=True)
class _Challenge:
    """What the proof is checked against."""

    credential: ScramCredential
    client_first_bare: str
    server_first: str
    nonce: str
    outcome: Authenticated


class ScramExchange:
    """One authentication; see `mechanism.Exchange`."""

    def __init__(
        self, mechanism: ScramMechanism, lookup: Lookup, nonce: Callable[[], str] = lambda: secrets.token_urlsafe(18)
    ) -> None:
        self._mechanism = mechanism
        self._lookup = lookup
        self._nonce = nonce
        self._challenge: _Challenge | None = None

    def step(self, token: bytes) -> tuple[bytes, Authenticated | None]:
        """Take the client's next message; return the server's, and who the client is once it has proved it."""
        challenge = self._challenge
        if challenge is None:
            self._challenge = challenge = self._first(token)
            return challenge.server_first.encode(), None
        return self._final(token, challenge), challenge.outcome

    def _first(self, token: bytes) -> _Challenge:
        message = _match(CLIENT_FIRST, token)
        name = unescaped(message["name"])
        extensions = dict(each.split("=", 1) for each in message["extensions"].split(",") if each)
        credential, outcome = self._find(name, by_token=extensions.get(TOKEN_AUTHENTICATION, "").lower() == "true")
        if message["authzid"] and unescaped(message["authzid"]) != name:
            raise AuthenticationFailedError(
                "Authentication failed: Client requested an authorization id that is different from username"
            )
        if credential.iterations < self._mechanism.least_iterations:
            raise InvalidTokenError(f"{credential.iterations} iterations are too few")
        nonce = message["nonce"] + self._nonce()
        salt = base64.b64encode(credential.salt).decode()
        first = f"r={nonce},s={salt},i={credential.iterations}"
        return _Challenge(credential, message["bare"], first, nonce, outcome)

    def _find(self, name: str, *, by_token: bool) -> tuple[ScramCredential, Authenticated]:
        if by_token:
            token = self._lookup.token(self._mechanism.name, name)
            if token is None:
                raise InvalidTokenError(f"there is no delegation token {name}")
            return token.credential, Authenticated(token.owner, token.expires_ms, by_token=True)
        credential = self._lookup.user(self._mechanism.name, name)
        if credential is None:
            raise InvalidTokenError(f"user {name} has no {self._mechanism.name} credential")
        return credential, Authenticated(Principal(USER, name))

    def _final(self, token: bytes, challenge: _Challenge) -> bytes:
        message = _match(CLIENT_FINAL, token)
        # librdkafka before 2.3 puts its own nonce before it once more: refused, by Kafka as well (CVE-2024-56128)
        if message["nonce"] != challenge.nonce:
            raise InvalidTokenError("the nonce is another one")
        signed = f"{challenge.client_first_bare},{challenge.server_first},{message['unproved']}".encode()
        credential, hash_name = challenge.credential, self._mechanism.hash_name
        signature = hmac.digest(credential.stored_key, signed, hash_name)
        try:
            proof = base64.b64decode(message["proof"], validate=True)
        except binascii.Error:
            raise InvalidTokenError("the proof is no base64") from None
        if len(proof) != len(signature):
            raise InvalidTokenError("the proof has another length")
        client_key = combined(proof, signature)
        if not hmac.compare_digest(hashlib.new(hash_name, client_key).digest(), credential.stored_key):
            raise InvalidTokenError("the password is another one")
        return b"v=" + base64.b64encode(hmac.digest(credential.server_key, signed, hash_name))


def _match(pattern: re.Pattern[str], token: bytes) -> re.Match[str]:
    try:
        found = pattern.fullmatch(token.decode())
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise InvalidTokenError("this is no message of a SCRAM client")
    return found

"""SCRAM-SHA-256 and SCRAM-SHA-512, the server's side (RFC 5802, RFC 7677), with delegation tokens as Kafka has them.

One exchange: the client's first message, the server's, the client's proof, the server's signature. Nothing here knows
where credentials are kept: a `Lookup` finds them. No channel binding, as in Kafka.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from kopfka_broker.security.mechanism import Authenticated, AuthenticationFailedError, InvalidTokenError
from kopfka_broker.security.principal import USER, Principal

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_AUTHENTICATION: Final = "tokenauth"
"""The extension by which a client says that its user name is the id of a delegation token (KIP-48)."""


class ScramMechanism(NamedTuple):
    """A hash function, and how many iterations Kafka takes for it."""

    name: str
    hash_name: str
    least_iterations: int
    most_iterations: int


SCRAM_MECHANISMS: Final = {
    "SCRAM-SHA-256": ScramMechanism("SCRAM-SHA-256", "sha256", 4096, 16384),
    "SCRAM-SHA-512": ScramMechanism("SCRAM-SHA-512", "sha512", 4096, 16384),
}
"""By the name it has in `sasl.enabled.mechanisms`."""


@dataclass(frozen=True, slots=True)
class ScramCredential:
    """What a server keeps of a password: enough to check it, not enough to log in with it."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


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


def make_credential(
    mechanism: ScramMechanism, password: str, iterations: int, salt: bytes | None = None
) -> ScramCredential:
    """Return the credential for a password, with a new salt unless one is given."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac(mechanism.hash_name, password.encode(), salt, iterations)
    return credential_of_salted(mechanism, salted, salt, iterations)


def credential_of_salted(
    mechanism: ScramMechanism, salted_password: bytes, salt: bytes, iterations: int
) -> ScramCredential:
    """Return the credential for a password that was salted by the client (AlterUserScramCredentials)."""
    client_key = hmac.digest(salted_password, b"Client Key", mechanism.hash_name)
    return ScramCredential(
        salt,
        hashlib.new(mechanism.hash_name, client_key).digest(),
        hmac.digest(salted_password, b"Server Key", mechanism.hash_name),
        iterations,
    )


# Kafka's grammar: names escape ',' and '=', a mandatory extension (m=) of the RFC's future is passed over
_NAME = r"(?:[\x01-\x2B\x2D-\x3C\x3E-\x7F]|=2C|=3D)+"
_PRINTABLE = r"[\x21-\x2B\x2D-\x7E]+"
_VALUE = r"[\x01-\x2B\x2D-\x3C\x3E-\x7F]+"
_LONG_VALUE = r"[\x01-\x2B\x2D-\x7F]+"
_EXTENSIONS = rf"(?:,[A-Za-z]+={_LONG_VALUE})*"
_BASE64 = r"(?:[a-zA-Z0-9/+]{4})*(?:[a-zA-Z0-9/+]{3}=|[a-zA-Z0-9/+]{2}==)?"
_CLIENT_FIRST = re.compile(
    rf"(?P<header>n,(?:a=(?P<authzid>{_NAME}))?,)(?P<bare>(?:m={_LONG_VALUE},)?n=(?P<name>{_NAME}),"
    rf"r=(?P<nonce>{_PRINTABLE})(?P<extensions>{_EXTENSIONS}))"
)
_CLIENT_FINAL = re.compile(
    rf"(?P<unproved>c=(?P<channel>{_BASE64}),r=(?P<nonce>{_PRINTABLE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})"
)


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
        message = _match(_CLIENT_FIRST, token)
        name = message["name"].replace("=2C", ",").replace("=3D", "=")
        extensions = dict(each.split("=", 1) for each in message["extensions"].split(",") if each)
        credential, outcome = self._find(name, by_token=extensions.get(TOKEN_AUTHENTICATION, "").lower() == "true")
        if message["authzid"] and message["authzid"].replace("=2C", ",").replace("=3D", "=") != name:
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
        message = _match(_CLIENT_FINAL, token)
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
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
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

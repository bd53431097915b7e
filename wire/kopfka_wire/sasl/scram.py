"""SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677) as far as both sides are the same: keys, grammar, escapes.

The server's exchange is the broker's, the client's is `kopfka_wire.client.login`'s. No channel binding, as in Kafka.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final, NamedTuple

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


def make_credential(
    mechanism: ScramMechanism, password: str, iterations: int, salt: bytes | None = None
) -> ScramCredential:
    """Return the credential for a password, with a new salt unless one is given."""
    salt = secrets.token_bytes(16) if salt is None else salt
    return credential_of_salted(mechanism, salted_password(mechanism, password, salt, iterations), salt, iterations)


def credential_of_salted(mechanism: ScramMechanism, salted: bytes, salt: bytes, iterations: int) -> ScramCredential:
    """Return the credential for a password that was salted by the client (AlterUserScramCredentials)."""
    key = client_key(mechanism, salted)
    return ScramCredential(
        salt,
        hashlib.new(mechanism.hash_name, key).digest(),
        hmac.digest(salted, b"Server Key", mechanism.hash_name),
        iterations,
    )


def salted_password(mechanism: ScramMechanism, password: str, salt: bytes, iterations: int) -> bytes:
    """Return what a password becomes before anything is made of it; Kafka takes its UTF-8 as it is."""
    return hashlib.pbkdf2_hmac(mechanism.hash_name, password.encode(), salt, iterations)


def client_key(mechanism: ScramMechanism, salted: bytes) -> bytes:
    """Return what only who knows the password can have."""
    return hmac.digest(salted, b"Client Key", mechanism.hash_name)


def combined(left: bytes, right: bytes) -> bytes:
    """Return the exclusive or of two keys of the same length: key and signature hide and reveal each other."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def escaped(name: str) -> str:
    """Return a user name as it stands in a message."""
    return name.replace("=", "=3D").replace(",", "=2C")


def unescaped(name: str) -> str:
    """Return a user name as it is, from a message."""
    return name.replace("=2C", ",").replace("=3D", "=")


# Kafka's grammar: names escape ',' and '=', a mandatory extension (m=) of the RFC's future is passed over
_NAME = r"(?:[\x01-\x2B\x2D-\x3C\x3E-\x7F]|=2C|=3D)+"
_PRINTABLE = r"[\x21-\x2B\x2D-\x7E]+"
_VALUE = r"[\x01-\x2B\x2D-\x3C\x3E-\x7F]+"
_LONG_VALUE = r"[\x01-\x2B\x2D-\x7F]+"
_EXTENSIONS = rf"(?:,[A-Za-z]+={_LONG_VALUE})*"
_BASE64 = r"(?:[a-zA-Z0-9/+]{4})*(?:[a-zA-Z0-9/+]{3}=|[a-zA-Z0-9/+]{2}==)?"
CLIENT_FIRST: Final = re.compile(
    rf"(?P<header>n,(?:a=(?P<authzid>{_NAME}))?,)(?P<bare>(?:m={_LONG_VALUE},)?n=(?P<name>{_NAME}),"
    rf"r=(?P<nonce>{_PRINTABLE})(?P<extensions>{_EXTENSIONS}))"
)
SERVER_FIRST: Final = re.compile(
    rf"(?:m={_LONG_VALUE},)?r=(?P<nonce>{_PRINTABLE}),s=(?P<salt>{_BASE64}),i=(?P<iterations>[0-9]{{1,9}}){_EXTENSIONS}"
)
CLIENT_FINAL: Final = re.compile(
    rf"(?P<unproved>c=(?P<channel>{_BASE64}),r=(?P<nonce>{_PRINTABLE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})"
)
SERVER_FINAL: Final = re.compile(rf"(?:e=(?P<error>{_VALUE})|v=(?P<verifier>{_BASE64})){_EXTENSIONS}")

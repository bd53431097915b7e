"""Passwords as a users file has them: in clear, or hashed with scrypt, and a salt of their own.

`SCRYPT:LOG2N:R:P:SALT:HASH`, salt and hash in base64, stands where Confluent's registry (Jetty) has the password;
`kopfka registry --hash-password` makes one. Jetty's own forms are refused: `OBF:` is no protection, `MD5:` and `CRYPT:`
are hashes that are tried out by the billion.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "SCRYPT:"
_REFUSED: Final = {
    "OBF:": "it can be read by anybody",
    "MD5:": "its hashes are tried out by the billion",
    "CRYPT:": "its hashes are tried out by the million, and only eight characters count",
}
_LOG2N, _R, _P, _SALT, _SIZE = 15, 8, 1, 16, 32
_MOST_LOG2N, _MOST_R, _MOST_P = 18, 16, 8
"""What a file may ask for: each check of such a password takes a quarter of a gigabyte."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A password in clear."""

    password: bytes
    slow = False

    def fits(self, given: str) -> bool:
        """Tell whether a password is this one, in a time that tells nothing of it."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.password)


@dataclass(frozen=True, slots=True)
class Scrypt:
    """What is left of a password."""

    log2n: int
    r: int
    p: int
    salt: bytes
    hashed: bytes
    slow = True
    """A check takes tens of milliseconds, by intent."""

    def fits(self, given: str) -> bool:
        """Tell whether a password is the one this was made of."""
        return hmac.compare_digest(
            _scrypt(given, self.salt, (self.log2n, self.r, self.p), len(self.hashed)), self.hashed
        )


Password = Plain | Scrypt


def read_password(text: str) -> Password:
    """Read what stands in the place of a password.

    Raises:
        ValueError: it cannot be used; the message does not repeat it.
    """
    for form, why in _REFUSED.items():
        if text.startswith(form):
            raise ValueError(
                f"passwords in the form {form} are not taken, as {why}: hash it by kopfka registry --hash-password"
            )
    if not text:
        raise ValueError("there is no password")
    if not text.startswith(PREFIX):
        return Plain(text.encode("utf-8", "surrogateescape"))
    try:
        log2n, r, p, salt, hashed = text.removeprefix(PREFIX).split(":")
        found = Scrypt(int(log2n), int(r), int(p), _decoded(salt), _decoded(hashed))
    except (ValueError, binascii.Error):
        raise ValueError(f"{PREFIX}… is malformed: make it by kopfka registry --hash-password") from None
    if not (1 <= found.log2n <= _MOST_LOG2N and 1 <= found.r <= _MOST_R and 1 <= found.p <= _MOST_P):
        raise ValueError(
            f"{PREFIX}… takes too much to check: at most {PREFIX}{_MOST_LOG2N}:{_MOST_R}:{_MOST_P} is taken"
        )
    if len(found.salt) < 8 or len(found.hashed) < 16:
        raise ValueError(f"{PREFIX}… has too short a salt or hash: make it by kopfka registry --hash-password")
    return found


def hash_password(password: str) -> str:
    """Return a password as it may stand in a users file."""
    salt = secrets.token_bytes(_SALT)
    hashed = _scrypt(password, salt, (_LOG2N, _R, _P), _SIZE)
    return f"{PREFIX}{_LOG2N}:{_R}:{_P}:{base64.b64encode(salt).decode()}:{base64.b64encode(hashed).decode()}"


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int], size: int) -> bytes:
    log2n, r, p = cost
    n = 1 << log2n
    return hashlib.scrypt(
        password.encode("utf-8", "surrogateescape"), salt=salt, n=n, r=r, p=p, dklen=size,
        maxmem=128 * r * (n + p + 2) + (1 << 20),
    )  # fmt: skip


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)

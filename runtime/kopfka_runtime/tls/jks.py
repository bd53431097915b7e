"""Reads Java's own key store format (JKS), which Kafka's `ssl.keystore.type` is by default. Writes none.

The format: entries one after another, a SHA-1 over the password and all of them at the end. A private key is hidden
under a stream of SHA-1 hashes of its password (Sun's proprietary protection).
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"\xfe\xed\xfe\xed"
_PRIVATE_KEY, _CERTIFICATE = 1, 2
_DIGEST, _SALT = 20, 20


@dataclass(frozen=True, slots=True)
class JavaKeyStore:
    """What is in one."""

    keys: list[tuple[bytes, list[bytes]]]
    """Each private key (PKCS #8, DER) with its certificates (DER), its own first."""
    certificates: list[bytes]
    """The trusted ones."""


def read_jks(data: bytes, password: str | None, key_password: str | None) -> JavaKeyStore:
    """Read a key store; without `password` its integrity is not checked, as in Java.

    Raises:
        ValueError: it is damaged, or a password is wrong.
    """
    if password is not None:
        digest = hashlib.sha1(_wide(password) + b"Mighty Aphrodite" + data[:-_DIGEST]).digest()
        if not hmac.compare_digest(digest, data[-_DIGEST:]):
            raise ValueError("the password is wrong, or the file is damaged")
    try:
        return _entries(_Cursor(data[:-_DIGEST]), key_password if key_password is not None else password or "")
    except (struct.error, IndexError, UnicodeDecodeError):
        raise ValueError("the file is damaged") from None


def _entries(cursor: _Cursor, key_password: str) -> JavaKeyStore:
    store = JavaKeyStore([], [])
    _, version, count = cursor.take(">III")
    for _ in range(count):
        (kind,) = cursor.take(">I")
        cursor.text()  # the alias
        cursor.take(">Q")  # when it was made
        if kind == _PRIVATE_KEY:
            protected = cursor.block()
            (certificates,) = cursor.take(">I")
            chain = [_certificate(cursor, version) for _ in range(certificates)]
            store.keys.append((_revealed(protected, key_password), chain))
        elif kind == _CERTIFICATE:
            store.certificates.append(_certificate(cursor, version))
        else:
            raise ValueError(f"it holds an entry of kind {kind}, which is no key and no certificate")
    return store


def _certificate(cursor: _Cursor, version: int) -> bytes:
    if version > 1:
        cursor.text()  # X.509
    return cursor.block()


def _revealed(protected: bytes, password: str) -> bytes:
    # EncryptedPrivateKeyInfo: SEQUENCE { SEQUENCE { algorithm }, OCTET STRING }; the octets are what is of interest
    _, start, _ = _header(protected, 0)
    _, algorithm, size = _header(protected, start)
    _, octets, size = _header(protected, algorithm + size)
    hidden = protected[octets : octets + size]
    salt, body, check = hidden[:_SALT], hidden[_SALT:-_DIGEST], hidden[-_DIGEST:]
    secret, stream, block = _wide(password), bytearray(), salt
    while len(stream) < len(body):
        block = hashlib.sha1(secret + block).digest()
        stream += block
    key = bytes(a ^ b for a, b in zip(body, stream, strict=False))
    if not hmac.compare_digest(hashlib.sha1(secret + key).digest(), check):
        raise ValueError("the password of the private key is wrong")
    return key


def _header(data: bytes, position: int) -> tuple[int, int, int]:
    """Return the tag of the DER value at `position`, where its content starts, and how long that is."""
    size, start = data[position + 1], position + 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[position + 2 : start], "big")
    return data[position], start, size


def _wide(password: str) -> bytes:
    return password.encode("utf-16-be")


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self._data, self._position)
        self._position += struct.calcsize(form)
        return found

    def cut(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            raise IndexError
        found, self._position = self._data[self._position : end], end
        return found

    def block(self) -> bytes:
        return self.cut(*self.take(">I"))

    def text(self) -> str:
        return self.cut(*self.take(">H")).decode("utf-8")

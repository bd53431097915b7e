"""Names of TLS cipher suites: Java's, which Kafka's `ssl.cipher.suites` holds, as OpenSSL calls them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

# TLS 1.3 suites name no key exchange; Python's OpenSSL takes no choice among them
_TLS13: Final = re.compile(r"TLS_(?:AES_128_GCM|AES_256_GCM|CHACHA20_POLY1305|AES_128_CCM)_SHA(?:256|384)")
_OLDER: Final = re.compile(r"(?:TLS|SSL)_(?P<exchange>[A-Z_]+?)_WITH_(?P<cipher>[A-Z0-9_]+)_(?P<hash>SHA\d*)")
_CIPHERS: Final = {
    "AES_128_GCM": "AES128-GCM",
    "AES_256_GCM": "AES256-GCM",
    "AES_128_CBC": "AES128",
    "AES_256_CBC": "AES256",
    "CHACHA20_POLY1305": "CHACHA20-POLY1305",
}


def tls13_suites(names: Iterable[str]) -> list[str]:
    """Return those of `names` that are of TLS 1.3."""
    return [name for name in names if _TLS13.fullmatch(name)]


def openssl_ciphers(names: Iterable[str], setting: str) -> str:
    """Return OpenSSL's list of the suites before TLS 1.3 among `names`, empty where there are none.

    Raises:
        SettingsError: a name is no suite that OpenSSL has.
    """
    return ":".join(_openssl_name(name, setting) for name in names if not _TLS13.fullmatch(name))


def _openssl_name(name: str, setting: str) -> str:
    found = _OLDER.fullmatch(name)
    if found is None or found["cipher"] not in _CIPHERS:
        raise SettingsError(f"{setting}: {name} is no cipher suite of OpenSSL; leave the setting out, or write others")
    exchange = found["exchange"].replace("_", "-")
    cipher = _CIPHERS[found["cipher"]]
    parts = ([] if exchange == "RSA" else [exchange]) + [cipher]
    # the hash of ChaCha20's suites is not part of their names
    return "-".join(parts if "CHACHA20" in cipher else [*parts, found["hash"]])

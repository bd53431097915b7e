"""TLS contexts of a client from PEM in memory: whom to trust, and who one is."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path


def client_context(authority: bytes = b"", certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """Return a context that trusts `authority`, the system's authorities if empty, and shows a certificate if given.

    Raises:
        ssl.SSLError, ValueError: what is given is no PEM, or the key is not the certificate's.
    """
    context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    if certificate and key:
        # ssl reads certificates from files only; this one is readable by its owner alone, for as long as that takes
        with tempfile.TemporaryDirectory() as scratch:
            both = Path(scratch) / "client.pem"
            both.touch(mode=0o600)
            both.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(both)
    return context

"""How to log in to a registry: what a Secret holds becomes a header and a TLS context. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.errors import OperatorError
from kopfka_operator.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from kopfka_operator.kube.resources import Manifest

USERS = "users.properties"
"""The entry of a Secret that holds the users of basic authentication."""

_HASHED = ("SCRYPT:", "OBF:", "MD5:", "CRYPT:")
"""What stands before a password that is not written in clear (Kopfka's form, and Jetty's)."""


class LoginError(OperatorError):
    """A Secret does not hold what it takes to log in."""


@dataclass(frozen=True, slots=True)
class Login:
    """What to show a registry."""

    authorization: str | None = None
    """The header of that name."""
    tls: ssl.SSLContext | None = None
    """How to connect over TLS; the system's authorities are trusted if None."""


def secret_data(secret: Manifest | None) -> dict[str, bytes]:
    """Return the entries of a Secret."""
    try:
        return {name: base64.b64decode(value) for name, value in ((secret or {}).get("data") or {}).items()}
    except (binascii.Error, ValueError) as error:
        raise LoginError(f"a Secret holds what is not base64: {error}") from error


def login_from(credentials: Mapping[str, bytes], name: str, *, authority: bytes = b"") -> Login:
    """Return the login of a Secret with username and password, or token; `authority` counts where it has no ca.crt.

    Raises:
        LoginError: the Secret `name` does not hold that.
    """
    entries = {key: value.decode("utf-8", "replace").strip() for key, value in credentials.items()}
    header = None
    if entries.get("token"):
        header = f"Bearer {entries['token']}"
    elif "username" in entries or "password" in entries:
        if not ("username" in entries and "password" in entries):
            raise LoginError(f"Secret {name} has only one of username and password: write both")
        header = basic(entries["username"], entries["password"])
    return Login(header, _tls(credentials, name, authority))


def first_user(users: bytes, name: str) -> tuple[str, str]:
    """Return name and password of the first user in a users.properties whose password is written in clear.

    Raises:
        LoginError: there is none.
    """
    for line in users.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if not text or text[0] in "#!":
            continue
        user, colon, rest = text.partition(":")
        password = rest.split(",")[0].strip()
        if colon and user.strip() and password and not password.startswith(_HASHED):
            return user.strip(), password
    raise LoginError(
        f"no user in {USERS} of Secret {name} has a password in clear, so the operator cannot log in: "
        "write spec.credentials with a user of its own"
    )


def basic(user: str, password: str) -> str:
    """Return the header of HTTP basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _tls(credentials: Mapping[str, bytes], name: str, authority: bytes) -> ssl.SSLContext | None:
    ours = (credentials.get("tls.crt", b""), credentials.get("tls.key", b""))
    authority = credentials.get("ca.crt") or authority
    if not authority and not all(ours):
        return None
    try:
        return client_context(authority, *ours)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise LoginError(f"the certificates in Secret {name} cannot be used: {error}") from error

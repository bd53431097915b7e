"""The client's side of the SASL mechanisms: what it says, and what it makes of the answers. Knows no connection.

A mechanism is a generator: it yields the client's messages, gets the server's, and returns when it is done.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_wire.client.credentials import OAUTHBEARER, PLAIN
from kopfka_wire.error_codes import SaslError
from kopfka_wire.sasl.scram import (
    SCRAM_MECHANISMS,
    SERVER_FINAL,
    SERVER_FIRST,
    TOKEN_AUTHENTICATION,
    client_key,
    combined,
    credential_of_salted,
    escaped,
    salted_password,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from kopfka_wire.client.credentials import Login

    Exchange = Generator[bytes, bytes, None]

_MOST_ITERATIONS = 10_000_000
"""A server that wants more is not asking for a proof but for this process's time."""
_HEARD = b"\x01"
"""What is answered to a refused token, so that the server can end the exchange (RFC 7628, 3.2.3)."""


def exchange_of(login: Login, token: str | None) -> Exchange:
    """Return the exchange of a login; with `token` for OAUTHBEARER.

    The generator raises SaslError where the server proves not to know the password, or answers nonsense.
    """
    if login.mechanism == PLAIN:
        return plain(login)
    if login.mechanism == OAUTHBEARER:
        assert token is not None
        return bearer(token, login)
    return scram(login)


def plain(login: Login) -> Exchange:
    """Say name and password (RFC 4616)."""
    yield f"\0{login.username}\0{login.password}".encode()


def bearer(token: str, login: Login) -> Exchange:
    """Say a token, and extensions (RFC 7628, KIP-342)."""
    extensions = "".join(f"{name}={value}\x01" for name, value in login.extensions)
    refusal = yield f"n,,\x01auth=Bearer {token}\x01{extensions}\x01".encode()
    if refusal:
        yield _HEARD
        raise _refused("the server refused the token and took it all the same")


def scram(login: Login, nonce: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> Exchange:
    """Prove that the password is known, and have the server prove it as well (RFC 5802)."""
    mechanism = SCRAM_MECHANISMS[login.mechanism]
    own = nonce()
    bare = f"n={escaped(login.username)},r={own}"
    if login.by_token:
        bare += f",{TOKEN_AUTHENTICATION}=true"
    server_first = (yield f"n,,{bare}".encode()).decode("utf-8", "replace")
    found = SERVER_FIRST.fullmatch(server_first)
    if found is None:
        raise _refused("the server's first message is not one of SCRAM")
    if not found["nonce"].startswith(own) or len(found["nonce"]) == len(own):
        raise _refused("the server's nonce does not continue the client's")
    iterations = int(found["iterations"])
    if not mechanism.least_iterations <= iterations <= _MOST_ITERATIONS:
        raise _refused(f"the server asks for {iterations} iterations, below {mechanism.least_iterations} or absurd")
    salt = base64.b64decode(found["salt"])
    salted = salted_password(mechanism, login.password, salt, iterations)
    credential = credential_of_salted(mechanism, salted, salt, iterations)
    unproved = f"c=biws,r={found['nonce']}"
    signed = f"{bare},{server_first},{unproved}".encode()
    signature = hmac.digest(credential.stored_key, signed, mechanism.hash_name)
    proof = base64.b64encode(combined(client_key(mechanism, salted), signature)).decode()
    last = SERVER_FINAL.fullmatch((yield f"{unproved},p={proof}".encode()).decode("utf-8", "replace"))
    if last is None:
        raise _refused("the server's last message is not one of SCRAM")
    if last["error"]:
        raise _refused(f"the server says {last['error']}")
    verifier = hmac.digest(credential.server_key, signed, mechanism.hash_name)
    if not hmac.compare_digest(base64.b64decode(last["verifier"]), verifier):
        raise _refused("the server does not know the password itself: it may be another one than it should be")


def _refused(why: str) -> SaslError:
    return SaslError(ErrorCode.sasl_authentication_failed, why)
